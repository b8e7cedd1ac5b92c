//! The rows of an export, each of them an order; or of a file of events that is made like one.

use std::io;

use forebay_client::RecordKind;
use forebay_parquet::Table;
use forebay_parquet::order::name;
use serde_json::value::RawValue;

use crate::chunk::{ChunkBuilder, LineSpan, Refusal};
use crate::source::records::view_export::EXPORT_OF_VIEW;
use crate::source::{RECORD_BYTES_MAX, RecordSource, too_long};

/// The rows of an export.
pub(super) struct Records {
    table: Table,
    /// The fields that the file has, each with its place among the columns.
    fields: Vec<(&'static Field, usize)>,
    /// How many rows were read.
    count: u64,
}

/// A field of a record, in a column that is called like it.
struct Field {
    name: &'static str,
    form: Form,
    is_needed: bool,
}

/// How a column holds a field.
#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
    /// A JSON object whose members are fields of the record.
    Members,
}

const fn needed(name: &'static str, form: Form) -> Field {
    Field { name, form, is_needed: true }
}

const fn may_be(name: &'static str, form: Form) -> Field {
    Field { name, form, is_needed: false }
}

const OF_ORDERS: &[Field] = &[
    needed(name::ORDER_ID, Form::Text),
    needed(name::CUSTOMER_ID, Form::Text),
    needed(name::TIMESTAMP, Form::Text),
    may_be(name::KIND, Form::Text),
    may_be(name::CURRENCY, Form::Text),
    needed(name::ITEMS, Form::Json),
    // Ingest sees to it that the total is right.
    may_be(name::TOTAL, Form::Json),
    may_be(name::ATTRIBUTES, Form::Members),
];

const OF_EVENTS: &[Field] = &[
    needed("event_id", Form::Text),
    needed(name::ORDER_ID, Form::Text),
    may_be(name::CUSTOMER_ID, Form::Text),
    needed(name::KIND, Form::Text),
    needed("at", Form::Text),
    may_be(name::ITEMS, Form::Json),
    may_be("amount", Form::Json),
    may_be("set", Form::Json),
    may_be(name::ATTRIBUTES, Form::Members),
];

/// A record's JSON, and what is wrong with the row that it comes from.
struct Record {
    json: Vec<u8>,
    fault: Option<String>,
}

impl Records {
    /// Finds the columns.
    ///
    /// # Errors
    /// The end of a sentence: the file has not those of such records, or is an export of a view.
    pub(super) fn new(mut table: Table, kind: RecordKind) -> Result<Self, String> {
        let all = match kind {
            RecordKind::Orders => OF_ORDERS,
            RecordKind::Events => OF_EVENTS,
        };
        let place = |name: &str| table.names().iter().position(|other| other == name);
        if all.iter().any(|field| field.is_needed && place(field.name).is_none()) {
            return Err(no_export(kind, all, table.names()));
        }
        if kind == RecordKind::Orders && place(name::TOTAL).is_none() && place(name::SUBTOTAL).is_some() {
            return Err(format!("it is {EXPORT_OF_VIEW}"));
        }
        let fields = all.iter().filter_map(|field| Some((field, place(field.name)?))).collect();
        table.keep(|name| all.iter().any(|field| field.name == name));
        Ok(Self { table, fields, count: 0 })
    }

    /// The record in hand.
    fn record(&self) -> Record {
        let mut record = Record { json: vec![b'{'], fault: None };
        for (Field { name, form, .. }, column) in &self.fields {
            match (form, self.table.cell(*column)) {
                (Form::Text, Some(cell)) => record.text(name, cell),
                (Form::Json, Some(cell)) => record.json(name, cell),
                (Form::Members, Some(cell)) => record.members(cell),
                (_, None) => {}
            }
        }
        record.json.push(b'}');
        record
    }

    fn order_id(&self) -> Option<String> {
        let (_, column) = self.fields.iter().find(|(field, _)| field.name == name::ORDER_ID)?;
        self.table.cell(*column).map(|id| String::from_utf8_lossy(id).into_owned())
    }
}

impl RecordSource for Records {
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
                let order_id = self.order_id();
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

    /// A field that is JSON. What is not JSON is written as a text.
    fn json(&mut self, name: &str, cell: &[u8]) {
        match serde_json::from_slice::<&RawValue>(cell) {
            Ok(value) => {
                self.name(name);
                self.line(value.get());
            }
            Err(error) => self.no_json(name, cell, &error.to_string()),
        }
    }

    /// The members of a JSON object, as fields of the record.
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

fn no_export(kind: RecordKind, fields: &[Field], columns: &[String]) -> String {
    let needed: Vec<&str> = fields.iter().filter(|field| field.is_needed).map(|field| field.name).collect();
    let columns: Vec<&str> = columns.iter().take(20).map(String::as_str).collect();
    format!(
        "a Parquet file of {} needs a --map that says which columns make them, unless it has the columns {}; it has {}",
        kind.as_str(),
        needed.join(", "),
        columns.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;
    use forebay_model::Timestamp;
    use forebay_parquet::{Order, OrderWriter, Shape};
    use parquet::data_type::{ByteArray, ByteArrayType};
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;
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
        let mut source = Records::new(table(Shape::Whole, rows), RecordKind::Orders).unwrap();
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
        let said = Records::new(table(Shape::View, &[]), RecordKind::Orders).err().unwrap();
        assert!(said.contains("a view"), "{said}");
    }

    #[test]
    fn a_table_with_the_fields_of_events_is_events() {
        let schema = "message event { required binary event_id (UTF8); required binary order_id (UTF8); optional binary kind (UTF8);
            required binary at (UTF8); optional binary amount (UTF8); optional binary attributes (JSON); }";
        let mut writer =
            SerializedFileWriter::new(Vec::new(), parse_message_type(schema).unwrap().into(), Arc::default()).unwrap();
        let mut group = writer.next_row_group().unwrap();
        let columns = [
            ["E1", "E2"],
            ["O1", "O1"],
            ["paid", "note"],
            ["2026-01-02T10:00:00Z"; 2],
            ["5", ""],
            ["{\"by\": \"card\"}", "{}"],
        ];
        for values in columns {
            let there: Vec<ByteArray> =
                values.iter().filter(|value| !value.is_empty()).map(|value| (*value).into()).collect();
            let levels = values.map(|value| i16::from(!value.is_empty()));
            let mut column = group.next_column().unwrap().unwrap();
            column.typed::<ByteArrayType>().write_batch(&there, Some(&levels), None).unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
        let events = Table::open(Bytes::from(writer.into_inner().unwrap())).unwrap();
        let mut source = Records::new(events, RecordKind::Events).unwrap();
        let mut builder = ChunkBuilder::new(ChunkSize { records: 1 << 20, bytes: 1 << 30 });
        while source.fill(&mut builder).unwrap() {}
        let chunk = builder.take(0, 0, 0, 0);
        let sent: Vec<Value> =
            chunk.body.split(|&b| b == b'\n').take(2).map(|line| serde_json::from_slice(line).unwrap()).collect();
        let paid = json!({"event_id": "E1", "order_id": "O1", "kind": "paid", "at": "2026-01-02T10:00:00Z", "amount": 5, "by": "card"});
        let note = json!({"event_id": "E2", "order_id": "O1", "kind": "note", "at": "2026-01-02T10:00:00Z"});
        assert_eq!(sent, [paid, note]);
        let said = Records::new(table(Shape::Whole, &[]), RecordKind::Events).err().unwrap();
        assert!(said.contains("event_id, order_id, kind, at; it has order_id"), "{said}");
    }
}
