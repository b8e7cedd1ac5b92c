//! A set of keys (RFC 7517), and the tokens that were verified by it.

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use metrics::gauge;
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;
use tracing::{info, warn};

use crate::auth::client::Client;
use crate::telemetry::metrics::JWKS_KEYS;

/// The most bytes that a set may have.
pub(super) const BYTES_MAX: usize = 1 << 20;
const KEYS_MAX: usize = 100;
/// A few MiB, since names are short.
const VERIFIED_MAX: u64 = 16_384;
const RSA_BYTES_MIN: usize = 2048 / 8;

/// Keys, and the tokens that were verified by them, which go with them.
#[derive(Debug)]
pub(crate) struct KeySet {
    /// As it was published.
    text: Vec<u8>,
    keys: Vec<Key>,
    /// By the SHA-256 sum of the token.
    pub(super) verified: Cache<[u8; 32], Verified>,
}

/// A key that verifies signatures.
#[derive(Debug)]
pub(super) struct Key {
    id: Option<String>,
    /// What it may be used for: by its type, and by what the set says of it.
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) verifies: DecodingKey,
}

/// Whose a good token is, and until when it is one.
#[derive(Debug, Clone)]
pub(super) struct Verified {
    pub(super) client: Client,
    pub(super) until_s: u64,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. Keys that verify no signatures, or by algorithms that are not taken, are passed over.
    ///
    /// # Errors
    /// Where it is not a valid one.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        if text.len() > BYTES_MAX {
            return Err("the key set is larger than 1 MiB".to_owned());
        }
        let Published { keys } =
            serde_json::from_slice(text).map_err(|error| format!("this is no key set (RFC 7517): {error}"))?;
        if keys.len() > KEYS_MAX {
            return Err(format!("there are more than {KEYS_MAX} keys in the set"));
        }
        let keys = keys.into_iter().filter_map(Key::of).collect();
        Ok(Self { text: text.to_vec(), keys, verified: Cache::new(VERIFIED_MAX) })
    }

    /// The key of that name; without a name, the only one that there is.
    pub(super) fn find(&self, id: Option<&str>) -> Option<&Key> {
        match (id, &self.keys[..]) {
            (None, [only]) => Some(only),
            (None, _) => None,
            (Some(id), keys) => keys.iter().find(|key| key.id.as_deref() == Some(id)),
        }
    }

    /// The algorithms that its keys may be used with, for the fuzz targets.
    #[cfg(any(test, fuzzing))]
    pub(super) fn algorithms(&self) -> Vec<String> {
        self.keys.iter().flat_map(|key| &key.algorithms).map(|algorithm| format!("{algorithm:?}")).collect()
    }

    /// How many keys can be used.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Says that they are in force.
    pub(super) fn tell(&self) {
        gauge!(JWKS_KEYS.name).set(self.len() as f64);
        match self.len() {
            0 => warn!("no key of the key set can be used: no token is good"),
            keys => info!(keys, "the key set is read"),
        }
    }

    /// Whether the text is that which it was read from.
    pub(super) fn is_of(&self, text: &[u8]) -> bool {
        self.text == text
    }
}

impl Key {
    fn of(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let algorithms = algorithms(&jwk);
        let verifies = DecodingKey::from_jwk(&jwk).ok()?;
        (!algorithms.is_empty() && is_long_enough(&verifies)).then_some(Self {
            id: jwk.common.key_id,
            algorithms,
            verifies,
        })
    }
}

/// What a key may be used for. Nothing that has a shared secret is among it.
fn algorithms(jwk: &Jwk) -> Vec<Algorithm> {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    let of_its_type: &[Algorithm] = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => &[ES256],
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P384 => &[ES384],
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        _ => &[],
    };
    let common = &jwk.common;
    let is_for_signatures = matches!(common.public_key_use, None | Some(PublicKeyUse::Signature))
        && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
    let is_named =
        |algorithm: &Algorithm| common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(*algorithm));
    of_its_type.iter().copied().filter(|algorithm| is_for_signatures && is_named(algorithm)).collect()
}

fn is_long_enough(key: &DecodingKey) -> bool {
    match key.kind() {
        DecodingKeyKind::RsaModulusExponent { n, .. } => n.len() >= RSA_BYTES_MIN,
        DecodingKeyKind::SecretOrDer(_) => true,
    }
}
