//! What fuzz targets ask of tokens and keys.

use std::sync::OnceLock;

use super::key_set::KeySet;
use super::{Jwks, JwtSettings, Tokens};

/// The key of RFC 7517, appendix A.1, as an issuer publishes it. Nobody signs with it here.
const KEYS: &str = r#"{"keys":[{"kty":"EC","crv":"P-256","kid":"a","use":"sig",
    "x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}]}"#;

/// The algorithms of a key set.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn key_set(text: &[u8]) -> Result<Vec<String>, String> {
    KeySet::parse(text).map(|keys| keys.algorithms())
}

/// Whether a token lets anybody in where that key is known.
///
/// # Panics
/// Where there is no room for a key.
pub(crate) fn is_token_taken(token: &[u8]) -> bool {
    static TOKENS: OnceLock<Tokens> = OnceLock::new();
    let tokens = TOKENS.get_or_init(|| {
        let path = std::env::temp_dir().join(format!("forebay-keys-{}.json", std::process::id()));
        std::fs::write(&path, KEYS).expect("there is room for a key");
        let settings = JwtSettings {
            issuer: Some("https://issuer.example".to_owned()),
            audience: Some("forebay".to_owned()),
            jwks: Some(Jwks::File(path.clone())),
            ..JwtSettings::default()
        };
        let tokens = Tokens::load(&settings).expect("it is a key set").expect("it is named");
        let _ = std::fs::remove_file(path);
        tokens
    });
    tokens.client(token).is_ok()
}
