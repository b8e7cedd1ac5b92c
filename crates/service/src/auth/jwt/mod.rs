//! JSON Web Tokens (RFC 7519) of one issuer, verified by the keys that it publishes.
//!
//! Nothing that a token says decides how it is verified: the algorithm is one that its key in our set is for, and the key is found in
//! that set alone. A token that brings or names a key is refused.

#[cfg(any(test, fuzzing))]
pub(crate) mod asked;
mod claims;
mod key_set;
mod published;
mod ring;
mod source;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Header, Validation, decode, decode_header};
use metrics::counter;
use sha2::{Digest, Sha256};

use self::claims::Claims;
use self::key_set::{KeySet, Verified};
pub(crate) use self::source::KeySource;
pub use self::source::{Jwks, JwtSettings};
use super::client::Client;
use crate::settings::command_line::BadSetting;
use crate::telemetry::metrics::TOKENS;

/// Longer ones are refused unread.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// By how much the issuer's clock and ours may differ.
const LEEWAY_S: u64 = 30;

/// Who verifies tokens. Cloning it is cheap, and all clones have the same keys.
#[derive(Debug, Clone)]
pub(crate) struct Tokens {
    pub(super) keys: KeySource,
    validation: Arc<Validation>,
    /// The claims that bind a client.
    bindings: Arc<[String]>,
}

/// Why a token is not taken. Says nothing of the token itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("the token is longer than 8 KiB")]
    TooLong,
    #[error("the token is no JWT that is taken here")]
    Malformed,
    #[error("the token brings or names a key of its own")]
    BringsKey,
    #[error("the token asks for an extension that is not known")]
    Critical,
    #[error("the token names no key that the issuer publishes")]
    UnknownKey,
    #[error("the algorithm of the token is not one of its key")]
    Algorithm,
    #[error("the signature of the token is wrong")]
    Signature,
    #[error("the token is expired")]
    Expired,
    #[error("the token is not valid yet")]
    NotYet,
    #[error("the token is of another issuer")]
    Issuer,
    #[error("the token is for another audience")]
    Audience,
    #[error("the token has not all of the claims exp, iss, aud and sub, or one of its claims is wrong")]
    Claims,
    #[error("what the token binds its client to is nothing that one can be bound to here")]
    Binding,
    /// Not the token's fault.
    #[error("the keys of the issuer are not known yet")]
    NoKeys,
}

impl Refused {
    /// Whether newer keys could make it a good token.
    pub(super) fn may_change(self) -> bool {
        matches!(self, Self::UnknownKey | Self::NoKeys)
    }
}

/// Whether it has the form of a token, rather than that of an API key.
pub(super) fn is_token(bearer: &[u8]) -> bool {
    bearer.split(|&byte| byte == b'.').count() == 3
}

impl Tokens {
    /// Verifies by what the settings name, where they do.
    ///
    /// # Errors
    /// [`BadSetting`] says what is wrong with the file.
    pub(super) fn load(settings: &JwtSettings) -> Result<Option<Self>, BadSetting> {
        let JwtSettings { issuer: Some(issuer), audience: Some(audience), jwks: Some(jwks), bindings } = settings
        else {
            return Ok(None);
        };
        self::ring::install();
        // The algorithm is put in with the key.
        let mut validation = Validation { algorithms: Vec::new(), ..Validation::default() };
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = LEEWAY_S;
        validation.validate_nbf = true;
        for result in ["cached", "verified", "refused"] {
            counter!(TOKENS.name, "result" => result).increment(0);
        }
        Ok(Some(Self {
            keys: KeySource::load(jwks)?,
            validation: Arc::new(validation),
            bindings: bindings.as_slice().into(),
        }))
    }

    /// Whose token it is, of one that was seen when its request came.
    pub(crate) fn look(&self, token: &[u8]) -> Result<Client, Refused> {
        self.find(token).1
    }

    /// Whose token it is that comes.
    pub(crate) fn client(&self, token: &[u8]) -> Result<Client, Refused> {
        let (result, client) = self.find(token);
        counter!(TOKENS.name, "result" => result).increment(1);
        client
    }

    fn find(&self, token: &[u8]) -> (&'static str, Result<Client, Refused>) {
        if token.len() > TOKEN_BYTES_MAX {
            return ("refused", Err(Refused::TooLong));
        }
        let Some(keys) = self.keys.now() else { return ("refused", Err(Refused::NoKeys)) };
        let sum: [u8; 32] = Sha256::digest(token).into();
        if let Some(known) = keys.verified.get(&sum) {
            // One that ends stays until there is no room: it is told from one that is good by its time alone.
            return if known.until_s >= now_s() {
                ("cached", Ok(known.client))
            } else {
                ("refused", Err(Refused::Expired))
            };
        }
        match self.verify(&keys, token) {
            Ok(verified) => {
                keys.verified.insert(sum, verified.clone());
                ("verified", Ok(verified.client))
            }
            Err(refused) => ("refused", Err(refused)),
        }
    }

    fn verify(&self, keys: &KeySet, token: &[u8]) -> Result<Verified, Refused> {
        let header = decode_header(token).map_err(|_| Refused::Malformed)?;
        check_header(&header)?;
        let key = keys.find(header.kid.as_deref()).ok_or(Refused::UnknownKey)?;
        if !key.algorithms.contains(&header.alg) {
            return Err(Refused::Algorithm);
        }
        let validation = Validation { algorithms: vec![header.alg], ..Validation::clone(&self.validation) };
        let token = decode::<Claims>(token, &key.verifies, &validation).map_err(|error| refused(error.kind()))?;
        token.claims.verified(&self.bindings)
    }
}

/// A key, or where one is, would be the sender's choice; what is critical and not understood has to be refused (RFC 7515, 4.1.11).
fn check_header(header: &Header) -> Result<(), Refused> {
    let Header { jku, jwk, x5u, x5c, crit, .. } = header;
    if jku.is_some() || jwk.is_some() || x5u.is_some() || x5c.is_some() {
        return Err(Refused::BringsKey);
    }
    if crit.is_some() { Err(Refused::Critical) } else { Ok(()) }
}

fn refused(error: &ErrorKind) -> Refused {
    match error {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::ImmatureSignature => Refused::NotYet,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::InvalidAlgorithm => Refused::Algorithm,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) | ErrorKind::Json(_) => Refused::Claims,
        _ => Refused::Malformed,
    }
}

fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}
