use std::sync::Arc;

use bytes::Bytes;
use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DataType, DoubleType, FixedLenByteArray, FixedLenByteArrayType, Int32Type,
    Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::parser::parse_message_type;

use super::*;

type Group<'a> = SerializedRowGroupWriter<'a, Vec<u8>>;

fn put<T: DataType>(group: &mut Group<'_>, values: &[T::T], levels: Option<&[i16]>, repeated: Option<&[i16]>) {
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<T>().write_batch(values, levels, repeated).unwrap();
    column.close().unwrap();
}

fn file(schema: &str, write: impl Fn(&mut Group<'_>)) -> Table {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::default())).unwrap();
    let mut group = file.next_row_group().unwrap();
    write(&mut group);
    group.close().unwrap();
    Table::open(Bytes::from(file.into_inner().unwrap())).unwrap()
}

fn rows(table: &mut Table) -> Vec<Vec<Option<String>>> {
    let mut rows = Vec::new();
    while table.next_row().unwrap() {
        let text = |place| table.cell(place).map(|cell| String::from_utf8(cell.to_vec()).unwrap());
        rows.push((0..table.names().len()).map(text).collect());
    }
    rows
}

const TYPES: &str = "message m {
    REQUIRED BOOLEAN truth; REQUIRED INT32 day (DATE); REQUIRED INT32 small (DECIMAL(9,2));
    REQUIRED INT64 old (TIMESTAMP_MILLIS); REQUIRED INT96 spark; REQUIRED DOUBLE price;
    REQUIRED FIXED_LEN_BYTE_ARRAY(3) fixed (DECIMAL(6,2)); REQUIRED BYTE_ARRAY name (UTF8);
}";

#[test]
fn every_type_becomes_its_text() {
    let mut table = file(TYPES, |group| {
        put::<BoolType>(group, &[true], None, None);
        put::<Int32Type>(group, &[20_269], None, None);
        put::<Int32Type>(group, &[-255], None, None);
        put::<Int64Type>(group, &[1_751_286_600_500], None, None);
        let mut spark = Int96::new();
        // 45,000.000001 seconds into the day with this Julian number.
        let nanoseconds: u64 = 45_000_000_001_000;
        spark.set_data(nanoseconds as u32, (nanoseconds >> 32) as u32, 2_440_588 + 20_269);
        put::<Int96Type>(group, &[spark], None, None);
        put::<DoubleType>(group, &[2.55], None, None);
        put::<FixedLenByteArrayType>(group, &[FixedLenByteArray::from(vec![0xff, 0xff, 0x01])], None, None);
        put::<ByteArrayType>(group, &[ByteArray::from("Ünï")], None, None);
    });
    let expected = [
        "true",
        "2025-06-30",
        "-2.55",
        "2025-06-30T12:30:00.5Z",
        "2025-06-30T12:30:00.000001Z",
        "2.55",
        "-2.55",
        "Ünï",
    ];
    assert_eq!(rows(&mut table), [expected.map(|text| Some(text.to_owned())).to_vec()]);
}

#[test]
fn nulls_are_nulls_and_lists_are_not_seen() {
    let schema = "message m { OPTIONAL group a { OPTIONAL INT64 b; } REPEATED INT64 list; OPTIONAL INT64 c; }";
    let count = 1000;
    let mut table = file(schema, |group| {
        // Every third `a` is null, every third `b` within is null.
        let levels: Vec<i16> = (0..count).map(|n| (n % 3) as i16).collect();
        let values: Vec<i64> = (0..count).filter(|n| n % 3 == 2).collect();
        put::<Int64Type>(group, &values, Some(&levels), None);
        let lists = vec![0; count as usize];
        put::<Int64Type>(group, &[], Some(&lists), Some(&lists));
        let levels: Vec<i16> = (0..count).map(|n| i16::from(n != 7)).collect();
        let values: Vec<i64> = (0..count).filter(|n| *n != 7).collect();
        put::<Int64Type>(group, &values, Some(&levels), None);
    });
    assert_eq!(table.names(), ["a.b", "c"]);
    let expected = |n: i64| vec![(n % 3 == 2).then(|| n.to_string()), (n != 7).then(|| n.to_string())];
    assert_eq!(rows(&mut table), (0..count).map(expected).collect::<Vec<_>>());
}

#[test]
fn columns_that_are_not_kept_are_null() {
    let mut table = file("message m { REQUIRED INT64 a; REQUIRED INT64 b; }", |group| {
        put::<Int64Type>(group, &[1, 2], None, None);
        put::<Int64Type>(group, &[3, 4], None, None);
    });
    table.keep(|name| name == "b");
    assert_eq!(rows(&mut table), [3, 4].map(|n: i32| vec![None, Some(n.to_string())]));
}

#[test]
fn what_is_no_file_is_said() {
    assert!(Table::open(Bytes::from_static(b"PAR1 and so on, PAR1")).is_err());
    assert!(Table::open(Bytes::new()).is_err());
}
