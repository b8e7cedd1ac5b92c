//! An order while it is made, row by row.

use forebay_model::Currency;
use forebay_model::order::ORDER_BYTES_MAX;
use serde_json::ser::to_writer;

use super::Map;
use super::fields::currency::{Mark, named};
use super::fields::number::Number;
use super::fields::text::{Content, Text, shown};
use super::returns::{Kind, Numbers, Rule, as_return, kind};
use super::value::{Fault, Row};
use crate::chunk::{ChunkBuilder, LineSpan, Refusal};

/// One order, so far.
pub(crate) struct Assembly {
    /// Empty where it has none, and where there is none to have.
    pub(crate) order_id: String,
    customer_id: String,
    currency: Option<Currency>,
    place: LineSpan,
    /// The order as JSON, up to its items.
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
    /// Begins an order with what its first row says of the order. The row stands on that line.
    pub(crate) fn begin(map: &Map, row: &impl Row, line: u64) -> Self {
        let mut order = Self {
            order_id: String::new(),
            customer_id: String::new(),
            currency: None,
            place: LineSpan { line, lines: 0 },
            head: Vec::with_capacity(192),
            members: Vec::with_capacity(128),
            items: Vec::with_capacity(4),
            of_return: 0,
            fault: None,
        };
        order.head.push(b'{');
        if let Some(field) = &map.order_id {
            order.order_id = order.required(field, row, line);
            text_member(&mut order.head, "order_id", &order.order_id);
        }
        order.customer_id = order.required(&map.customer_id, row, line);
        text_member(&mut order.head, "customer_id", &order.customer_id);
        let time = map.timestamp.read(row);
        let time = order.or_shown(time, line);
        text_member(&mut order.head, "timestamp", &time);
        if let Some(field) = &map.currency {
            order.map_currency(field, row, line);
        }
        for (name, field) in &map.of_order {
            order.further(Place::Head, name, field, row, line);
        }
        order
    }

    /// Adds a row: what it says of an item. Of the order it may say no more than that the customer is another.
    pub(crate) fn add(&mut self, map: &Map, row: &impl Row, line: u64) {
        self.place.lines += 1;
        if self.place.lines > 1 && !map.customer_id.is_blank(row) {
            self.check_customer(map, row, line);
        }
        self.add_item(map, row, line);
    }

    /// Adds an item that does not stand on a line of its own.
    pub(crate) fn add_item(&mut self, map: &Map, row: &impl Row, line: u64) {
        // What is longer is refused as a whole, and need not be kept.
        if self.head.len() + self.members.len() > ORDER_BYTES_MAX {
            return;
        }
        let sku = map.sku.text(row).map(std::borrow::Cow::into_owned);
        let sku = self.or_shown(sku, line);
        let start = self.members.len();
        text_member(&mut self.members, "sku", &sku);
        let quantity = self.number("quantity", &map.quantity, row, line);
        let price = self.number("price", &map.price, row, line);
        for (name, field) in &map.of_item {
            self.further(Place::Item, name, field, row, line);
        }
        let end = self.members.len();
        let is_of_return = map.return_when.iter().any(|condition| condition.holds(row));
        let items = match (quantity, price) {
            (Some(quantity), Some(total)) if map.price.is_of_line => Numbers::of_line(quantity, total),
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

    /// Notes what is wrong with the order as a whole.
    pub(crate) fn refuse(&mut self, line: u64, what: &str) {
        self.fault.get_or_insert_with(|| format!("line {line}: {what}"));
    }

    /// An order that is no more than one line, items and all.
    pub(crate) fn on_one_line(&mut self) {
        self.place.lines = 1;
    }

    /// Puts the order into the builder, to be sent, refused or passed over.
    pub(crate) fn finish(mut self, map: &Map, builder: &mut ChunkBuilder) {
        let is_too_long = self.head.len() + self.members.len() > ORDER_BYTES_MAX;
        let mut numbers: Vec<Numbers> = self.items.iter().map(|(_, numbers)| *numbers).collect();
        let rule = Rule::of(map, numbers.len() as u32, self.of_return);
        let kind = if self.fault.is_none() { kind(rule, &numbers) } else { Kind::Sale };
        if kind == Kind::WriteOff && map.skips_write_offs {
            return builder.pass_over(u64::from(self.place.lines));
        }
        if kind == Kind::Return {
            as_return(&mut numbers);
        }
        let json = self.json(kind, &numbers);
        let (code, detail) = match (self.fault.take(), kind) {
            (None, Kind::Sale | Kind::Return) if !is_too_long => return builder.push(&json, self.place),
            (None, Kind::WriteOff) if !is_too_long => ("write_off", WRITE_OFF.to_owned()),
            (None, _) => ("too_large", "the order has more than 256 KiB; it is not repeated here".to_owned()),
            (Some(fault), _) => ("invalid", fault),
        };
        let order_id = Some(self.order_id).filter(|id| !id.is_empty());
        let record = (!is_too_long).then_some(json);
        builder.refuse(Refusal { place: self.place, order_id, code, detail, record });
    }

    fn json(&mut self, kind: Kind, numbers: &[Numbers]) -> Vec<u8> {
        let mut json = std::mem::take(&mut self.head);
        if let Some(currency) = self.currency {
            text_member(&mut json, "currency", currency.as_str());
        }
        if kind == Kind::Return {
            text_member(&mut json, "kind", "return");
        }
        key(&mut json, "items");
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
                    key(&mut json, name);
                    json.extend_from_slice(itoa::Buffer::new().format(*number).as_bytes());
                }
            }
            json.push(b'}');
            start = *end;
        }
        json.extend_from_slice(b"]}");
        json
    }

    /// A text that must not be empty.
    fn required(&mut self, field: &Text, row: &impl Row, line: u64) -> String {
        let text = field.text(row).map(std::borrow::Cow::into_owned);
        let text = self.or_shown(text, line);
        if text.is_empty() {
            self.refuse(line, &format!("{} is empty", field.title));
        }
        text
    }

    fn check_customer(&mut self, map: &Map, row: &impl Row, line: u64) {
        match map.customer_id.text(row) {
            Ok(customer) if *customer == self.customer_id => {}
            Ok(customer) => {
                let what = format!(
                    "its customer is {customer:?}, and that of the order's first line is {:?}",
                    self.customer_id
                );
                self.refuse(line, &what);
            }
            Err(fault) => self.refuse(line, &fault.to_string()),
        }
    }

    fn map_currency(&mut self, field: &Text, row: &impl Row, line: u64) {
        let text = field.text(row).map(std::borrow::Cow::into_owned);
        let text = self.or_shown(text, line);
        if text.is_empty() {
            return;
        }
        let text = text.trim();
        self.currency = named(text).or_else(|| named(&text.to_ascii_uppercase()));
        if self.currency.is_none() {
            self.refuse(line, &Fault::new(&field.title, text, "is no currency of ISO 4217").to_string());
        }
    }

    fn number(&mut self, name: &str, field: &Number, row: &impl Row, line: u64) -> Option<i64> {
        let read = field.read(row, self.currency).and_then(|amount| {
            let checked = self.check_mark(amount.mark);
            checked.map(|()| amount.units).map_err(|why| Fault::new(&field.title, shown(&field.names, row), why))
        });
        match read {
            Ok(units) => Some(units),
            Err(fault) => {
                self.refuse(line, &fault.to_string());
                text_member(&mut self.members, name, &fault.text);
                None
            }
        }
    }

    /// A currency beside a price must be the order's. Where nothing else says it, it is what says it.
    ///
    /// # Errors
    /// The end of a sentence that begins with the price.
    fn check_mark(&mut self, mark: Option<Mark>) -> Result<(), String> {
        match (mark, self.currency) {
            (Some(Mark::Of(of)), Some(currency)) if of != currency => {
                Err(format!("is in {of}, and the order in {currency}"))
            }
            (Some(Mark::Shared), None) => Err(SHARED_SIGN.to_owned()),
            (Some(Mark::Of(of)), None) => {
                self.currency = Some(of);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn further(&mut self, place: Place, name: &str, field: &Text, row: &impl Row, line: u64) {
        let content = field.content(row);
        if let Err(fault) = &content {
            self.refuse(line, &fault.to_string());
        }
        let into = match place {
            Place::Head => &mut self.head,
            Place::Item => &mut self.members,
        };
        match content {
            Ok(Content::Text(text)) if text.is_empty() => {}
            Ok(Content::Text(text)) => text_member(into, name, &text),
            Ok(Content::Json(json)) => {
                key(into, name);
                into.extend_from_slice(json.as_bytes());
            }
            Err(fault) => text_member(into, name, &fault.text),
        }
    }

    /// What was read or, where it is wrong, what stands there.
    fn or_shown(&mut self, read: Result<String, Fault>, line: u64) -> String {
        read.unwrap_or_else(|fault| {
            self.refuse(line, &fault.to_string());
            fault.text
        })
    }
}

const WRITE_OFF: &str = "a write-off: all of its quantities are below zero, and its total is zero; the map can pass over \
    such (skip_when = [{ write_off = true }])";

const SHARED_SIGN: &str =
    "has a sign that several currencies have: say in the map which one it is (currency = { constant = \"USD\" })";

/// Which part of an order a further field goes to.
#[derive(Clone, Copy)]
enum Place {
    Head,
    Item,
}

fn text_member(json: &mut Vec<u8>, name: &str, value: &str) {
    key(json, name);
    text(json, value);
}

fn key(json: &mut Vec<u8>, name: &str) {
    if !json.ends_with(b"{") || json.is_empty() {
        json.push(b',');
    }
    text(json, name);
    json.push(b':');
}

fn text(json: &mut Vec<u8>, text: &str) {
    to_writer(json, text).expect("a text is JSON, and a Vec takes everything");
}
