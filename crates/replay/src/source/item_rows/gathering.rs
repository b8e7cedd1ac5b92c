//! An order whose lines are being gathered.

use csv::ByteRecord;
use forebay_model::order::ORDER_BYTES_MAX;
use serde_json::ser::to_writer;

use super::columns::{Columns, Found, field};
use super::decimal::scaled;
use super::map::{Map, Number};
use crate::chunk::{ChunkBuilder, LineSpan, Refusal};

/// One order, so far.
pub(super) struct Gathering {
    order_id: String,
    customer_id: String,
    place: LineSpan,
    /// The order as JSON, up to its last item. A value that is wrong stands there as a text.
    json: Vec<u8>,
    /// The first thing that is wrong.
    fault: Option<String>,
}

impl Gathering {
    /// Begins with the first line of an order. Its time and its attributes are those of this line.
    pub(super) fn begin(map: &Map, columns: &Columns, row: &ByteRecord, line: u64) -> Self {
        let (order_id, wrong_id) = columns.order_id.value(row);
        let (customer_id, wrong_customer) = columns.customer_id.value(row);
        let mut order = Self {
            order_id: order_id.into_owned(),
            customer_id: customer_id.into_owned(),
            place: LineSpan { line, lines: 0 },
            json: Vec::with_capacity(256),
            fault: None,
        };
        for wrong in [wrong_id, wrong_customer].into_iter().flatten() {
            order.fault(line, &wrong);
        }
        if order.order_id.is_empty() {
            order.fault(line, &format!("{} is empty", columns.order_id.column.column));
        }
        order.json.push(b'{');
        let (id, customer) = (order.order_id.clone(), order.customer_id.clone());
        order.text_field("order_id", &id);
        order.text_field("customer_id", &customer);
        let time = order.time(map, columns, row, line);
        order.text_field("timestamp", &time);
        for (name, column) in &columns.of_order {
            let (value, wrong) = column.value(row);
            if let Some(wrong) = wrong {
                order.fault(line, &wrong);
            }
            if !value.is_empty() {
                order.text_field(name, &value);
            }
        }
        order.key("items");
        order.json.push(b'[');
        order.add(columns, row, line);
        order
    }

    /// Whether the row's order id is that of this order. A row that is too short to have one is taken for a part of it:
    /// better refuse an order that is whole than send one that is not.
    pub(super) fn is_of(&self, columns: &Columns, row: &ByteRecord) -> bool {
        row.len() <= columns.order_id.index || columns.order_id.value(row).0 == self.order_id
    }

    /// Adds a line.
    pub(super) fn add(&mut self, columns: &Columns, row: &ByteRecord, line: u64) {
        self.place.lines += 1;
        if row.len() != columns.count {
            let (has, wanted) = (row.len(), columns.count);
            self.fault(
                line,
                &format!("it has {has} fields and the header has {wanted}: is a quote missing or unescaped?"),
            );
        }
        let (customer, wrong) = columns.customer_id.value(row);
        if let Some(wrong) = wrong {
            self.fault(line, &wrong);
        }
        if *customer != self.customer_id {
            let first = &self.customer_id;
            self.fault(line, &format!("its customer is {customer:?}, and that of the order's first line is {first:?}"));
        }
        // What is longer is refused as a whole, and need not be kept.
        if self.json.len() <= ORDER_BYTES_MAX {
            self.add_item(columns, row, line);
        }
    }

    /// Puts the order into the builder, to be sent or refused.
    pub(super) fn finish(mut self, builder: &mut ChunkBuilder) {
        let is_too_long = self.json.len() > ORDER_BYTES_MAX;
        self.json.extend_from_slice(b"]}");
        let (code, detail) = match self.fault {
            None if !is_too_long => return builder.push(&self.json, self.place),
            None => ("too_large", "the order has more than 256 KiB; it is not repeated here".to_owned()),
            Some(fault) => ("invalid", fault),
        };
        let order_id = Some(self.order_id).filter(|id| !id.is_empty());
        let record = (!is_too_long).then_some(self.json);
        builder.refuse(Refusal { place: self.place, order_id, code, detail, record });
    }

    fn add_item(&mut self, columns: &Columns, row: &ByteRecord, line: u64) {
        if self.json.ends_with(b"}") {
            self.json.push(b',');
        }
        self.json.push(b'{');
        let (sku, wrong) = columns.sku.value(row);
        if let Some(wrong) = wrong {
            self.fault(line, &wrong);
        }
        self.text_field("sku", &sku);
        self.number_field("quantity", &columns.quantity, row, line);
        self.number_field("price", &columns.price, row, line);
        for (name, column) in &columns.of_item {
            let (value, wrong) = column.value(row);
            if let Some(wrong) = wrong {
                self.fault(line, &wrong);
            }
            if !value.is_empty() {
                self.text_field(name, &value);
            }
        }
        self.json.push(b'}');
    }

    fn time(&mut self, map: &Map, columns: &Columns, row: &ByteRecord, line: u64) -> String {
        let column = &map.timestamp.column;
        let (text, wrong) = field(row, columns.timestamp, column);
        let read = wrong.map_or_else(|| map.timestamp.format.read(&text), Err);
        read.unwrap_or_else(|reason| {
            self.fault(line, &format!("{column} {text:?} {reason}"));
            text.into_owned()
        })
    }

    fn number_field(&mut self, name: &str, column: &Found<Number>, row: &ByteRecord, line: u64) {
        let Number { column: title, scale } = &column.column;
        let (text, _) = field(row, column.index, title);
        self.key(name);
        match scaled(&text, *scale) {
            Ok(number) => {
                let mut digits = itoa::Buffer::new();
                self.json.extend_from_slice(digits.format(number).as_bytes());
            }
            Err(error) => {
                self.fault(line, &format!("{title} {text:?} {error}"));
                self.text(&text);
            }
        }
    }

    fn text_field(&mut self, name: &str, value: &str) {
        self.key(name);
        self.text(value);
    }

    fn key(&mut self, name: &str) {
        if !self.json.ends_with(b"{") {
            self.json.push(b',');
        }
        self.text(name);
        self.json.push(b':');
    }

    fn text(&mut self, text: &str) {
        to_writer(&mut self.json, text).expect("a text is JSON, and a Vec takes everything");
    }

    fn fault(&mut self, line: u64, what: &str) {
        self.fault.get_or_insert_with(|| format!("line {line}: {what}"));
    }
}
