//! What an order means, as a hash: the same for two texts that Postgres would store as equal.

use forebay_model::Timestamp;
use forebay_model::order::Draft;
use serde_json::Value;
use xxhash_rust::xxh3::Xxh3;

/// Takes meanings in.
pub(crate) struct Meaning<'h>(pub(crate) &'h mut Xxh3);

/// The meaning of an order as it was sent.
pub(crate) fn meaning_of(draft: &Draft<'_>) -> u64 {
    let mut hash = Xxh3::new();
    Meaning(&mut hash).of_order(draft);
    hash.digest()
}

impl Meaning<'_> {
    /// Whose order it is, and of when.
    pub(crate) fn of_identity(&mut self, draft: &Draft<'_>) {
        self.text(draft.customer_id.as_str());
        self.0.update(&draft.timestamp.map_or(0, Timestamp::unix_us).to_be_bytes());
    }

    fn of_order(&mut self, draft: &Draft<'_>) {
        self.of_identity(draft);
        self.text(draft.order_id.as_ref().map_or("", |id| id.as_str()));
        self.text(draft.currency.as_str());
        for json in [draft.items, &draft.attributes] {
            // It was read once, so it can be read.
            self.value(&serde_json::from_str(json).unwrap_or_default());
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Null => self.0.update(b"n"),
            Value::Bool(value) => self.0.update(if *value { b"t" } else { b"f" }),
            // By their value, whichever way it is written. Large ones that differ little are alike here; their shard tells them apart.
            Value::Number(number) => {
                self.0.update(b"1");
                // Zero has no sign: -0 and 0 are one number.
                self.0.update(&(number.as_f64().unwrap_or_default() + 0.0).to_be_bytes());
            }
            Value::String(text) => {
                self.0.update(b"s");
                self.text(text);
            }
            Value::Array(values) => {
                self.0.update(b"[");
                self.0.update(&values.len().to_be_bytes());
                for value in values {
                    self.value(value);
                }
            }
            Value::Object(fields) => {
                let mut fields: Vec<(&String, &Value)> = fields.iter().collect();
                fields.sort_unstable_by_key(|(name, _)| *name);
                self.0.update(b"{");
                self.0.update(&fields.len().to_be_bytes());
                for (name, value) in fields {
                    self.text(name);
                    self.value(value);
                }
            }
        }
    }

    fn text(&mut self, text: &str) {
        self.0.update(&text.len().to_be_bytes());
        self.0.update(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use forebay_model::{Currency, OrderParser, ViewSet};

    use super::*;

    fn meaning(order: &str) -> u64 {
        let parser = OrderParser::new(ViewSet::default(), Currency::DEFAULT, i64::MAX);
        meaning_of(&parser.parse(order.as_bytes(), Timestamp::now()).unwrap())
    }

    #[test]
    fn what_is_the_same_order_means_the_same_and_what_is_not_does_not() {
        let order = r#"{"customer_id":"7","timestamp":"2025-06-30T12:30:00Z","items":[{"sku":"A","quantity":1,"price":10}],"x":{"a":-0.0,"b":[1,"é"]}}"#;
        let same = [
            r#" {"x": {"b": [1.0, "\u00e9"], "a": 0}, "items": [{"price": 10, "quantity": 1, "sku": "A"}], "customer_id": 7, "total": 10,
                "timestamp": "2025-06-30T14:30:00+02:00", "currency": "EUR", "order_id": null}"#,
        ];
        for same in same {
            assert_eq!(meaning(order), meaning(same), "{same}");
        }
        for (this, other) in [
            ("\"7\"", "\"8\""),
            (":10", ":11"),
            ("00Z", "01Z"),
            ("\"A\"", "\"B\""),
            ("[1,", "[[1],"),
            ("\"x\"", "\"y\""),
            ("-0.0", "\"\""),
        ] {
            assert_ne!(meaning(order), meaning(&order.replace(this, other)), "{other}");
        }
        assert_ne!(meaning(order), meaning(&order.replacen('{', r#"{"currency":"CHF","#, 1)));
        assert_ne!(meaning(order), meaning(&order.replacen('{', r#"{"order_id":"O","#, 1)));
    }
}
