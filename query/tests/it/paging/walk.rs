//! Walks through lists by cursor, and the lists as a model in memory has them.

use serde_json::Value;

use crate::scene::Scene;

/// Where an order stands in lists: time in microseconds, order id, customer.
pub(crate) type SortKey = (i64, String, String);

pub(crate) fn sort_key_of(order: &Value) -> SortKey {
    let text = |name: &str| order[name].as_str().unwrap().to_owned();
    let at = forebay_model::Timestamp::parse(&text("timestamp")).unwrap().unix_us();
    (at, text("order_id"), text("customer_id"))
}

/// What a list must have: the orders that a condition holds for, in the list's order.
pub(crate) fn model(orders: &[Value], oldest_first: bool, holds: impl Fn(&SortKey) -> bool) -> Vec<SortKey> {
    let mut places: Vec<SortKey> = orders.iter().map(sort_key_of).filter(holds).collect();
    places.sort();
    if !oldest_first {
        places.reverse();
    }
    places
}

/// Walks a list to its end in pages of the given sizes, again and again.
pub(crate) async fn walk(scene: &Scene, path: &str, sizes: &[usize]) -> Vec<SortKey> {
    let mut places = Vec::new();
    let mut cursor = String::new();
    for limit in sizes.iter().cycle() {
        let separator = if path.contains('?') { '&' } else { '?' };
        let page = scene.get(&format!("{path}{separator}limit={limit}{cursor}")).await.ok();
        let data = page["data"].as_array().unwrap();
        assert!(data.len() <= *limit, "{} of {limit}", data.len());
        assert!(data.len() == *limit || page["has_more"] == false, "a short page in the middle");
        places.extend(data.iter().map(sort_key_of));
        match page["next_cursor"].as_str() {
            Some(next) => {
                assert_eq!(page["has_more"], true);
                cursor = format!("&cursor={next}");
            }
            None => break,
        }
    }
    places
}
