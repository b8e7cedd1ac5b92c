//! The rows of an export, each of them an order.

use std::io;

use forebay_parquet::Table;
use forebay_parquet::order::name;
use serde_json::value::RawValue;

use crate::chunk::{ChunkBuilder, LineSpan, Refusal};
use crate::source::{RECORD_BYTES_MAX, RecordSource, too_long};

/// The orders of an export.
pub(super) struct Orders {
    table: Table,
    columns: Columns,
    /// How many rows were read.
    count: u64,
}

/// Where the columns of an export stand.
struct Columns {
    order_id: usize,
    customer_id: usize,
    timestamp: usize,
    kind: Option<usize>,
    currency: Option<usize>,
    items: usize,
    total: Option<usize>,
    attributes: Option<usize>,
}

/// An order's JSON, and what is wrong with the row that it comes from.
struct Record {
    json: Vec<u8>,
    fault: Option<String>,
}

impl Orders {
    /// Finds the columns.
    ///
    /// # Errors
    /// The end of a sentence: the file is no export, or one of a view.
    pub(super) fn new(mut table: Table) -> Result<Self, String> {
        let place = |name: &str| table.names().iter().position(|other| other == name);
        let needed = |name| place(name).ok_or_else(|| no_export(table.names()));
        let columns = Columns {
            order_id: needed(name::ORDER_ID)?,
            customer_id: needed(name::CUSTOMER_ID)?,
            timestamp: needed(name::TIMESTAMP)?,
            kind: place(name::KIND),
            currency: place(name::CURRENCY),
            items: needed(name::ITEMS)?,
            total: place(name::TOTAL),
            attributes: place(name::ATTRIBUTES),
        };
        if columns.total.is_none() && place(name::SUBTOTAL).is_some() {
            return Err("it is an export of a view, which has a part of each order: export the orders".to_owned());
        }
        let texts = [name::ORDER_ID, name::CUSTOMER_ID, name::TIMESTAMP, name::KIND, name::CURRENCY];
        let known = [name::ITEMS, name::TOTAL, name::ATTRIBUTES];
        table.keep(|name| texts.contains(&name) || known.contains(&name));
        Ok(Self { table, columns, count: 0 })
    }

    /// The order in hand.
    fn record(&self) -> Record {
        let Columns { order_id, customer_id, timestamp, kind, currency, items, total, attributes } = &self.columns;
        let mut record = Record { json: vec![b'{'], fault: None };
        let texts = [
            (name::ORDER_ID, Some(*order_id)),
            (name::CUSTOMER_ID, Some(*customer_id)),
            (name::TIMESTAMP, Some(*timestamp)),
            (name::KIND, *kind),
            (name::CURRENCY, *currency),
        ];
        for (name, column) in texts {
            if let Some(cell) = column.and_then(|column| self.table.cell(column)) {
                record.text(name, cell);
            }
        }
        record.json(name::ITEMS, self.table.cell(*items).unwrap_or(b"[]"));
        // Ingest sees to it that the total is right.
        if let Some(total) = total.and_then(|column| self.table.cell(column)) {
            record.json(name::TOTAL, total);
        }
        if let Some(attributes) = attributes.and_then(|column| self.table.cell(column)) {
            record.members(attributes);
        }
        record.json.push(b'}');
        record
    }
}

impl RecordSource for Orders {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        if !self.table.next_row().map_err(io::Error::other)? {
            return Ok(false);
        }
        self.count += 1;
        let place = LineSpan { line: self.count, lines: 1 };
        let Record { json, fault } = self.record();
        match fault {
            _ if json.len() > RECORD_BYTES_MAX => builder.refuse(too_long(place)),
            None => builder.push(&json, place),
            Some(detail) => {
                let order_id =
                    self.table.cell(self.columns.order_id).map(|id| String::from_utf8_lossy(id).into_owned());
                builder.refuse(Refusal { place, order_id, code: "malformed", detail, record: Some(json) });
            }
        }
        Ok(true)
    }
}

impl Record {
    fn name(&mut self, name: &str) {
        if self.json.len() > 1 {
            self.json.push(b',');
        }
        self.json.extend_from_slice(format!("\"{name}\":").as_bytes());
    }

    /// A field that is a text.
    fn text(&mut self, name: &str, cell: &[u8]) {
        let text = String::from_utf8_lossy(cell);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            self.fault.get_or_insert_with(|| format!("{name} is not UTF-8"));
        }
        self.name(name);
        serde_json::to_writer(&mut self.json, &text).expect("a text is JSON, and a Vec takes everything");
    }

    /// A field that is JSON. What is none is written as a text.
    fn json(&mut self, name: &str, cell: &[u8]) {
        match serde_json::from_slice::<&RawValue>(cell) {
            Ok(value) => {
                self.name(name);
                self.line(value.get());
            }
            Err(error) => self.no_json(name, cell, &error.to_string()),
        }
    }

    /// The members of a JSON object, as fields of the order.
    fn members(&mut self, cell: &[u8]) {
        let object = serde_json::from_slice::<&RawValue>(cell).map(RawValue::get);
        let inner = object.map(|text| text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')));
        match inner {
            Ok(Some(inner)) if inner.trim().is_empty() => {}
            Ok(Some(inner)) => {
                self.json.push(b',');
                self.line(inner);
            }
            Ok(None) => self.no_json(name::ATTRIBUTES, cell, "it is no object"),
            Err(error) => self.no_json(name::ATTRIBUTES, cell, &error.to_string()),
        }
    }

    fn no_json(&mut self, name: &str, cell: &[u8], reason: &str) {
        self.fault.get_or_insert_with(|| format!("{name} is not JSON as an export has it: {reason}"));
        self.text(name, cell);
    }

    /// JSON within a line: its line feeds, which can only be white space, become spaces.
    fn line(&mut self, json: &str) {
        self.json.extend(json.bytes().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { byte }));
    }
}

fn no_export(names: &[String]) -> String {
    let names: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
    format!(
        "a Parquet file needs a --map that says which columns make an order, unless it is an export (with order_id, \
         customer_id, timestamp and items); its columns are {}",
        names.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use forebay_model::Timestamp;
    use forebay_parquet::{Order, OrderWriter, Shape};
    use serde_json::{Value, json};

    use super::*;
    use crate::chunk::{Chunk, ChunkSize};

    fn table(shape: Shape, rows: &[(&str, &str)]) -> Table {
        let mut writer = OrderWriter::new(shape).unwrap();
        for (place, (items, attributes)) in rows.iter().enumerate() {
            let order_id = format!("O\"{place}");
            let timestamp = Timestamp::from_unix_us(1_751_286_600_000_001);
            let order = Order {
                order_id: &order_id,
                customer_id: "Ü",
                timestamp,
                kind: "return",
                currency: "GBP",
                sum: -7,
                items,
                attributes,
            };
            writer.push(&order);
        }
        Table::open(Bytes::from(writer.finish().unwrap())).unwrap()
    }

    fn read(rows: &[(&str, &str)]) -> Chunk {
        let mut source = Orders::new(table(Shape::Whole, rows)).unwrap();
        let mut builder = ChunkBuilder::new(ChunkSize { records: 1 << 20, bytes: 1 << 30 });
        while source.fill(&mut builder).unwrap() {}
        builder.take(0, 0, 0, 0)
    }

    #[test]
    fn a_row_is_the_order_that_it_was() {
        let chunk = read(&[("[{\"sku\": \"a\"}]", "{}"), ("[\r\n]", "{\"a\": \"\\n}\",\n \"b\": {}}")]);
        let lines: Vec<&[u8]> = chunk.body.split_inclusive(|&b| b == b'\n').collect();
        let sent: Vec<Value> = lines.iter().map(|line| serde_json::from_slice(line).unwrap()).collect();
        let order = |place, items: Value| {
            json!({"order_id": format!("O\"{place}"), "customer_id": "Ü", "timestamp": "2025-06-30T12:30:00.000001Z",
                "kind": "return", "currency": "GBP", "items": items, "total": -7})
        };
        let mut second = order(1, json!([]));
        second["a"] = json!("\n}");
        second["b"] = json!({});
        assert_eq!(sent, [order(0, json!([{"sku": "a"}])), second]);
        assert_eq!(chunk.place(1), LineSpan { line: 2, lines: 1 });
    }

    #[test]
    fn what_is_no_json_is_refused_with_its_row() {
        let wrong = [("[", "{}"), ("[]", "[1]"), ("[]", "{\"a\":1},\"b\":{}"), ("[]}\n{", "{}")];
        let chunk = read(&wrong);
        assert_eq!((chunk.lines, chunk.refused.len()), (0, wrong.len()));
        for (refusal, row) in chunk.refused.iter().zip(1..) {
            assert_eq!((refusal.code, refusal.place.line), ("malformed", row));
            assert!(refusal.detail.contains("is not JSON"), "{}", refusal.detail);
            serde_json::from_slice::<Value>(refusal.record.as_ref().unwrap()).unwrap();
        }
    }

    #[test]
    fn a_view_is_no_source_of_orders() {
        let said = Orders::new(table(Shape::View, &[])).err().unwrap();
        assert!(said.contains("a view"), "{said}");
    }
}
