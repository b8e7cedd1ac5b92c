//! Rows of tables, as CSV and Parquet files and databases have them, made into orders or events by a map.
//!
//! Rows with the same order id (of events, and event id) that stand together are one order; those that stand apart are brought together before, where
//! the map says how far. Its time and attributes are those of its first row, so an order whose lines were written over two
//! minutes keeps every line; its customer must be the same on every line that names one. If anything is wrong with one of its
//! lines, the whole order is refused, for an order without some of its lines would be another order. So always: lines read =
//! lines of orders that are sent + lines of orders that are refused + lines that are passed over.
//!
//! | module | concept |
//! |---|---|
//! | `columns` | where the map's columns stand in a certain file |
//! | `csv_rows` | the rows of a CSV file, of a bounded length |
//! | [`query_rows`] | the rows of a query |
//! | `scattered`, `row_log` | lines of an order that do not stand together |

mod columns;
pub(crate) mod csv_rows;
pub(crate) mod query_rows;
mod row_log;
mod scattered;

use std::io::{self, Read};
use std::sync::Arc;

use csv::ByteRecord;

use self::columns::{Columns, TableRow};
use self::csv_rows::CsvRows;
use self::scattered::Scattered;
use crate::chunk::ChunkBuilder;
use crate::map::Map;
use crate::map::assembly::Assembly;
use crate::map::fields::text::Text;
use crate::source::RecordSource;
use crate::source::records::items::MappedItems;

/// Rows of a table, whatever kind of file they stand in.
pub(crate) trait Rows: Send {
    /// Reads the next row that is not blank, and says where it stands. `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a row does not end.
    fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<RowPlace>>;

    /// The byte at which the row begins that was read last, where that is known.
    fn begins_at(&self) -> Option<u64> {
        None
    }

    /// The key of the row that was read last, where rows have one to go on behind.
    fn key(&self) -> Option<&str> {
        None
    }
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowPlace {
    /// The line, from 1 on, that it begins on.
    pub(crate) line: u64,
    /// Whether the order that it belongs to was given out before it came.
    pub(crate) is_late: bool,
}

/// The orders of rows.
pub(crate) struct Lines<R> {
    map: Arc<Map>,
    columns: Arc<Columns>,
    header: ByteRecord,
    /// What makes items, where they stand within a row.
    items: Option<MappedItems>,
    rows: R,
    row: ByteRecord,
    order: Option<Assembly>,
    /// Whether the rows of that order came too late.
    is_late: bool,
    /// The byte at which that order begins.
    begins_at: Option<u64>,
    /// The key of the last row of that order.
    key: Option<String>,
    leaves_last: bool,
    /// How many lines of the file stand before what is read.
    lines_before: u64,
}

/// Opens the orders of rows that have these columns.
///
/// # Errors
/// When a column of the map is not among them.
pub(crate) fn orders_of(
    rows: impl Rows + 'static,
    header: ByteRecord,
    map: Arc<Map>,
) -> io::Result<Box<dyn RecordSource>> {
    let columns = Arc::new(Columns::find(&map, &header).map_err(io::Error::other)?);
    Ok(match map.lines_apart {
        Some(lines) => {
            let rows = Scattered::new(rows, header.clone(), Arc::clone(&map), Arc::clone(&columns), lines);
            Box::new(Lines::new(rows, header, map, columns))
        }
        None => Box::new(Lines::new(rows, header, map, columns)),
    })
}

/// Opens the orders of a CSV file. `None` for an empty file.
///
/// # Errors
/// When the file cannot be read, or lacks a column of the map.
pub(crate) fn orders_of_csv(
    reader: impl Read + Send + 'static,
    map: Arc<Map>,
) -> io::Result<Option<Box<dyn RecordSource>>> {
    let mut rows = CsvRows::new(reader, map.delimiter);
    let mut header = ByteRecord::new();
    if rows.next(&mut header)?.is_none() {
        return Ok(None);
    }
    orders_of(rows, header, map).map(Some)
}

impl<R: Rows> Lines<R> {
    fn new(rows: R, header: ByteRecord, map: Arc<Map>, columns: Arc<Columns>) -> Self {
        let items = map.items.as_ref().map(|_| MappedItems::new(&map));
        Self {
            map,
            columns,
            header,
            items,
            rows,
            row: ByteRecord::new(),
            order: None,
            is_late: false,
            begins_at: None,
            key: None,
            leaves_last: false,
            lines_before: 0,
        }
    }

    /// Takes the row in hand.
    fn take(&mut self, place: RowPlace, builder: &mut ChunkBuilder) {
        let RowPlace { line, is_late } = place;
        let row = TableRow { columns: &self.columns, fields: &self.row };
        if is_passed_over(&self.map, &row, &self.header) {
            return builder.pass_over(1);
        }
        let order = self.order.as_mut().filter(|_| self.is_late == is_late);
        if let Some(order) = order.filter(|order| continues(&self.map, order, &row)) {
            check_width(order, &row, line);
            order.add(&self.map, &row, line);
            self.key = self.rows.key().map(str::to_owned);
            return;
        }
        let mut order = Assembly::begin(&self.map, &row, line);
        check_width(&mut order, &row, line);
        if is_late {
            let apart = self.map.lines_apart.unwrap_or_default();
            order.refuse(line, &format!("it stands more than lines_apart = {apart} lines behind the lines of its order, which has gone without it"));
        }
        match &mut self.items {
            Some(items) => items.add_all(&mut order, &self.map, &row, line),
            None => order.add(&self.map, &row, line),
        }
        self.is_late = is_late;
        self.begins_at = self.rows.begins_at();
        let whole = self.order.replace(order);
        if let Some(whole) = whole {
            whole.finish(&self.map, builder);
            builder.end_at(self.key.take());
        }
        self.key = self.rows.key().map(str::to_owned);
    }
}

/// Whether a row is no part of any order.
fn is_passed_over(map: &Map, row: &TableRow<'_>, header: &ByteRecord) -> bool {
    (map.skips_headers && row.fields == header) || map.skips(row)
}

/// Whether a row is a further one of an order. A row that is too short to have an order id is taken for one: better refuse an
/// order that is whole than send one that is not.
fn continues(map: &Map, order: &Assembly, row: &TableRow<'_>) -> bool {
    // Where a row is a whole record, none goes on.
    if map.items.is_some() || map.item.is_none() {
        return false;
    }
    let Some(order_id) = &map.order_id else { return false };
    if row.fields.len() < row.columns.count && order_id.is_blank(row) {
        return true;
    }
    let is_same = |field: &Text, before: &str| match field.text(row) {
        Ok(id) if id.is_empty() => map.blank_is_as_before,
        Ok(id) => id == before,
        Err(fault) => fault.text == before,
    };
    is_same(order_id, &order.order_id) && map.event.as_ref().is_none_or(|event| is_same(&event.id, &order.event_id))
}

fn check_width(order: &mut Assembly, row: &TableRow<'_>, line: u64) {
    let (has, wanted) = (row.fields.len(), row.columns.count);
    if has != wanted {
        let what = format!("it has {has} fields and the header has {wanted}: is a quote missing or unescaped?");
        order.refuse(line, &what);
    }
}

impl<R: Rows> RecordSource for Lines<R> {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        match self.rows.next(&mut self.row)? {
            Some(place) => self.take(RowPlace { line: place.line + self.lines_before, ..place }, builder),
            None => {
                if let Some(order) = self.order.take_if(|_| !self.leaves_last) {
                    order.finish(&self.map, builder);
                    builder.end_at(self.key.take());
                }
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn begin_behind(&mut self, lines: u64) {
        self.lines_before = lines;
    }

    fn leave_last(&mut self) {
        self.leaves_last = true;
    }

    fn left_at(&self) -> Option<u64> {
        self.begins_at.filter(|_| self.order.is_some())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::chunk::{Chunk, ChunkSize, LineSpan};
    use crate::map::tests::RETAIL;

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn read(map: &str, text: &[u8]) -> io::Result<Chunk> {
        let map = Arc::new(Map::parse(map).expect("a map"));
        let mut source = orders_of_csv(io::Cursor::new(text.to_vec()), map)?.expect("a header");
        let mut builder = ChunkBuilder::new(ChunkSize { records: 1 << 20, bytes: 1 << 30 });
        while source.fill(&mut builder)? {}
        Ok(builder.take(0, 0, 0, 0))
    }

    fn retail(lines: &str) -> Chunk {
        read(RETAIL, format!("{HEADER}{lines}").as_bytes()).unwrap()
    }

    fn sent(chunk: &Chunk) -> Vec<Value> {
        let lines = chunk.body.split(|&b| b == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
    }

    #[test]
    fn lines_that_stand_together_are_one_order() {
        let chunk = retail(
            "536365,85123A,\"HEART, \"\"WHITE\"\"\",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\n\
             536365,71053,,1,2010-12-01 08:27:00,3.4,17850.0,United Kingdom\n\
             536366,22633,X,2,2010-12-01 08:28:00,7,,France\n",
        );
        let first = json!({"order_id": "536365", "customer_id": "17850", "timestamp": "2010-12-01T08:26:00Z",
            "country": "United Kingdom", "items": [
                {"sku": "85123A", "quantity": 6, "price": 255, "description": "HEART, \"WHITE\""},
                {"sku": "71053", "quantity": 1, "price": 340}]});
        let second = json!({"order_id": "536366", "customer_id": "guest", "timestamp": "2010-12-01T08:28:00Z",
            "country": "France", "items": [{"sku": "22633", "quantity": 2, "price": 700, "description": "X"}]});
        assert_eq!(sent(&chunk), [first, second]);
        assert_eq!((chunk.place(0).line, chunk.place(0).lines), (2, 2));
        assert_eq!((chunk.place(1).line, chunk.place(1).lines, chunk.file_lines(2)), (4, 1, 3));
    }

    #[test]
    fn negative_numbers_are_sent_because_ingest_knows_what_an_order_may_be() {
        let chunk = retail("C536379,D,Discount,-1,2010-12-01 09:41:00,-27.50,14527.0,United Kingdom\n");
        let item = &sent(&chunk)[0]["items"][0];
        assert_eq!((&item["quantity"], &item["price"]), (&json!(-1), &json!(-2750)));
    }

    #[test]
    fn a_fault_in_one_line_refuses_the_whole_order_with_its_line() {
        let good = "7,A,x,1,2010-12-01 08:26:00,1.00,1,UK\n";
        for (bad, said) in [
            ("7,A,x,1,2010-12-01 08:26:00,1.005,1,UK\n", "line 3: UnitPrice \"1.005\" has more than 2 decimals"),
            ("7,A,x,,2010-12-01 08:26:00,1.00,1,UK\n", "line 3: Quantity \"\" is empty"),
            ("7,A,x,1.5,2010-12-01 08:26:00,1.00,1,UK\n", "line 3: Quantity \"1.5\" has more than 0 decimals"),
            ("7,A,x,1,2010-12-01 08:26:00,one,1,UK\n", "line 3: UnitPrice \"one\" is not a decimal number"),
            (
                "7,A,x,1,2010-12-01 08:26:00,1.00,2,UK\n",
                "line 3: its customer is \"2\", and that of the order's first line is \"1\"",
            ),
            ("7,A,x,1\n", "line 3: it has 4 fields and the header has 8: is a quote missing or unescaped?"),
            (
                "7,A,\"x,1,2010-12-01 08:26:00,1.00,1,UK\n",
                "line 3: it has 3 fields and the header has 8: is a quote missing or unescaped?",
            ),
        ] {
            let chunk = retail(&format!("{good}{bad}"));
            assert_eq!(chunk.lines, 0, "{bad}");
            let refusal = &chunk.refused[0];
            assert!(refusal.detail.starts_with(said), "{} instead of {said}", refusal.detail);
            assert_eq!(
                (refusal.code, refusal.place, refusal.order_id.as_deref()),
                ("invalid", LineSpan { line: 2, lines: 2 }, Some("7"))
            );
            assert!(serde_json::from_slice::<Value>(refusal.record.as_ref().unwrap()).unwrap()["items"][1].is_object());
        }
    }

    #[test]
    fn an_invalid_time_refuses_the_order() {
        let chunk = retail("7,A,x,1,1 December,1.00,1,UK\n8,A,x,1,2010-12-01 08:26:00,1.00,1,UK\n");
        assert!(chunk.refused[0].detail.starts_with("line 2: InvoiceDate \"1 December\" is not a time of the form"));
        assert_eq!(chunk.lines, 1);
    }

    #[test]
    fn bytes_that_are_not_utf_8_refuse_their_order_only_where_they_are_used() {
        let text =
            [HEADER.as_bytes(), b"7,A,\xa3,1,2010-12-01 08:26:00,1.00,1,UK\n8,A,x,1,2010-12-01 08:26:00,1,1,UK\n"]
                .concat();
        let chunk = read(RETAIL, &text).unwrap();
        assert!(chunk.refused[0].detail.contains("Description") && chunk.refused[0].detail.contains("UTF-8"));
        assert_eq!(chunk.lines, 1);
        let without = RETAIL.replace("description = \"Description\"", "");
        assert_eq!(read(&without, &text).unwrap().lines, 2);
    }

    #[test]
    fn an_order_of_too_many_lines_is_refused_and_does_not_fill_the_memory() {
        let line = format!("7,A,{},1,2010-12-01 08:26:00,1.00,1,UK\n", "x".repeat(1000));
        let chunk = retail(&line.repeat(3000));
        assert_eq!((chunk.lines, chunk.refused[0].code, chunk.refused[0].place.lines), (0, "too_large", 3000));
        assert_eq!(chunk.refused[0].record, None);
    }

    #[test]
    fn a_quote_that_is_never_closed_does_not_take_in_the_rest_of_a_large_file() {
        let text = format!("{HEADER}7,A,\"x,{}", "1,2,3\n".repeat(1_000_000));
        let error = read(RETAIL, text.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "line 2: a row does not end within 4 MiB: is a closing quote missing?");
    }

    #[test]
    fn a_column_that_is_not_there_is_named() {
        let error = read(RETAIL, b"InvoiceNo,Stock\n").unwrap_err().to_string();
        assert_eq!(error, "the column `CustomerID` of the map is not among its columns: InvoiceNo, Stock");
        let twice = read(RETAIL, b"InvoiceNo,InvoiceNo\n").unwrap_err().to_string();
        assert!(twice.contains("`InvoiceNo`") && twice.contains("twice"), "{twice}");
    }

    proptest! {
        #[test]
        fn no_line_is_lost(ids in proptest::collection::vec((0_u8..4, prop_oneof!["1.5", "1.555", "x", ""], "[a\",\n]{0,4}"), 0..60)) {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(HEADER.trim().split(',')).unwrap();
            for (id, price, text) in &ids {
                let row = [&id.to_string(), "A", text, "1", "2010-12-01 08:26:00", price, "1", "UK"];
                writer.write_record(row).unwrap();
            }
            let chunk = read(RETAIL, &writer.into_inner().unwrap()).unwrap();
            let refused: u64 = chunk.refused.iter().map(|refusal| u64::from(refusal.place.lines)).sum();
            prop_assert_eq!(chunk.file_lines(chunk.lines) + refused, ids.len() as u64);
            let mut groups: Vec<u8> = ids.iter().map(|(id, ..)| *id).collect();
            groups.dedup();
            prop_assert_eq!(chunk.records(), groups.len() as u64);
            let items: usize = sent(&chunk).iter().map(|order| order["items"].as_array().unwrap().len()).sum();
            prop_assert_eq!(items as u64, chunk.file_lines(chunk.lines));
        }
    }
}
