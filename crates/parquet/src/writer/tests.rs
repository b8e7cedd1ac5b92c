use proptest::prelude::*;

use super::*;
use crate::Table;
use forebay_model::Timestamp;

type Row = (String, String, i64, i64, String, String);

fn order(row: &Row) -> Order<'_> {
    let (order_id, customer_id, at, sum, items, attributes) = row;
    let timestamp = Timestamp::from_unix_us(*at);
    Order { order_id, customer_id, timestamp, kind: "return", currency: "GBP", sum: *sum, items, attributes }
}

fn write(shape: Shape, rows: &[Row]) -> Vec<u8> {
    let mut writer = OrderWriter::new(shape).unwrap();
    let mut file = Vec::new();
    for row in rows {
        writer.push(&order(row));
        if writer.is_group_full() {
            writer.write_group().unwrap();
            file.extend(writer.take_bytes().unwrap());
        }
    }
    file.extend(writer.finish().unwrap());
    file
}

fn read(file: Vec<u8>) -> (Vec<String>, Vec<Vec<String>>) {
    let mut table = Table::open(Bytes::from(file)).unwrap();
    let mut rows = Vec::new();
    while table.next_row().unwrap() {
        let cells = (0..table.names().len()).map(|place| table.cell(place).unwrap().to_vec());
        rows.push(cells.map(|cell| String::from_utf8(cell).unwrap()).collect());
    }
    (table.names().to_vec(), rows)
}

fn texts((order_id, customer_id, at, sum, items, attributes): &Row) -> Vec<String> {
    let at = Timestamp::from_unix_us(*at).to_string();
    let [kind, currency] = ["return", "GBP"].map(str::to_owned);
    vec![order_id.clone(), customer_id.clone(), at, kind, currency, sum.to_string(), items.clone(), attributes.clone()]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn what_was_written_is_read(
        rows in prop::collection::vec((".{1,8}", ".{1,8}", 946_684_800_000_000..4_102_444_800_000_000_i64, any::<i64>(), ".{0,40}", ".{0,40}"), 0..300),
    ) {
        let (names, read) = read(write(Shape::Whole, &rows));
        prop_assert_eq!(names, ["order_id", "customer_id", "timestamp", "kind", "currency", "total", "items", "attributes"]);
        prop_assert_eq!(read, rows.iter().map(texts).collect::<Vec<_>>());
    }
}

#[test]
fn a_view_has_a_subtotal_and_no_further_fields() {
    let row = ("o".to_owned(), "c".to_owned(), 1_751_286_600_000_000, 7, "[]".to_owned(), "{}".to_owned());
    let (names, rows) = read(write(Shape::View, &[row]));
    assert_eq!(names, ["order_id", "customer_id", "timestamp", "kind", "currency", "subtotal", "items"]);
    assert_eq!(rows, [["o", "c", "2025-06-30T12:30:00Z", "return", "GBP", "7", "[]"]]);
}

#[test]
fn a_large_file_is_written_group_by_group_and_holds_a_bounded_part_of_it() {
    let row = |n: usize| -> Row {
        // Letters that do not compress.
        let text: String =
            (0..64_u64).map(|k| (n as u64 * 64 + k).wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string()).collect();
        (format!("o{n}"), "c".to_owned(), 1_751_286_600_000_000, n as i64, text, "{}".to_owned())
    };
    let mut writer = OrderWriter::new(Shape::Whole).unwrap();
    let (mut file, mut groups) = (Vec::new(), 0);
    for n in 0..20_000 {
        writer.push(&order(&row(n)));
        assert!(writer.group.bytes() <= GROUP_BYTES + 4096);
        if writer.is_group_full() {
            writer.write_group().unwrap();
            groups += 1;
            let bytes = writer.take_bytes().unwrap();
            assert!(bytes.len() > GROUP_BYTES / 4, "{}", bytes.len());
            file.extend(bytes);
        }
    }
    assert!(groups >= 2);
    file.extend(writer.finish().unwrap());
    let torn = file[..file.len() - 100].to_vec();
    let (_, rows) = read(file);
    assert_eq!(rows.len(), 20_000);
    assert!(rows.iter().enumerate().all(|(n, cells)| *cells == texts(&row(n))));
    assert!(Table::open(Bytes::from(torn)).is_err(), "a file without its footer is no file");
}

#[test]
fn a_file_without_orders_is_a_file() {
    assert_eq!(read(write(Shape::Whole, &[])).1.len(), 0);
}

#[test]
fn groups_are_found_by_their_time() {
    use parquet::file::reader::{FileReader, SerializedFileReader};
    use parquet::file::statistics::Statistics;
    let row = |at| ("o".to_owned(), "c".to_owned(), at, 7, "[]".to_owned(), "{}".to_owned());
    let file = Bytes::from(write(Shape::Whole, &[row(5), row(3), row(9)]));
    let file = SerializedFileReader::new(file).unwrap();
    let Some(Statistics::Int64(of)) = file.metadata().row_group(0).column(2).statistics() else {
        panic!("no statistics")
    };
    assert_eq!((of.min_opt(), of.max_opt()), (Some(&3), Some(&9)));
}
