//! What an order must be to be taken: by Forebay's rules, and by those of who runs it.
//!
//! The latter are a JSON Schema (2020-12), which sees the order as it was sent. It is looked at only where Forebay's own rules find nothing
//! wrong, and without one an order costs nothing more.

use std::path::Path;
use std::sync::Arc;

use forebay_model::event::check_sender;
use forebay_model::order::Draft;
use forebay_model::order::fault::{FAULTS_MAX, Fault};
use forebay_model::{Event, EventParser, Order, OrderId, OrderParser, Rejection, ShardMap, Timestamp};
use forebay_service::BadSetting;
use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value;

use crate::sender::Sender;

/// The JSON Schema that there is no other of.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Rules beside Forebay's own.
#[derive(Clone)]
pub(crate) struct OrderSchema(Arc<Validator>);

/// Reads orders that are to be taken from a sender.
pub(crate) struct Admission {
    pub(crate) parser: OrderParser,
    pub(crate) schema: Option<OrderSchema>,
    /// For whom they are sent.
    pub(crate) sender: Sender,
}

/// Reads events that are to be taken from a sender.
pub(crate) struct EventAdmission {
    pub(crate) parser: EventParser,
    /// As of [`Admission`].
    pub(crate) sender: Sender,
}

impl Admission {
    /// Reads one order. `now` bounds its time.
    pub(crate) fn read<'j>(&self, text: &'j [u8], now: Timestamp) -> Result<Draft<'j>, Rejection> {
        let draft = self.parser.parse(text, now)?;
        check_sender(&draft.customer_id, self.sender.only())?;
        if let Some(schema) = &self.schema {
            schema.check(text)?;
        }
        Ok(draft)
    }

    /// Gives one that was read its identity, as the sender's.
    pub(crate) fn settle<'j>(&self, draft: Draft<'j>, map: &ShardMap, now: Timestamp, random: u64) -> Order<'j> {
        draft.settle(self.sender.tenant(), map, now, random)
    }
}

impl EventAdmission {
    /// Reads one event, of that order where the request says of which.
    pub(crate) fn read(
        &self,
        text: &[u8],
        of: Option<&OrderId>,
        map: &ShardMap,
        now: Timestamp,
    ) -> Result<Event, Rejection> {
        self.parser.parse(text, of, now)?.settle(self.sender.tenant(), map, self.sender.only())
    }
}

impl OrderSchema {
    /// Reads the schema in a file. It must stand on its own: nothing is fetched.
    ///
    /// # Errors
    /// [`BadSetting`] says what is wrong with it, and where.
    pub(crate) fn in_file(path: &Path) -> Result<Self, BadSetting> {
        let bad = |what: String| BadSetting::new(format!("--order-schema {}: {what}", path.display()));
        let text = std::fs::read(path).map_err(|error| bad(error.to_string()))?;
        let schema: Value = serde_json::from_slice(&text).map_err(|error| bad(format!("it is not JSON: {error}")))?;
        Self::new(&schema).map_err(bad)
    }

    fn new(schema: &Value) -> Result<Self, String> {
        match schema.get("$schema") {
            Some(dialect) if dialect != DIALECT => {
                return Err(format!("\"$schema\" is {dialect}, and must be {DIALECT:?}"));
            }
            _ => {}
        }
        let options = jsonschema::draft202012::options().offline();
        let options = options.should_validate_formats(true).should_ignore_unknown_formats(false);
        match options.build(schema) {
            Ok(validator) => Ok(Self(Arc::new(validator))),
            Err(error) if error.instance_path().as_str().is_empty() => Err(error.to_string()),
            Err(error) => Err(format!("{}: {error}", error.instance_path())),
        }
    }

    /// Checks an order that is one by Forebay's rules.
    fn check(&self, text: &[u8]) -> Result<(), Rejection> {
        let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(text);
        let order: Value = serde_json::from_slice(text).map_err(|error| Rejection::Malformed(error.to_string()))?;
        if self.0.is_valid(&order) {
            return Ok(());
        }
        Err(Rejection::Invalid(
            self.0.iter_errors(&order).flat_map(|error| faults_of(&error)).take(FAULTS_MAX).collect(),
        ))
    }
}

/// An error as we tell it. What is missing or too much is pointed at itself, and not at what it is missing in.
fn faults_of(error: &ValidationError<'_>) -> Vec<Fault> {
    let at = error.instance_path().as_str();
    let property =
        |name: &str, reason: &str| Fault { pointer: format!("{at}/{}", escaped(name)), reason: reason.to_owned() };
    match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => vec![property(name, "is required")],
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            unexpected.iter().map(|name| property(name, "is not taken here")).collect()
        }
        ValidationErrorKind::FalseSchema => {
            vec![Fault { pointer: at.to_owned(), reason: "is not taken here".to_owned() }]
        }
        _ => {
            let said = error.masked().to_string();
            let reason =
                said.strip_prefix("value ").map_or_else(|| format!("is not as it must be: {said}"), str::to_owned);
            vec![Fault { pointer: at.to_owned(), reason }]
        }
    }
}

/// A name as a part of a JSON pointer (RFC 6901, section 3).
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use forebay_model::{Currency, ViewSet};
    use serde_json::json;

    use super::*;

    fn faults(schema: &Value, order: &Value) -> Vec<String> {
        let parser = OrderParser::new(ViewSet::default(), Currency::DEFAULT, i64::MAX);
        let admission =
            Admission { parser, schema: Some(OrderSchema::new(schema).unwrap()), sender: Sender::default() };
        match admission.read(order.to_string().as_bytes(), Timestamp::now()) {
            Ok(_) => Vec::new(),
            Err(Rejection::Invalid(faults)) => faults.iter().map(ToString::to_string).collect(),
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn faults_are_told_by_pointer_as_our_own_are() {
        let schema = json!({
            "$schema": DIALECT,
            "type": "object",
            "required": ["channel", "a/b~c"],
            "properties": {
                "channel": {"enum": ["web", "shop"]},
                "placed_on": {"format": "date"},
                "items": {"items": {"required": ["seller_id"], "properties": {"quantity": {"maximum": 10}}}},
                "more": {"properties": {"y": {}}, "additionalProperties": false},
                "secret": false,
            },
        });
        let item = json!({"sku": "A", "quantity": 11, "price": 1});
        let order = json!({"customer_id": "C", "items": [item], "channel": "mail", "placed_on": "today", "more": {"x": 1}, "secret": 1});
        let mut found = faults(&schema, &order);
        found.sort();
        let expected = [
            "/a~1b~0c is required",
            "/channel is not one of \"web\" or \"shop\"",
            "/items/0/quantity is greater than the maximum of 10",
            "/items/0/seller_id is required",
            "/more/x is not taken here",
            "/placed_on is not a \"date\"",
            "/secret is not taken here",
        ];
        assert_eq!(found, expected);
        let good = json!({"customer_id": "C", "items": [{"sku": "A", "quantity": 1, "price": 1, "seller_id": "S"}], "channel": "web", "a/b~c": null});
        assert!(faults(&schema, &good).is_empty());
    }

    #[test]
    fn our_own_rules_come_first_and_faults_have_an_end() {
        let order = json!({"customer_id": "C", "items": []});
        let found = faults(&json!({"required": ["x"]}), &order);
        assert!(found.len() == 1 && found[0].starts_with("/items"), "{found:?}");
        let item = json!({"sku": "A", "quantity": 1, "price": 1});
        let order = json!({"customer_id": "C", "items": vec![item; 500]});
        assert_eq!(faults(&json!({"properties": {"items": {"items": {"required": ["x"]}}}}), &order).len(), FAULTS_MAX);
    }

    #[test]
    fn an_invalid_schema_is_refused() {
        for (schema, said) in [
            (json!({"properties": {"x": {"type": "texts"}}}), "/properties/x/type"),
            (json!({"$schema": "http://json-schema.org/draft-07/schema#"}), "must be \"https://json-schema.org"),
            (json!({"$ref": "https://example.com/order.json"}), "example.com"),
            (json!({"$ref": "file:///etc/passwd"}), "passwd"),
            (json!({"properties": {"x": {"format": "dat"}}}), "dat"),
            (json!({"properties": {"x": {"pattern": "("}}}), "("),
            (json!([]), ""),
        ] {
            let refused = OrderSchema::new(&schema).err().unwrap_or_else(|| panic!("{schema} was taken"));
            assert!(refused.contains(said) && !refused.contains('\n'), "{refused}");
        }
    }
}
