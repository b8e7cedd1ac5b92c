//! An order as a shard has it: read from a tuple, and as a client could have sent it.

use forebay_model::tuple::Tuple;
use forebay_model::{Identity, Tenant, Timestamp};

pub(crate) use forebay_shard::read::order_key::OrderKey;
pub(crate) use forebay_shard::read::stored_order::{StoredOrder, existing, find};

/// The identity of the order that a tuple of any lane is about.
///
/// # Errors
/// What of it cannot be read, as a sentence about the tuple.
pub(crate) fn key_of(tuple: &Tuple<'_>) -> Result<OrderKey, String> {
    Ok(OrderKey {
        ordered_at: time(tuple)?,
        order_id: text(tuple, "order_id")?,
        customer_id: text(tuple, "customer_id")?,
        tenant: tenant_of(tuple)?,
    })
}

/// The order that a tuple of lane `orders` is, whether it is stored or not.
///
/// # Errors
/// What of it cannot be read, as a sentence about the tuple.
pub(crate) fn order_of(tuple: &Tuple<'_>) -> Result<StoredOrder, String> {
    Ok(StoredOrder {
        key: key_of(tuple)?,
        bucket: Identity::of(tuple).bucket,
        kind: text(tuple, "kind")?,
        currency: text(tuple, "currency")?,
        items: text(tuple, "items")?,
        attributes: text(tuple, "attributes")?,
        events: None,
    })
}

/// The tenant of what a tuple is about.
///
/// # Errors
/// Where it cannot be read, as a sentence about the tuple.
pub(crate) fn tenant_of(tuple: &Tuple<'_>) -> Result<Tenant, String> {
    Tenant::new(text(tuple, "tenant")?).map_err(|error| format!("its tenant {error}"))
}

/// The event that a tuple of lane `events` is, as a client could send it.
///
/// # Errors
/// What of it cannot be read, as a sentence about the tuple.
pub(crate) fn event_json(tuple: &Tuple<'_>) -> Result<String, String> {
    let quoted = |column| text(tuple, column).map(|text| serde_json::Value::from(text).to_string());
    let (order_id, event_id, kind) = (quoted("order_id")?, quoted("event_id")?, quoted("kind")?);
    let customer_id = if text(tuple, "customer_id")?.is_empty() { "null".to_owned() } else { quoted("customer_id")? };
    let (at, content) = (time(tuple)?, text(tuple, "content")?);
    let rest = members(&content);
    Ok(format!(
        r#"{{"order_id":{order_id},"customer_id":{customer_id},"event_id":{event_id},"kind":{kind},"at":"{at}"{rest}"#
    ))
}

/// The order as a client could send it.
pub(crate) fn json(order: &StoredOrder) -> String {
    let StoredOrder { key, kind, currency, items, attributes, .. } = order;
    let OrderKey { ordered_at, order_id, customer_id, .. } = key;
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let [customer_id, order_id, kind, currency] = [customer_id, order_id, kind, currency].map(|text| quoted(text));
    let rest = members(attributes);
    format!(
        r#"{{"customer_id":{customer_id},"order_id":{order_id},"timestamp":"{ordered_at}","kind":{kind},"currency":{currency},"items":{items}{rest}"#
    )
}

/// The members of an object behind those of another one, with its end.
fn members(object: &str) -> String {
    let rest = object.trim().trim_start_matches('{').trim_end();
    let separator = if rest.trim_start() == "}" { "" } else { "," };
    format!("{separator}{rest}")
}

/// A time outside the years that can be written would be read as another one.
fn time(tuple: &Tuple<'_>) -> Result<Timestamp, String> {
    let at = tuple.ordered_at();
    match Timestamp::parse(&at.to_string()) {
        Ok(same) if same == at => Ok(at),
        _ => Err(format!("its time is {at}, which no order can have")),
    }
}

fn text(tuple: &Tuple<'_>, column: &str) -> Result<String, String> {
    let bytes = tuple.named(column).unwrap_or_default();
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("its {column} is not UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn order(attributes: &str) -> StoredOrder {
        StoredOrder {
            key: OrderKey { order_id: "O\"1".to_owned(), customer_id: "C".to_owned(), ..OrderKey::before_all() },
            bucket: 0,
            kind: "return".to_owned(),
            currency: "GBP".to_owned(),
            items: "[]".to_owned(),
            attributes: attributes.to_owned(),
            events: None,
        }
    }

    #[test]
    fn a_stored_order_is_an_order_again() {
        let read = |order: &StoredOrder| serde_json::from_str::<Value>(&super::json(order)).unwrap();
        let fixed = json!({"customer_id": "C", "order_id": "O\"1", "timestamp": "2000-01-01T00:00:00Z", "kind": "return",
            "currency": "GBP", "items": []});
        assert_eq!(read(&order("{}")), fixed);
        let mut expected = fixed;
        expected["a"] = json!({"b": {}});
        assert_eq!(read(&order(r#"{"a": {"b": {}}}"#)), expected);
    }
}
