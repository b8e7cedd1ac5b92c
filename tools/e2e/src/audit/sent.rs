//! Whether what is stored is what was sent.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::same::same;
use super::stored::{StoredOrder, StoredView};
use crate::load::maker::Made;

impl StoredOrder {
    pub(super) fn mark(&self) -> Option<&str> {
        self.attributes.get("mark")?.as_str()
    }

    /// The error names the first field that differs.
    pub(super) fn is_as_sent(&self, sent: &Made) -> Result<(), &'static str> {
        let mut rest: Map<String, Value> = sent.json.as_object().cloned().unwrap_or_default();
        let items = rest.remove("items").unwrap_or_default();
        for known in ["customer_id", "order_id", "timestamp", "kind", "currency"] {
            rest.remove(known);
        }
        let is_same_id = sent.order_id.as_ref().is_none_or(|id| *id == self.order_id);
        let checks = [
            ("customer", self.customer_id == sent.customer_id),
            ("id", is_same_id),
            ("time", self.at == sent.at.unix_us()),
            ("kind", self.kind == sent.kind()),
            ("currency", self.currency == sent.currency()),
            ("total", self.total == total(items.as_array().map_or(&[][..], Vec::as_slice).iter())),
            ("items", same(&self.items, &items)),
            ("attributes", same(&Value::Object(self.attributes.clone()), &Value::Object(rest))),
        ];
        checks.into_iter().find(|(_, is_same)| !is_same).map_or(Ok(()), |(what, _)| Err(what))
    }

    /// Whose it is, and its id.
    pub(super) fn identity(&self) -> (&str, &str) {
        (&self.customer_id, &self.order_id)
    }

    /// Whether Forebay has given it its id.
    pub(super) fn is_assigned(&self) -> bool {
        self.mark().is_none_or(|mark| self.order_id != format!("O-{mark}"))
    }
}

/// Items by seller.
pub(super) fn slices(items: &Value) -> BTreeMap<&str, Vec<&Value>> {
    let mut slices: BTreeMap<&str, Vec<&Value>> = BTreeMap::new();
    for item in items.as_array().map_or(&[][..], Vec::as_slice) {
        if let Some(seller) = item["seller_id"].as_str() {
            slices.entry(seller).or_default().push(item);
        }
    }
    slices
}

impl StoredView {
    pub(super) fn is_of(&self, slices: &BTreeMap<&str, Vec<&Value>>, order: &StoredOrder) -> bool {
        let Some(wanted) = slices.get(self.key.as_str()) else { return false };
        let items: Vec<&Value> = self.items.as_array().map(|items| items.iter().collect()).unwrap_or_default();
        (self.at == order.at && self.kind == order.kind && self.currency == order.currency)
            && self.subtotal == total(wanted.iter().copied())
            && items.len() == wanted.len()
            && items.iter().zip(wanted).all(|(found, wanted)| same(found, wanted))
    }
}

fn total<'a>(items: impl Iterator<Item = &'a Value>) -> i64 {
    let figure = |item: &Value, field: &str| item[field].as_i64().unwrap_or_default();
    items.map(|item| figure(item, "quantity") * figure(item, "price")).sum()
}
