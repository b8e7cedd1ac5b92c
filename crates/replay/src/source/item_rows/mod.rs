//! Lines of items, as CSV and Parquet files have them, gathered into orders by a map.
//!
//! Lines with the same order id that stand together are one order. Its time and attributes are those of its first line,
//! so an order whose lines were written over two minutes keeps every line; its customer must be the same on every line. If
//! anything is wrong with one of its lines, the whole order is refused, for an order without some of its lines would be
//! another order. So always: lines read = lines of orders that are sent + lines of orders that are refused.
//!
//! | module | concept |
//! |---|---|
//! | [`map`] | the map, as its TOML file says it |
//! | `columns` | where the map's columns stand in a certain file |
//! | `csv_rows` | the rows of a CSV file, of a bounded length |
//! | `gathering` | an order whose lines are being gathered |
//! | `decimal` | decimal numbers as exact integers |
//! | `local_time` | times as a file writes them |

mod columns;
pub(crate) mod csv_rows;
pub(crate) mod decimal;
mod gathering;
pub(crate) mod local_time;
pub(crate) mod map;

use std::io::{self, Read};
use std::sync::Arc;

use csv::ByteRecord;

use self::columns::Columns;
use self::csv_rows::CsvRows;
use self::gathering::Gathering;
use self::map::Map;
use crate::chunk::ChunkBuilder;
use crate::source::RecordSource;

/// Rows of lines of items, whatever kind of file they stand in.
pub(crate) trait Rows: Send {
    /// Reads the next row that is not blank, and gives the line, from 1 on, that it begins on. `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a row does not end.
    fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<u64>>;
}

/// The orders of lines of items.
pub(crate) struct Lines<R> {
    map: Arc<Map>,
    columns: Columns,
    rows: R,
    row: ByteRecord,
    order: Option<Gathering>,
}

impl<R: Read + Send> Lines<CsvRows<R>> {
    /// Reads the header of a CSV file. `None` for an empty file.
    ///
    /// # Errors
    /// When the file cannot be read, or lacks a column of the map.
    pub(crate) fn of_csv(reader: R, map: Arc<Map>) -> io::Result<Option<Self>> {
        let mut rows = CsvRows::new(reader, map.delimiter);
        let mut row = ByteRecord::new();
        if rows.next(&mut row)?.is_none() {
            return Ok(None);
        }
        Self::of_rows(rows, &row, map).map(Some)
    }
}

impl<R: Rows> Lines<R> {
    /// The orders of rows that have these columns.
    ///
    /// # Errors
    /// When a column of the map is not among them.
    pub(crate) fn of_rows(rows: R, header: &ByteRecord, map: Arc<Map>) -> io::Result<Self> {
        let columns = Columns::find(&map, header).map_err(io::Error::other)?;
        Ok(Self { map, columns, rows, row: ByteRecord::new(), order: None })
    }
}

impl<R: Rows> RecordSource for Lines<R> {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        let Some(line) = self.rows.next(&mut self.row)? else {
            if let Some(order) = self.order.take() {
                order.finish(builder);
            }
            return Ok(false);
        };
        let (columns, row) = (&self.columns, &self.row);
        if let Some(order) = self.order.as_mut().filter(|order| order.is_of(columns, row)) {
            order.add(columns, row, line);
        } else if let Some(whole) = self.order.replace(Gathering::begin(&self.map, columns, row, line)) {
            whole.finish(builder);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::map::tests::RETAIL;
    use super::*;
    use crate::chunk::{Chunk, ChunkSize, LineSpan};

    const HEADER: &str = "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n";

    fn read(map: &str, text: &[u8]) -> io::Result<Chunk> {
        let map = Arc::new(Map::parse(map).expect("a map"));
        let mut source = Lines::of_csv(text, map)?.expect("a header");
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
    fn a_time_that_is_none_refuses_the_order() {
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
