//! Where the random part of assigned order ids comes from.
//!
//! With the header `Idempotency-Key` it is a hash of the key, the line and what stands in it: the same line of the same
//! source gets the same id however often it is sent, so long as the order brings its own time. Without the header it is
//! random, and an order that is sent again without an id is another order.

use forebay_api::header::{FIRST_LINE, IDEMPOTENCY_KEY};
use forebay_service::Problem;
use http::HeaderMap;
use xxhash_rust::xxh3::Xxh3;

/// The most bytes of an idempotency key.
const KEY_BYTES_MAX: usize = 128;

/// Gives each line its 64 random bits.
pub(crate) struct Assigner {
    keyed: Option<Xxh3>,
    first_line: u64,
}

impl Assigner {
    /// What a request's headers ask for.
    ///
    /// # Errors
    /// The problem `malformed` where one of the headers cannot be read.
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Problem> {
        let first_line = match headers.get(FIRST_LINE) {
            None => 1,
            Some(value) => {
                value.to_str().ok().and_then(|text| text.parse().ok()).filter(|&line| line >= 1).ok_or_else(|| {
                    Problem::malformed("the header Forebay-First-Line must be a line number, counted from 1")
                })?
            }
        };
        let keyed = headers.get(IDEMPOTENCY_KEY).map(|key| {
            if key.is_empty() || key.len() > KEY_BYTES_MAX {
                return Err(Problem::malformed("the header Idempotency-Key must have 1 to 128 bytes"));
            }
            let mut hash = Xxh3::new();
            hash.update(&[key.len() as u8]);
            hash.update(key.as_bytes());
            Ok(hash)
        });
        Ok(Self { keyed: keyed.transpose()?, first_line })
    }

    /// The random bits for the order in that line of the request, counted from 1.
    pub(crate) fn random(&self, line: u64, text: &[u8]) -> u64 {
        let Some(keyed) = &self.keyed else { return rand::random() };
        let mut hash = keyed.clone();
        hash.update(&(self.first_line + line - 1).to_be_bytes());
        hash.update(text);
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn assigner(headers: &[(&'static str, &'static str)]) -> Result<Assigner, Problem> {
        let pairs = headers.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Assigner::from_headers(&pairs.collect())
    }

    #[test]
    fn a_line_of_a_source_keeps_its_bits_however_the_source_is_cut() {
        let whole = assigner(&[(IDEMPOTENCY_KEY, "file")]).unwrap();
        let cut = assigner(&[(IDEMPOTENCY_KEY, "file"), (FIRST_LINE, "11")]).unwrap();
        assert_eq!(whole.random(11, b"x"), cut.random(1, b"x"));
        assert_ne!(whole.random(11, b"x"), whole.random(12, b"x"));
        assert_ne!(whole.random(11, b"x"), whole.random(11, b"y"));
        let other = assigner(&[(IDEMPOTENCY_KEY, "other")]).unwrap();
        assert_ne!(whole.random(11, b"x"), other.random(11, b"x"));
    }

    #[test]
    fn without_a_key_nothing_repeats() {
        let assigner = assigner(&[]).unwrap();
        assert_ne!(assigner.random(1, b"x"), assigner.random(1, b"x"));
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused() {
        assert!(assigner(&[(FIRST_LINE, "0")]).is_err());
        assert!(assigner(&[(FIRST_LINE, "one")]).is_err());
        assert!(assigner(&[(IDEMPOTENCY_KEY, "")]).is_err());
    }
}
