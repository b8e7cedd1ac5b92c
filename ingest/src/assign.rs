//! Where the random part of assigned order ids comes from.
//!
//! With the header `Idempotency-Key` it is a hash of the key, the customer and the time: so an order has one id, however often it is sent and
//! however its JSON is written, and the shard knows a duplicate from another order, as it does of any id. Therefore the order must bring its
//! time. Without the header it is random, and an order that is sent again without an id is another order.
//!
//! The key of a batch names a source of lines, and only roughly: `forebay replay` knows a file by its first line. So the line counts there,
//! and, lest a line of another file is taken for it, what can be seen at once: currency and total.

use forebay_api::header::{FIRST_LINE, IDEMPOTENCY_KEY};
use forebay_model::Rejection;
use forebay_model::order::Draft;
use forebay_service::Problem;
use http::{HeaderMap, HeaderValue};
use xxhash_rust::xxh3::Xxh3;

use crate::keys::meaning::Meaning;

/// The most bytes of an idempotency key.
const KEY_BYTES_MAX: usize = 128;

/// Gives each line its 64 random bits.
pub(crate) struct Assigner {
    key: Option<HeaderValue>,
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
        let key = headers.get(IDEMPOTENCY_KEY).cloned();
        if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > KEY_BYTES_MAX) {
            return Err(Problem::malformed("the header Idempotency-Key must have 1 to 128 bytes"));
        }
        Ok(Self { key, first_line })
    }

    /// The key of the request.
    pub(crate) fn key(&self) -> Option<&[u8]> {
        self.key.as_ref().map(HeaderValue::as_bytes)
    }

    /// Takes an order of the request.
    ///
    /// # Errors
    /// [`Rejection`] where it is sent with a key, and would be another order each time.
    pub(crate) fn admit<'j>(&self, draft: Draft<'j>) -> Result<Draft<'j>, Rejection> {
        if self.key.is_some() { draft.repeatable() } else { Ok(draft) }
    }

    /// The random bits for the only order of the request.
    pub(crate) fn for_order(&self, draft: &Draft<'_>) -> u64 {
        self.hashed(draft, |_| {})
    }

    /// The random bits for the order in that line of the request, counted from 1.
    pub(crate) fn for_line(&self, line: u64, draft: &Draft<'_>) -> u64 {
        self.hashed(draft, |hash| {
            hash.update(&(self.first_line + line - 1).to_be_bytes());
            hash.update(draft.currency.as_str().as_bytes());
            hash.update(&draft.total.to_be_bytes());
        })
    }

    fn hashed(&self, draft: &Draft<'_>, more: impl FnOnce(&mut Xxh3)) -> u64 {
        let Some(key) = self.key() else { return rand::random() };
        let mut hash = Xxh3::new();
        hash.update(&[key.len() as u8]);
        hash.update(key);
        Meaning(&mut hash).of_identity(draft);
        more(&mut hash);
        hash.digest()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Currency, OrderParser, Timestamp, ViewSet};

    fn assigner(headers: &[(&'static str, &'static str)]) -> Result<Assigner, Problem> {
        let pairs = headers.iter().map(|&(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)));
        Assigner::from_headers(&pairs.collect())
    }

    fn with<T>(order: &str, what: impl FnOnce(&Draft<'_>) -> T) -> T {
        let parser = OrderParser::new(ViewSet::default(), Currency::DEFAULT, i64::MAX);
        what(&parser.parse(order.as_bytes(), Timestamp::now()).unwrap())
    }

    const ORDER: &str =
        r#"{"customer_id":"C","timestamp":"2025-06-30T12:30:00Z","items":[{"sku":"A","quantity":1,"price":1}]}"#;

    #[test]
    fn an_order_keeps_its_bits_however_it_is_written_and_whatever_else_it_has() {
        let assigner = assigner(&[(IDEMPOTENCY_KEY, "key")]).unwrap();
        let bits = |order: &str| with(order, |draft| assigner.for_order(draft));
        assert_eq!(bits(ORDER), bits(&ORDER.replace("00Z", "00.000+00:00").replace(",\"", " , \"")));
        assert_eq!(bits(ORDER), bits(&ORDER.replace(":1}", ":2}")), "its shard sees that it is another one");
        assert_ne!(bits(ORDER), bits(&ORDER.replace("\"C\"", "\"D\"")));
        assert_ne!(bits(ORDER), bits(&ORDER.replace("00Z", "00.000001Z")));
    }

    #[test]
    fn a_line_of_a_source_keeps_its_bits_however_the_source_is_cut() {
        let whole = assigner(&[(IDEMPOTENCY_KEY, "file")]).unwrap();
        let cut = assigner(&[(IDEMPOTENCY_KEY, "file"), (FIRST_LINE, "11")]).unwrap();
        let other = assigner(&[(IDEMPOTENCY_KEY, "other")]).unwrap();
        let bits = |assigner: &Assigner, line| with(ORDER, |draft| assigner.for_line(line, draft));
        assert_eq!(bits(&whole, 11), bits(&cut, 1));
        assert_ne!(bits(&whole, 11), bits(&whole, 12));
        assert_ne!(bits(&whole, 11), bits(&other, 11));
        let dearer = with(&ORDER.replace(":1}", ":2}"), |draft| whole.for_line(11, draft));
        assert_ne!(bits(&whole, 11), dearer);
    }

    #[test]
    fn without_a_key_nothing_repeats() {
        let assigner = assigner(&[]).unwrap();
        assert_ne!(with(ORDER, |draft| assigner.for_order(draft)), with(ORDER, |draft| assigner.for_order(draft)));
    }

    #[test]
    fn headers_that_cannot_be_read_are_refused() {
        assert!(assigner(&[(FIRST_LINE, "0")]).is_err());
        assert!(assigner(&[(FIRST_LINE, "one")]).is_err());
        assert!(assigner(&[(IDEMPOTENCY_KEY, "")]).is_err());
    }
}
