//! Whether what a map says fits together.

use super::Map;
use super::path::{Path, Root, Step};
use crate::format::Format;

/// The fields that a map sets otherwise: of an order, and of an event.
pub(super) const ORDER_FIELDS: &[&str] =
    &["order_id", "customer_id", "timestamp", "items", "total", "kind", "currency"];
pub(super) const EVENT_FIELDS: &[&str] =
    &["event_id", "order_id", "customer_id", "kind", "at", "items", "amount", "set"];
/// The largest distance between two lines of an order: what is kept of open orders must fit into memory.
const LINES_APART_MAX: u64 = 1_000_000;

/// Checks that everything fits together.
///
/// # Errors
/// One sentence about what does not.
pub(super) fn check(map: &Map) -> Result<(), String> {
    check_names(map)?;
    check_paths(map)?;
    let is_json = map.is_of_json();
    if is_json && map.format == Some(Format::Csv)
        || !is_json && matches!(map.format, Some(Format::Json | Format::Ndjson))
    {
        return Err(
            "its format does not fit its fields: JSON is read by paths such as $.name, tables by columns".to_owned()
        );
    }
    match map.lines_apart {
        Some(lines) if lines > LINES_APART_MAX => Err(format!("lines_apart must be at most {LINES_APART_MAX}")),
        Some(_) if map.order_id.is_none() || map.item.is_none() => {
            Err("lines_apart needs an order_id to know the lines of an order by, and an [item] for what they are"
                .to_owned())
        }
        _ => Ok(()),
    }
}

fn check_names(map: &Map) -> Result<(), String> {
    let (fields, noun) = if map.event.is_some() { (EVENT_FIELDS, "event") } else { (ORDER_FIELDS, "order") };
    match map.further.named.iter().find(|(name, _)| fields.contains(&name.as_str())) {
        Some((name, _)) => Err(format!("attributes: `{name}` is a field that every {noun} has already")),
        None => Ok(()),
    }
}

fn check_paths(map: &Map) -> Result<(), String> {
    let is_inner = |path: &Path| path.steps.split_last().is_some_and(|(_, before)| before.contains(&Step::Each));
    if let Some((_, path)) = map.paths().find(|(_, path)| is_inner(path)) {
        return Err(format!("the path {path} has a [*] that is not its end: a field has one value"));
    }
    let has_item_paths = map.paths().any(|(_, path)| path.root == Root::Item);
    match (map.is_of_json(), map.columns().first()) {
        (true, Some(column)) => Err(format!(
            "the map is for JSON, and `{column}` is the name of a column: expected a path such as $.{column}"
        )),
        (true, None) if map.items.is_none() && map.item.is_some() => {
            Err("a map for JSON needs `items`, such as \"$.items[*]\"".to_owned())
        }
        (false, _) if has_item_paths && map.items.is_none() => {
            Err("the map has paths from @ on, so it needs `items`: where they begin".to_owned())
        }
        _ if map.items.is_some() && map.item.is_none() => {
            Err("the map says where `items` are, so it needs an [item]: what they are".to_owned())
        }
        _ => Ok(()),
    }
}
