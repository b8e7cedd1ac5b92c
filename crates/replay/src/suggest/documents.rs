//! Where in a JSON document the orders stand.

use serde_json::Value;

use super::sample::{Sample, Shape, at};

/// Where documents have their orders, where the document is too long to be looked through.
const PLACES: [&str; 9] =
    ["orders", "data", "data.orders", "items", "results", "records", "value", "transactions", "invoices"];
/// What orders call their items.
const ITEMS: [&str; 12] = [
    "line_items",
    "lineItems",
    "items",
    "lines",
    "order_lines",
    "orderLines",
    "products",
    "positions",
    "order_items",
    "orderItems",
    "rows",
    "articles",
];
/// How many orders are looked at.
const ORDERS_MAX: usize = 500;

/// Looks for orders in a document, or in documents that stand one behind the other.
pub(super) fn find(head: &[u8], is_whole: bool) -> Option<Sample> {
    let mut documents: Vec<Value> = Vec::new();
    for document in serde_json::Deserializer::from_slice(head).into_iter::<Value>().take(ORDERS_MAX) {
        // The last one may be torn.
        let Ok(document) = document else { break };
        documents.push(document);
    }
    match &documents[..] {
        [] if is_whole => None,
        [] => of_torn(head),
        [first, ..] if looks_like_order(first) => of_lines(&documents),
        [first, rest @ ..] => of_document(first, !rest.is_empty()).or_else(|| of_lines(&documents)),
    }
}

fn of_lines(lines: &[Value]) -> Option<Sample> {
    let envelope = envelope(lines.first()?);
    let orders: Vec<Value> = lines.iter().filter_map(|line| inner(line, envelope)).collect();
    sample(&orders, None, envelope, true)
}

fn envelope(record: &Value) -> Option<&'static str> {
    let change = record.get("payload").unwrap_or(record);
    if record.get("specversion").is_some() && record.get("data").is_some() {
        return Some("cloudevents");
    }
    (change.get("op").is_some() && change.get("after").is_some()).then_some("cdc")
}

/// What is in the envelope.
fn inner(record: &Value, envelope: Option<&str>) -> Option<Value> {
    match envelope {
        Some("cdc") => record.get("payload").unwrap_or(record).get("after").cloned(),
        Some(_) => record.get("data").cloned(),
        None => Some(record.clone()),
    }
}

/// Documents that hold orders have little else; an order has an id, a time and the like.
fn looks_like_order(value: &Value) -> bool {
    let scalars = |members: &serde_json::Map<String, Value>| {
        members.values().filter(|value| !value.is_array() && !value.is_object()).count()
    };
    let has_items = ITEMS.iter().any(|key| value.get(*key).is_some_and(is_items));
    envelope(value).is_some() || (has_items && value.as_object().is_some_and(|members| scalars(members) > 2))
}

/// Of one document, or of lines that are documents such as this one.
fn of_document(document: &Value, is_lines: bool) -> Option<Sample> {
    if let Value::Array(orders) = document {
        let envelope = orders.first().and_then(envelope);
        let inside: Vec<Value> = orders.iter().filter_map(|record| inner(record, envelope)).collect();
        return sample(&inside, Some("$[*]".to_owned()), envelope, is_lines);
    }
    let mut places: Vec<String> = PLACES.iter().map(|place| (*place).to_owned()).collect();
    arrays("", document, 3, &mut places);
    let found = |place: &String| {
        let orders = at(document, place)?.as_array().filter(|orders| !orders.is_empty())?;
        sample(orders, Some(format!("$.{place}[*]")), None, is_lines)
    };
    places.iter().find_map(found)
}

/// Of a document whose end is not there: what can be read of the array where documents have their orders.
fn of_torn(head: &[u8]) -> Option<Sample> {
    let text = std::str::from_utf8(head).or_else(|error| std::str::from_utf8(&head[..error.valid_up_to()])).ok()?;
    let place = |place: &&str| {
        let key = format!("\"{}\"", place.rsplit('.').next()?);
        let behind = text[text.find(&key)? + key.len()..].trim_start().strip_prefix(':')?.trim_start();
        Some((format!("$.{place}[*]"), behind.strip_prefix('[')?))
    };
    let (orders, mut rest) = match text.trim_start().strip_prefix('[') {
        Some(rest) => ("$[*]".to_owned(), rest),
        None => PLACES.iter().find_map(place)?,
    };
    let mut found = Vec::new();
    while found.len() < ORDERS_MAX {
        let mut stream = serde_json::Deserializer::from_str(rest.trim_start_matches([',', ' ', '\n', '\r', '\t']))
            .into_iter::<Value>();
        let Some(Ok(order)) = stream.next() else { break };
        rest = &rest.trim_start_matches([',', ' ', '\n', '\r', '\t'])[stream.byte_offset()..];
        found.push(order);
    }
    sample(&found, Some(orders), None, false)
}

/// The places of arrays of objects, within at most `depth` objects.
fn arrays(path: &str, value: &Value, depth: usize, places: &mut Vec<String>) {
    let Value::Object(members) = value else { return };
    for (key, value) in members.iter().filter(|(key, _)| depth > 0 && !key.contains('.')) {
        let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        match value {
            Value::Array(elements) if elements.iter().any(Value::is_object) => places.push(path),
            _ => arrays(&path, value, depth - 1, places),
        }
    }
}

fn is_items(value: &Value) -> bool {
    value.as_array().is_some_and(|items| items.iter().any(Value::is_object))
}

/// The key under which an order has its items.
fn items_of(order: &Value) -> Option<String> {
    let known = ITEMS.iter().find(|key| order.get(**key).is_some_and(is_items)).map(|key| (*key).to_owned());
    known.or_else(|| {
        let members = order.as_object()?;
        members.iter().find(|(key, value)| is_items(value) && !key.contains('.')).map(|(key, _)| key.clone())
    })
}

fn sample(orders: &[Value], place: Option<String>, envelope: Option<&'static str>, is_lines: bool) -> Option<Sample> {
    let items = format!("$.{}[*]", orders.iter().find_map(items_of)?);
    Some(Sample::of_orders(orders, Shape::Json { orders: place, envelope, items, is_lines }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Option<(Option<String>, Option<&'static str>, String, bool)> {
        match find(text.as_bytes(), true)?.shape {
            Shape::Json { orders, envelope, items, is_lines } => Some((orders, envelope, items, is_lines)),
            Shape::Table { .. } => None,
        }
    }

    const ORDER: &str = r#"{"id":1,"lines":[{"sku":"a"}]}"#;

    #[test]
    fn orders_are_found_wherever_documents_have_them() {
        let items = "$.lines[*]".to_owned();
        let place = |place: &str| Some((Some(place.to_owned()), None, items.clone(), false));
        assert_eq!(shape(&format!("[{ORDER},{ORDER}]")), place("$[*]"));
        assert_eq!(shape(&format!("{{\"orders\":[{ORDER}]}}")), place("$.orders[*]"));
        assert_eq!(shape(&format!("{{\"a\":{{\"shop\":[{ORDER}]}}}}")), place("$.a.shop[*]"));
        assert_eq!(shape(&format!("{ORDER}\n{ORDER}\n")), Some((None, None, items.clone(), true)));
        let change = format!("{{\"payload\":{{\"op\":\"c\",\"after\":{ORDER}}}}}");
        assert_eq!(shape(&change), Some((None, Some("cdc"), items.clone(), true)));
        let event = format!("{{\"specversion\":\"1.0\",\"data\":{ORDER}}}\n").repeat(2);
        assert_eq!(shape(&event), Some((None, Some("cloudevents"), items, true)));
        assert_eq!(shape("{\"a\":1}"), None);
    }

    #[test]
    fn of_a_document_without_its_end_the_beginning_is_enough() {
        let torn = format!("{{\"n\":1,\"orders\" : [{ORDER},\n{ORDER},{{\"id\":");
        let sample = find(torn.as_bytes(), false).unwrap();
        assert_eq!(sample.rows, 2);
        assert!(sample.column("@.sku").is_some() && sample.column("$.id").is_some());
    }
}
