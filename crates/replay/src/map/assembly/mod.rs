//! An order or an event while it is made, row by row.
//!
//! | module | concept |
//! |---|---|
//! | `reading` | what a row says |

#[cfg(test)]
mod events;
mod reading;

use forebay_client::RecordKind;
use forebay_model::Currency;
use forebay_model::order::ORDER_BYTES_MAX;

use super::Map;
use super::check::{EVENT_FIELDS, ORDER_FIELDS};
use super::json::{key, number_member, text_member};
use super::returns::{Kind, Numbers, Rule, as_return, kind};
use super::value::Row;
use crate::chunk::{ChunkBuilder, LineSpan, Refusal};

/// One order or event, so far.
pub(crate) struct Assembly {
    /// Empty where it has none, and where there is none to have.
    pub(crate) order_id: String,
    /// Empty where it has none, and of orders.
    pub(crate) event_id: String,
    /// What happened; empty of orders.
    event_kind: String,
    customer_id: String,
    currency: Option<Currency>,
    place: LineSpan,
    /// The record as JSON, up to its items.
    head: Vec<u8>,
    /// What its items have beside their numbers: the members of each, one behind the other.
    members: Vec<u8>,
    /// Where in `members` each item ends, and its numbers.
    items: Vec<(usize, Numbers)>,
    /// For how many items the map's rule for returns holds.
    of_return: u32,
    /// The first thing that is wrong.
    fault: Option<String>,
}

impl Assembly {
    /// Begins a record with what its first row says of it. The row stands on that line.
    pub(crate) fn begin(map: &Map, row: &impl Row, line: u64) -> Self {
        let mut record = Self {
            order_id: String::new(),
            event_id: String::new(),
            event_kind: String::new(),
            customer_id: String::new(),
            currency: None,
            place: LineSpan { line, lines: 0 },
            head: Vec::with_capacity(192),
            members: Vec::with_capacity(128),
            items: Vec::with_capacity(4),
            of_return: 0,
            fault: None,
        };
        record.head.push(b'{');
        if let Some(field) = &map.order_id {
            record.order_id = record.required(field, row, line);
            text_member(&mut record.head, "order_id", &record.order_id);
        }
        if let Some(event) = &map.event {
            record.event_id = record.required(&event.id, row, line);
            text_member(&mut record.head, "event_id", &record.event_id);
            record.event_kind = record.required(&event.kind, row, line);
            text_member(&mut record.head, "kind", &record.event_kind);
        }
        record.take_customer(map, row, line);
        let time = map.time.read(row);
        let time = record.or_shown(time, line);
        text_member(&mut record.head, if map.event.is_some() { "at" } else { "timestamp" }, &time);
        if let Some(field) = &map.currency {
            record.map_currency(field, row, line);
        }
        let own = if map.event.is_some() { EVENT_FIELDS } else { ORDER_FIELDS };
        record.further(FieldScope::Head, &map.further, own, row, line);
        if let Some(event) = &map.event {
            record.take_details(event, row, line);
        }
        record
    }

    /// Adds a row: what it says of an item. Of the record it may say no more than that the customer or the kind is another.
    pub(crate) fn add(&mut self, map: &Map, row: &impl Row, line: u64) {
        self.place.lines += 1;
        if self.place.lines > 1 {
            let (customer, kind) = (map.customer_id.as_ref(), map.event.as_ref().map(|event| &event.kind));
            for (field, what) in [(customer, "customer"), (kind, "kind")] {
                if let Some(field) = field.filter(|field| !field.is_blank(row)) {
                    self.check_same(field, what, map.kind(), row, line);
                }
            }
        }
        self.add_item(map, row, line);
    }

    /// Adds an item that does not stand on a line of its own.
    pub(crate) fn add_item(&mut self, map: &Map, row: &impl Row, line: u64) {
        let Some(item) = &map.item else { return };
        // What is longer is refused as a whole, and need not be kept.
        if self.head.len() + self.members.len() > ORDER_BYTES_MAX {
            return;
        }
        // Few kinds of events name items.
        if map.event.is_some() && item.sku.is_blank(row) {
            return;
        }
        let sku = item.sku.text(row).map(std::borrow::Cow::into_owned);
        let sku = self.or_shown(sku, line);
        let start = self.members.len();
        text_member(&mut self.members, "sku", &sku);
        let mut quantity = self.number("quantity", &item.quantity, row, line);
        if self.event_kind == "returned" {
            quantity = quantity.map(|quantity| quantity.checked_abs().unwrap_or(i64::MAX));
        }
        let price = item.price.as_ref().filter(|price| map.event.is_none() || !price.is_blank(row));
        let is_of_line = price.is_some_and(|price| price.is_of_line);
        let price = price.and_then(|price| self.number("price", price, row, line));
        self.further(FieldScope::Item, &item.further, &ITEM_FIELDS, row, line);
        let end = self.members.len();
        let is_of_return = map.return_when.iter().any(|condition| condition.holds(row));
        let items = match (quantity, price) {
            (Some(quantity), Some(total)) if is_of_line => Numbers::of_line(quantity, total),
            _ => vec![Numbers { quantity, price }],
        };
        for (copy, numbers) in items.into_iter().enumerate() {
            if copy > 0 {
                self.members.extend_from_within(start..end);
            }
            self.items.push((self.members.len(), numbers));
            self.of_return += u32::from(is_of_return);
        }
    }

    /// Notes what is wrong with the record as a whole.
    pub(crate) fn refuse(&mut self, line: u64, what: &str) {
        self.fault.get_or_insert_with(|| format!("line {line}: {what}"));
    }

    /// A record that is no more than one line, items and all.
    pub(crate) fn on_one_line(&mut self) {
        self.place.lines = 1;
    }

    /// Puts the record into the builder, to be sent, refused or passed over.
    pub(crate) fn finish(mut self, map: &Map, builder: &mut ChunkBuilder) {
        let is_too_long = self.head.len() + self.members.len() > ORDER_BYTES_MAX;
        let mut numbers: Vec<Numbers> = self.items.iter().map(|(_, numbers)| *numbers).collect();
        let rule = Rule::of(map, numbers.len() as u32, self.of_return);
        let is_order = map.kind() == RecordKind::Orders;
        let kind = if is_order && self.fault.is_none() { kind(rule, &numbers) } else { Kind::Sale };
        if kind == Kind::WriteOff && map.skips_write_offs {
            return builder.pass_over(u64::from(self.place.lines));
        }
        if kind == Kind::Return {
            as_return(&mut numbers);
        }
        let json = self.json(kind, &numbers, is_order);
        let (code, detail) = match (self.fault.take(), kind) {
            (None, Kind::Sale | Kind::Return) if !is_too_long => return builder.push(&json, self.place),
            (None, Kind::WriteOff) if !is_too_long => ("write_off", WRITE_OFF.to_owned()),
            (None, _) => ("too_large", "it has more than 256 KiB; it is not repeated here".to_owned()),
            (Some(fault), _) => ("invalid", fault),
        };
        let order_id = Some(self.order_id).filter(|id| !id.is_empty());
        let record = (!is_too_long).then_some(json);
        builder.refuse(Refusal { place: self.place, order_id, code, detail, record });
    }

    fn json(&mut self, kind: Kind, numbers: &[Numbers], is_order: bool) -> Vec<u8> {
        let mut json = std::mem::take(&mut self.head);
        if let Some(currency) = self.currency {
            text_member(&mut json, "currency", currency.as_str());
        }
        if kind == Kind::Return {
            text_member(&mut json, "kind", "return");
        }
        if is_order || !self.items.is_empty() {
            self.append_items(&mut json, numbers);
        }
        json.push(b'}');
        json
    }

    fn append_items(&self, json: &mut Vec<u8>, numbers: &[Numbers]) {
        key(json, "items");
        json.push(b'[');
        let mut start = 0;
        for ((end, _), Numbers { quantity, price }) in self.items.iter().zip(numbers) {
            if start > 0 {
                json.push(b',');
            }
            json.push(b'{');
            json.extend_from_slice(self.members[start..*end].strip_prefix(b",").unwrap_or(&self.members[start..*end]));
            for (name, number) in [("quantity", quantity), ("price", price)] {
                if let Some(number) = number {
                    number_member(json, name, *number);
                }
            }
            json.push(b'}');
            start = *end;
        }
        json.push(b']');
    }
}

const WRITE_OFF: &str = "a write-off: all of its quantities are below zero, and its total is zero; the map can pass over \
    such (skip_when = [{ write_off = true }])";

/// The fields that every item has.
const ITEM_FIELDS: [&str; 3] = ["sku", "quantity", "price"];

/// Which part of a record a further field goes to.
#[derive(Clone, Copy)]
enum FieldScope {
    Head,
    Item,
}
