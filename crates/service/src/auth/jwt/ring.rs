//! Signatures are verified by ring, which is there for TLS.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature as algorithms;
use ring::signature::{RsaParameters, RsaPublicKeyComponents, UnparsedPublicKey, VerificationAlgorithm};

static RING: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(ErrorKind::UnsupportedAlgorithm.into()),
    verifier_factory: |algorithm, key| Ok(Box::new(Ring::new(*algorithm, key)?)),
    key_utils: KeyUtils::new_unimplemented(),
};

/// Has tokens of this process verified by ring. Later calls change nothing.
pub(super) fn install() {
    let _ = RING.install_default();
}

/// A key with what it is used for.
struct Ring {
    algorithm: Algorithm,
    key: DecodingKey,
    by: By,
}

enum By {
    Rsa(&'static RsaParameters),
    Curve(&'static dyn VerificationAlgorithm),
}

impl Ring {
    /// # Errors
    /// Where the algorithm is not one of those that have a public key, or not one of the key's type.
    fn new(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let (family, by) = match algorithm {
            Algorithm::RS256 => (AlgorithmFamily::Rsa, By::Rsa(&algorithms::RSA_PKCS1_2048_8192_SHA256)),
            Algorithm::RS384 => (AlgorithmFamily::Rsa, By::Rsa(&algorithms::RSA_PKCS1_2048_8192_SHA384)),
            Algorithm::RS512 => (AlgorithmFamily::Rsa, By::Rsa(&algorithms::RSA_PKCS1_2048_8192_SHA512)),
            Algorithm::PS256 => (AlgorithmFamily::Rsa, By::Rsa(&algorithms::RSA_PSS_2048_8192_SHA256)),
            Algorithm::PS384 => (AlgorithmFamily::Rsa, By::Rsa(&algorithms::RSA_PSS_2048_8192_SHA384)),
            Algorithm::PS512 => (AlgorithmFamily::Rsa, By::Rsa(&algorithms::RSA_PSS_2048_8192_SHA512)),
            Algorithm::ES256 => (AlgorithmFamily::Ec, By::Curve(&algorithms::ECDSA_P256_SHA256_FIXED)),
            Algorithm::ES384 => (AlgorithmFamily::Ec, By::Curve(&algorithms::ECDSA_P384_SHA384_FIXED)),
            Algorithm::EdDSA => (AlgorithmFamily::Ed, By::Curve(&algorithms::ED25519)),
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        if key.family() != family {
            return Err(ErrorKind::InvalidAlgorithm.into());
        }
        Ok(Self { algorithm, key: key.clone(), by })
    }
}

impl JwtVerifier for Ring {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl Verifier<Vec<u8>> for Ring {
    fn verify(&self, message: &[u8], signed: &Vec<u8>) -> Result<(), signature::Error> {
        match (&self.by, self.key.kind()) {
            (By::Rsa(how), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(how, message, signed)
            }
            (By::Curve(how), DecodingKeyKind::SecretOrDer(point)) => {
                UnparsedPublicKey::new(*how, point).verify(message, signed)
            }
            _ => return Err(signature::Error::new()),
        }
        .map_err(|_| signature::Error::new())
    }
}
