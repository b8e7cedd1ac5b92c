//! Records that a map makes orders of.

use std::io::{self, BufRead};
use std::sync::Arc;

use serde_json::value::RawValue;

use super::envelope::{Opened, open};
use super::items::MappedItems;
use super::lines::{Line, LineReader};
use super::tree::{Found, Tree, of_map};
use crate::chunk::{ChunkBuilder, ChunkSize, LineSpan, Refusal};
use crate::map::Map;
use crate::map::assembly::Assembly;
use crate::map::path::{Root, Step};
use crate::map::value::{NameNo, Row, Value, in_column};
use crate::source::{RECORD_BYTES_MAX, RecordSource, too_long};

/// Makes orders of records.
pub(crate) struct MappedOrders {
    map: Arc<Map>,
    order: Tree,
    envelope: Tree,
    items: MappedItems,
}

/// The NDJSON of a file, each line a record or a document with several.
pub(crate) struct MappedLines<R> {
    lines: LineReader<R>,
    orders: MappedOrders,
}

struct OrderRow<'j>(Found<'j>);

impl Row for OrderRow<'_> {
    fn value(&self, name: NameNo) -> Value<'_> {
        Value::of_json(self.0[name.0])
    }
}

impl MappedOrders {
    pub(crate) fn new(map: Arc<Map>) -> Self {
        let (order, envelope) = (of_map(&map, Root::Order), of_map(&map, Root::Envelope));
        let items = MappedItems::new(&map);
        Self { map, order, envelope, items }
    }

    /// Where the map says that orders stand.
    pub(super) fn place(&self) -> String {
        self.map.records.as_ref().map_or_else(|| self.map.kind().as_str().to_owned(), ToString::to_string)
    }

    /// Makes an order of a record, and puts it into the builder.
    pub(crate) fn take(&self, text: &[u8], place: LineSpan, builder: &mut ChunkBuilder) {
        let taken = serde_json::from_slice(text).and_then(|record| self.take_record(record, place, builder));
        if let Err(error) = taken {
            refuse(builder, place, "malformed", format!("the record is not JSON: {}", in_column(&error)), Some(text));
        }
    }

    fn take_record(&self, record: &RawValue, place: LineSpan, builder: &mut ChunkBuilder) -> serde_json::Result<()> {
        let Some(envelope) = self.map.envelope else { return self.take_order(record, None, place, builder) };
        match open(envelope, record)? {
            Opened::Order { order, before: None } => self.take_order(order, Some(record), place, builder),
            Opened::Order { order, before: Some(before) } => {
                if self.is_unchanged(order, before, record, place)? {
                    builder.pass_over(1);
                    return Ok(());
                }
                self.take_order(order, Some(record), place, builder)
            }
            Opened::Nothing => {
                builder.pass_over(1);
                Ok(())
            }
            Opened::Refused { code, why } => {
                refuse(builder, place, code, why, Some(record.get().as_bytes()));
                Ok(())
            }
        }
    }

    /// Whether two versions of a record are the same order.
    fn is_unchanged(
        &self,
        order: &RawValue,
        before: &RawValue,
        record: &RawValue,
        place: LineSpan,
    ) -> serde_json::Result<bool> {
        let made = |version: &RawValue| {
            let mut builder = ChunkBuilder::new(ChunkSize { records: 1, bytes: 1 });
            self.take_order(version, Some(record), place, &mut builder)?;
            serde_json::Result::Ok(builder.take(0, 0, 0, 0).body)
        };
        let made = (made(order)?, made(before)?);
        Ok(!made.0.is_empty() && made.0 == made.1)
    }

    fn take_order(
        &self,
        order: &RawValue,
        envelope: Option<&RawValue>,
        place: LineSpan,
        builder: &mut ChunkBuilder,
    ) -> serde_json::Result<()> {
        let mut found = vec![None; self.map.names.len()];
        self.order.find(order, &mut found)?;
        if let Some(envelope) = envelope {
            self.envelope.find(envelope, &mut found)?;
        }
        let row = OrderRow(found);
        if self.map.skips(&row) {
            builder.pass_over(1);
            return Ok(());
        }
        let mut assembly = Assembly::begin(&self.map, &row, place.line);
        self.items.add_all(&mut assembly, &self.map, &row, place.line);
        assembly.finish(&self.map, builder);
        Ok(())
    }

    /// Makes orders of every record that the map finds in a document.
    fn take_document(&self, text: &[u8], place: LineSpan, builder: &mut ChunkBuilder) {
        let Some(orders) = &self.map.records else { return self.take(text, place, builder) };
        let mut take = |record: &RawValue| self.take_record(record, place, builder);
        let taken = serde_json::from_slice(text).and_then(|document| each(&orders.steps, document, &mut take));
        if let Err(error) = taken {
            let detail = format!("the line is not JSON with {orders}: {}", in_column(&error));
            refuse(builder, place, "malformed", detail, Some(text));
        }
    }
}

/// Gives every value that stands at the path, as far as there are any.
fn each<'j>(
    steps: &[Step],
    value: &'j RawValue,
    give: &mut impl FnMut(&'j RawValue) -> serde_json::Result<()>,
) -> serde_json::Result<()> {
    match steps {
        [] => give(value),
        [Step::Each, rest @ ..] => {
            let elements: Vec<&RawValue> = serde_json::from_str(value.get())?;
            elements.into_iter().try_for_each(|element| each(rest, element, give))
        }
        [step, rest @ ..] => {
            let (mut tree, mut found) = (Tree::default(), vec![None]);
            tree.add(std::slice::from_ref(step), NameNo(0));
            tree.find(value, &mut found)?;
            found[0].map_or(Ok(()), |value| each(rest, value, give))
        }
    }
}

fn refuse(builder: &mut ChunkBuilder, place: LineSpan, code: &'static str, detail: String, record: Option<&[u8]>) {
    builder.refuse(Refusal { place, order_id: None, code, detail, record: record.map(<[u8]>::to_vec) });
}

impl<R: BufRead> MappedLines<R> {
    pub(crate) fn new(reader: R, map: Arc<Map>) -> Self {
        Self { lines: LineReader::new(reader, RECORD_BYTES_MAX), orders: MappedOrders::new(map) }
    }
}

impl<R: BufRead + Send> RecordSource for MappedLines<R> {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        match self.lines.next()? {
            None => return Ok(false),
            Some((place, Line::TooLong)) => builder.refuse(too_long(place)),
            Some((_, Line::Text(text))) if text.trim_ascii().is_empty() => {}
            Some((place, Line::Text(text))) => self.orders.take_document(text, place, builder),
        }
        Ok(true)
    }

    fn begin_behind(&mut self, lines: u64) {
        self.lines.begin_behind(lines);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::chunk::Chunk;
    use crate::source::records::json::Json;

    const SHOP: &str = r#"
orders = "$.orders[*]"
order_id = "$.name"
customer_id = "$.customer.id"
timestamp = "$.created_at"
currency = "$.currency"
items = "$.line_items[*]"
skip_when = [{ column = "@.sku", equals = "SHIPPING" }]
[item]
sku = "@.sku"
quantity = "@.quantity"
price = { column = "@.price", scale = "currency" }
properties = "@.properties"
of_order = "$.name"
[attributes]
note = "$.note"
"#;

    fn shop_order(name: &str, price: &str) -> String {
        format!(
            r#"{{"id":1,"name":"{name}","created_at":"2026-01-05T12:30:00-05:00","customer":{{"id":207119551}},"currency":"USD",
            "note":null,"line_items":[{{"sku":"A","quantity":1,"price":{price},"properties":[{{"n":1.50}}]}},{{"sku":"SHIPPING"}}]}}"#
        )
    }

    fn all(source: &mut impl RecordSource) -> (Chunk, Option<String>) {
        let mut builder = ChunkBuilder::new(ChunkSize { records: 1000, bytes: 1 << 30 });
        loop {
            match source.fill(&mut builder) {
                Ok(true) => {}
                Ok(false) => return (builder.take(0, 0, 0, 0), None),
                Err(error) => return (builder.take(0, 0, 0, 0), Some(error.to_string())),
            }
        }
    }

    fn map(text: &str) -> Arc<Map> {
        Arc::new(Map::parse(text).unwrap())
    }

    fn document(map: &Arc<Map>, text: &str) -> (Chunk, Option<String>) {
        all(&mut Json::mapped(io::Cursor::new(text.to_owned()), Arc::clone(map)))
    }

    #[test]
    fn an_order_under_a_key_is_made_of_its_paths() {
        let text = format!(
            "{{\"page\":[1,{{\"orders\":7}}],\"orders\":[{},\n{}]}}",
            shop_order("#1", "\"199.00\""),
            shop_order("#2", "0.1e1")
        );
        let (chunk, fault) = document(&map(SHOP), &text);
        assert_eq!((fault, chunk.refused.len(), chunk.lines), (None, 0, 2), "{:?}", chunk.refused);
        let orders: Vec<serde_json::Value> =
            chunk.body.split(|&b| b == b'\n').take(2).map(|line| serde_json::from_slice(line).unwrap()).collect();
        let expected = json!({"order_id": "#1", "customer_id": "207119551", "timestamp": "2026-01-05T12:30:00-05:00",
            "currency": "USD", "items": [{"sku": "A", "quantity": 1, "price": 19900, "properties": [{"n": 1.50}], "of_order": "#1"}]});
        assert_eq!(orders[0], expected);
        assert_eq!(orders[1]["items"][0]["price"], 100);
        assert_eq!((chunk.place(0).line, chunk.place(1).line), (1, 3));
    }

    #[test]
    fn a_number_beyond_a_float_stays_exact() {
        let (chunk, _) = document(&map(SHOP), &format!("{{\"orders\":[{}]}}", shop_order("#1", "90071992547409.93")));
        let order: serde_json::Value = serde_json::from_slice(chunk.body.trim_ascii()).unwrap();
        assert_eq!(order["items"][0]["price"], 9_007_199_254_740_993_u64);
    }

    #[test]
    fn lines_may_be_orders_or_documents_with_orders() {
        let orders = SHOP.replace("orders = \"$.orders[*]\"", "");
        let flat = |name: &str| shop_order(name, "1").replace('\n', " ");
        let text = format!("{}\n\n{{torn\n{}\n", flat("#1"), flat("#2"));
        let (chunk, _) = all(&mut MappedLines::new(io::Cursor::new(text), map(&orders)));
        assert_eq!((chunk.lines, chunk.refused[0].code, chunk.refused[0].place.line), (2, "malformed", 3));
        assert_eq!(chunk.refused[0].detail, "the record is not JSON: key must be a string at column 2");
        let text = format!("{{\"orders\":[{},{}]}}\n{{\"orders\":[]}}\n{{}}\n", flat("#1"), flat("#2"));
        let (chunk, _) = all(&mut MappedLines::new(io::Cursor::new(text), map(SHOP)));
        assert_eq!((chunk.lines, chunk.refused.len()), (2, 0), "{:?}", chunk.refused);
    }

    #[test]
    fn change_data_capture_brings_new_rows_and_passes_over_what_changes_nothing() {
        let map = map(&SHOP.replace("orders = \"$.orders[*]\"", "envelope = \"cdc\""));
        let order = |price: &str| shop_order("#1", price).replace('\n', " ");
        let same = order("1").replace("\"id\":1,", "\"id\":1,\"status\":\"paid\",");
        let text = [
            format!("{{\"before\":null,\"after\":{},\"op\":\"c\"}}", order("1")),
            format!("{{\"schema\":{{}},\"payload\":{{\"before\":null,\"after\":{},\"op\":\"r\"}}}}", order("1")),
            format!("{{\"before\":{},\"after\":{same},\"op\":\"u\"}}", order("1")),
            format!("{{\"before\":{},\"after\":{},\"op\":\"u\"}}", order("1"), order("2")),
            format!("{{\"before\":{},\"after\":null,\"op\":\"d\"}}", order("1")),
            "null".to_owned(),
            "{\"op\":\"x\"}".to_owned(),
        ]
        .join("\n");
        let (chunk, _) = all(&mut MappedLines::new(io::Cursor::new(text), map));
        assert_eq!((chunk.lines, chunk.passed_over), (3, 2), "{:?}", chunk.refused);
        let told: Vec<_> = chunk.refused.iter().map(|refusal| (refusal.place.line, refusal.code)).collect();
        assert_eq!(told, [(5, "deleted"), (7, "malformed")]);
    }

    #[test]
    fn the_data_of_a_cloud_event_is_the_order() {
        let text = SHOP.replace(
            "orders = \"$.orders[*]\"",
            "envelope = \"cloudevents\"\norders = \"$[*]\"\nreturn_when = [{ column = \"^.type\", equals = \"shop.refund\" }]",
        );
        let event = |kind: &str| {
            let order = shop_order("#1", "1");
            format!(
                "{{\"specversion\":\"1.0\",\"type\":\"{kind}\",\"id\":\"7\",\"source\":\"/shop\",\"data\":{order}}}"
            )
        };
        let text_of = format!("[{},{},{{\"id\":1}}]", event("shop.order"), event("shop.refund"));
        let (chunk, fault) = document(&map(&text), &text_of);
        assert_eq!((fault, chunk.lines, chunk.refused.len()), (None, 2, 1), "{:?}", chunk.refused);
        let refund = chunk.body.split(|&b| b == b'\n').nth(1).unwrap();
        let refund: serde_json::Value = serde_json::from_slice(refund).unwrap();
        assert_eq!((&refund["kind"], &refund["items"][0]["quantity"]), (&json!("return"), &json!(-1)));
    }

    #[test]
    fn what_is_not_there_is_said() {
        let (_, fault) = document(&map(SHOP), "{\"data\":[]}");
        assert_eq!(fault.as_deref(), Some("there is no $.orders[*] in it"));
        assert_eq!(document(&map(SHOP), "{\"orders\":[]}").1, None);
        let (chunk, fault) = document(&map(SHOP), &format!("{{\"orders\":[{}", shop_order("#1", "1")));
        assert!(chunk.lines == 1 && fault.unwrap().contains("the file ends in the middle"));
    }
}
