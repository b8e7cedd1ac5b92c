//! An issuer of tokens (JWT, RFC 7519): its keys, what it publishes, and what others would pass off as its.

use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, EcdsaSigningAlgorithm,
    Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaKeyPair, RsaPublicKeyComponents,
};
use serde_json::{Value, json};

/// What its tokens name as the issuer.
pub const ISSUER: &str = "https://issuer.example";
/// Whom they are for.
pub const AUDIENCE: &str = "forebay";

/// A key with its name.
pub struct Key {
    /// Its name.
    pub id: String,
    pair: Pair,
}

enum Pair {
    Curve(&'static str, EcdsaKeyPair),
    Edwards(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    /// On the curve P-256.
    pub fn p256(id: &str) -> Self {
        Self::curve(id, "P-256", &ECDSA_P256_SHA256_FIXED_SIGNING)
    }

    /// On the curve P-384.
    pub fn p384(id: &str) -> Self {
        Self::curve(id, "P-384", &ECDSA_P384_SHA384_FIXED_SIGNING)
    }

    fn curve(id: &str, curve: &'static str, algorithm: &'static EcdsaSigningAlgorithm) -> Self {
        let random = SystemRandom::new();
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).expect("keys and claims of a test are well made");
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random)
            .expect("keys and claims of a test are well made");
        Self { id: id.to_owned(), pair: Pair::Curve(curve, pair) }
    }

    /// On the curve Ed25519.
    pub fn ed25519(id: &str) -> Self {
        let pkcs8 =
            Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("keys and claims of a test are well made");
        Self {
            id: id.to_owned(),
            pair: Pair::Edwards(
                Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).expect("keys and claims of a test are well made"),
            ),
        }
    }

    /// Ring makes no such keys.
    pub fn rsa(id: &str) -> Self {
        let made = Command::new("openssl")
            .args(["genpkey", "-quiet", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"])
            .output()
            .expect("openssl makes RSA keys");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let pair = RsaKeyPair::from_pkcs8(&made.stdout)
            .or_else(|_| RsaKeyPair::from_der(&made.stdout))
            .expect("keys and claims of a test are well made");
        Self { id: id.to_owned(), pair: Pair::Rsa(pair) }
    }

    /// As the issuer publishes it.
    pub fn published(&self) -> Value {
        let mut key = match &self.pair {
            Pair::Curve(curve, pair) => {
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)})
            }
            Pair::Edwards(pair) => json!({"kty": "OKP", "crv": "Ed25519", "x": base64(pair.public_key().as_ref())}),
            Pair::Rsa(pair) => {
                let RsaPublicKeyComponents::<Vec<u8>> { n, e } = pair.public().into();
                json!({"kty": "RSA", "n": base64(&n), "e": base64(&e)})
            }
        };
        key["kid"] = self.id.as_str().into();
        key["use"] = "sig".into();
        key
    }

    /// A token with that header and these claims.
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!("{}.{}", part(header), part(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Curve(_, pair) => pair
                .sign(&random, signed.as_bytes())
                .expect("keys and claims of a test are well made")
                .as_ref()
                .to_vec(),
            Pair::Edwards(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let how: &dyn ring::signature::RsaEncoding =
                    match header["alg"].as_str().expect("keys and claims of a test are well made") {
                        "RS256" => &RSA_PKCS1_SHA256,
                        "RS384" => &RSA_PKCS1_SHA384,
                        "RS512" => &RSA_PKCS1_SHA512,
                        "PS256" => &RSA_PSS_SHA256,
                        "PS384" => &RSA_PSS_SHA384,
                        _ => &RSA_PSS_SHA512,
                    };
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(how, &random, signed.as_bytes(), &mut signature)
                    .expect("keys and claims of a test are well made");
                signature
            }
        };
        format!("{signed}.{}", base64(&signature))
    }

    /// A good token by that algorithm.
    pub fn token(&self, algorithm: &str) -> String {
        self.sign(&self.header(algorithm), &claims())
    }

    /// The header of a token by that algorithm.
    pub fn header(&self, algorithm: &str) -> Value {
        json!({"alg": algorithm, "typ": "JWT", "kid": self.id})
    }
}

/// The keys as they are published together.
pub fn key_set(keys: &[&Key]) -> Value {
    json!({"keys": keys.iter().map(|key| key.published()).collect::<Vec<_>>()})
}

/// What a good token says.
pub fn claims() -> Value {
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": "shop", "exp": now_s() + 600, "scope": "orders:read openid"})
}

/// The same, but for some of it; null leaves a claim out.
pub fn claims_but(others: &Value) -> Value {
    let mut claims = claims();
    claims
        .as_object_mut()
        .expect("keys and claims of a test are well made")
        .extend(others.as_object().expect("claims of a test are an object").clone());
    claims.as_object_mut().expect("keys and claims of a test are well made").retain(|_, value| !value.is_null());
    claims
}

/// A token whose signature is a sum with that secret, as HS256 has it.
pub fn shared_secret(id: &str, secret: &[u8]) -> String {
    let signed = format!("{}.{}", part(&json!({"alg": "HS256", "kid": id})), part(&claims()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret);
    format!("{signed}.{}", base64(ring::hmac::sign(&key, signed.as_bytes()).as_ref()))
}

/// A token without a signature.
pub fn unsigned(algorithm: &str) -> String {
    format!("{}.{}.", part(&json!({"alg": algorithm})), part(&claims()))
}

/// Seconds since 1970.
pub fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("keys and claims of a test are well made").as_secs()
}

/// As tokens write bytes.
pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(value: &Value) -> String {
    base64(value.to_string().as_bytes())
}
