//! What must hold for files from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

mod store;

use std::io::{self, BufReader, Read};
use std::sync::{Arc, Once};

use bytes::Bytes;
use csv::ByteRecord;
use forebay_client::RecordKind;
use forebay_model::Timestamp;
use forebay_parquet::Table;
use serde_json::Value;

use self::store::Store;
use crate::chunk::{Chunk, ChunkBuilder, ChunkSize};
use crate::map::Map;
use crate::map::fields::decimal::scaled;
use crate::map::fields::number::{Amount, Scale, Separators, amount};
use crate::map::fields::time::TimeFormat;
use crate::source::RecordSource;
use crate::source::input::Input;
use crate::source::input::object::{Object, listed};
use crate::source::parquet::records_of;
use crate::source::records::json::Json;
use crate::source::rows::csv_rows::CsvRows;
use crate::source::rows::{Rows, orders_of_csv};

/// What stands between a map and its file.
const BEHIND_MAP: &[u8] = b"\n---\n";

/// The map of files that bring none.
const MAP: &str = r#"
order_id = "id"
customer_id = { column = "customer", strip_suffix = ".0", default = "guest" }
timestamp = { column = "at", format = "%Y-%m-%d %H:%M:%S", zone = "Europe/London" }
item = { sku = "sku", quantity = "quantity", price = { column = "price", scale = 2 }, note = "note" }
attributes = { country = "country" }
"#;

/// The map of JSON documents.
const JSON_MAP: &str = r#"
orders = "$.orders[*]"
order_id = "$.id"
customer_id = { columns = ["$.customer.id", "$.email"], default = "guest" }
timestamp = { column = "$.at", format = ["iso", "epoch"], zone = "UTC" }
items = "$.items[*]"
skip_when = [{ column = "@.sku", equals = "none" }]
item = { sku = "@.sku", quantity = "@.n", price = { column = "@.price", scale = 2 }, note = "@.note" }
attributes = { meta = "$.meta" }
"#;

/// The map of orders in envelopes.
const ENVELOPED_MAP: &str = r#"
order_id = "$.id"
customer_id = { column = "$.customer", default = "guest" }
timestamp = { column = "$.at", format = ["iso", "epoch_ms"], zone = "UTC" }
items = "$.items[*]"
item = { sku = "@.sku", quantity = "@.n", price = { column = "@.price", scale = 2 } }
attributes = { source = "^.source", op = "^.op" }
"#;

/// How many rows of a Parquet file are looked at: a few bytes may stand for any number of them.
const PARQUET_ROWS_MAX: usize = 2000;

/// A map makes of every row of a CSV file a part of an order that is sent or refused, and what is sent is JSON, a line an
/// order. Without a map before it the bytes are the file alone.
///
/// # Panics
/// Where that does not hold.
pub fn map(bytes: &[u8]) {
    let at = bytes.windows(BEHIND_MAP.len()).position(|window| window == BEHIND_MAP);
    let (map, file) = at.map_or((MAP.as_bytes(), bytes), |at| (&bytes[..at], &bytes[at + BEHIND_MAP.len()..]));
    let Ok(map) = Map::parse(&String::from_utf8_lossy(map)) else { return };
    let delimiter = map.delimiter;
    let is_of_events = map.event.is_some();
    let has_own_items = map.event.is_some() || map.items.is_some() || map.has_prices_of_lines();
    let Ok(Some(mut lines)) = orders_of_csv(io::Cursor::new(file.to_vec()), Arc::new(map)) else { return };
    let (chunk, outcome) = read(lines.as_mut());
    outcome.expect("a file in memory can be read");
    let mut items = 0;
    for line in chunk.body.split_inclusive(|&byte| byte == b'\n') {
        let order: Value = serde_json::from_slice(line).expect("an order that is sent is JSON");
        items += order["items"].as_array().map_or(0, Vec::len) as u64;
        assert!(is_of_events || order["items"].is_array(), "an order has items");
    }
    let sent = chunk.file_lines(chunk.lines);
    assert!(has_own_items || items == sent);
    let refused: u64 = chunk.refused.iter().map(|refusal| u64::from(refusal.place.lines)).sum();
    assert_eq!(sent + refused + chunk.passed_over, rows_behind_header(file, delimiter));
}

/// A JSON file has the same records however it is read; each takes one line. The first byte says in what pieces.
///
/// # Panics
/// Where that does not hold.
pub fn json(bytes: &[u8]) {
    let Some((&first, file)) = bytes.split_first() else { return };
    let records = |buffer: usize| {
        let (chunk, outcome) = read(&mut Json::new(BufReader::with_capacity(buffer, file)));
        let places: Vec<_> = (0..chunk.lines).map(|index| chunk.place(index)).collect();
        (chunk.body, places, outcome.map_err(|error| error.to_string()))
    };
    let whole = records(bytes.len());
    assert_eq!(memchr::memchr_iter(b'\n', &whole.0).count(), whole.1.len());
    assert_eq!(records(usize::from(first) + 1), whole);
    if let Ok(Value::Array(elements)) = serde_json::from_slice(file) {
        let found = whole.0.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
        let found: Vec<Value> = found.map(|line| serde_json::from_slice(line).expect("it was JSON")).collect();
        assert_eq!((found, whole.2), (elements, Ok(())));
    }
}

/// A number that is accepted is the same when it is written in the unit it was read in. The first byte is the scale.
///
/// # Panics
/// Where that does not hold.
pub fn decimal(bytes: &[u8]) {
    let Some((&first, text)) = bytes.split_first() else { return };
    let scale = u32::from(first) % 19;
    let Ok(units) = scaled(&String::from_utf8_lossy(text), scale) else { return };
    let power = 10_u64.pow(scale);
    let (whole, fraction) = (units.unsigned_abs() / power, units.unsigned_abs() % power);
    let sign = if units < 0 { "-" } else { "" };
    let written = format!("{sign}{whole}.{fraction:0width$}", width = scale as usize);
    let written = if scale == 0 { written.trim_end_matches(".0") } else { &written };
    assert_eq!(scaled(written, scale), Ok(units), "{written}");
}

/// A time that is accepted is one that ingest can read, or lies before our era. Three lines: format, zone, time.
///
/// # Panics
/// Where that does not hold.
pub fn local_time(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut lines = text.splitn(3, '\n');
    let (Some(format), Some(zone), Some(text)) = (lines.next(), lines.next(), lines.next()) else { return };
    let zone = (!zone.is_empty()).then_some(zone);
    let Ok(format) = TimeFormat::new(&[format.to_owned()], zone) else { return };
    let Ok(read) = format.read(text) else { return };
    let at = Timestamp::parse(&read);
    assert!(read.starts_with('-') || at.is_ok_and(|at| at.to_string() == read), "{read}");
}

/// Orders that a map finds in a JSON document are the same however it is read, and what is sent is JSON. The first byte says in what
/// pieces.
///
/// # Panics
/// Where that does not hold.
pub fn mapped(bytes: &[u8]) {
    let Some((&first, file)) = bytes.split_first() else { return };
    let (found, outcome) = orders_by(JSON_MAP, file, usize::from(first) + 1);
    if let Ok(document) = serde_json::from_slice::<Value>(file) {
        let orders = document.get("orders").and_then(Value::as_array).map_or(0, Vec::len);
        assert!(found >= orders || outcome.is_err(), "every element is sent or refused");
    }
}

/// Orders that come in envelopes of change data capture or of `CloudEvents` are the same however the file is read, and what is sent is
/// JSON. The first byte says which, and in what pieces.
///
/// # Panics
/// Where that does not hold.
pub fn envelope(bytes: &[u8]) {
    let Some((&first, file)) = bytes.split_first() else { return };
    let envelope = if first % 2 == 0 { "cdc" } else { "cloudevents" };
    let map = format!("envelope = \"{envelope}\"\n{ENVELOPED_MAP}");
    let _ = orders_by(&map, file, usize::from(first) + 1);
}

/// How many orders a map finds in a JSON file, and whether it was read to its end. It is so whether the file is read in one piece or in
/// smaller ones.
fn orders_by(map: &str, file: &[u8], piece: usize) -> (usize, Result<(), String>) {
    let map = Arc::new(Map::parse(map).expect("it is a map"));
    let orders = |buffer: usize| {
        let reader = BufReader::with_capacity(buffer, io::Cursor::new(file.to_vec()));
        let (chunk, outcome) = read(&mut Json::mapped(reader, Arc::clone(&map)));
        let places: Vec<_> = (0..chunk.lines).map(|index| chunk.place(index)).collect();
        (chunk.body, places, chunk.refused, outcome.map_err(|error| error.to_string()))
    };
    let whole = orders(file.len() + 1);
    assert_eq!(orders(piece), whole);
    let (body, places, refused, outcome) = whole;
    are_json(&body);
    (places.len() + refused.len(), outcome)
}

fn are_json(lines: &[u8]) {
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        serde_json::from_slice::<Value>(line).expect("an order that is sent is JSON");
    }
}

/// The rows of a Parquet file, taken for an export of orders, for events, and for lines that a map makes orders of, are sent as JSON or
/// refused, or the file is damaged.
///
/// # Panics
/// Where that does not hold.
pub fn parquet(bytes: &[u8]) {
    let map = Arc::new(Map::parse(MAP).expect("it is a map"));
    for (map, kind) in [(None, RecordKind::Orders), (None, RecordKind::Events), (Some(&map), RecordKind::Orders)] {
        let Ok(table) = Table::open(Bytes::copy_from_slice(bytes)) else { return };
        let Ok(mut source) = records_of(table, map, kind) else { continue };
        let mut builder = ChunkBuilder::new(ChunkSize { records: usize::MAX, bytes: usize::MAX });
        for _ in 0..PARQUET_ROWS_MAX {
            if !source.fill(&mut builder).unwrap_or(false) {
                break;
            }
        }
        are_json(&builder.take(0, 0, 0, 0).body);
    }
}

/// What a store answers that is asked for a list of objects names some, in order and none of them empty, or is no list.
///
/// # Panics
/// Where that does not hold.
pub fn listing(bytes: &[u8]) {
    static TLS: Once = Once::new();
    // As in every program, a client comes first, which says what TLS is by.
    TLS.call_once(|| drop(forebay_client::Client::new("http://localhost")));
    let store = Store::running();
    store.say(bytes);
    let Ok(objects) = listed(store.endpoint()) else { return };
    let urls: Vec<_> = objects.iter().map(Object::url).collect();
    assert!(urls.is_sorted() && objects.iter().all(|object| object.bytes() > 0), "{objects:?}");
}

/// A file of whatever kind (plain, gzip, zstd, zip, any encoding) is opened or refused; opened, it begins with what was looked at of it, and is
/// read to its end or to a fault, or up to the bound.
///
/// # Panics
/// Where that does not hold.
pub fn input(bytes: &[u8]) {
    const READ_MAX: u64 = 8 << 20;
    let file = tempfile::NamedTempFile::new().expect("there is room for a file");
    std::fs::write(file.path(), bytes).expect("there is room for a file");
    let Ok(opened) = Input::new(file.path()).open(None) else { return };
    let mut read = Vec::new();
    let outcome = opened.reader.take(READ_MAX).read_to_end(&mut read);
    assert!(outcome.is_err() || read.starts_with(&opened.head) || read.len() as u64 == READ_MAX);
    assert!(
        std::str::from_utf8(&read).is_ok()
            || opened.encoded.is_utf_8()
            || read.len() as u64 == READ_MAX
            || outcome.is_err()
    );
}

/// A number that is accepted is the same when it is written plainly. The first byte says what separates its digits.
///
/// # Panics
/// Where that does not hold.
pub fn number(bytes: &[u8]) {
    let Some((&first, text)) = bytes.split_first() else { return };
    let separators = match first % 4 {
        0 => Separators::default(),
        1 => Separators { decimal: ',', thousands: Some('.') },
        2 => Separators { decimal: '.', thousands: Some(',') },
        _ => Separators { decimal: ',', thousands: Some(' ') },
    };
    let scale = Scale::Digits(u32::from(first) % 7);
    let Ok(Amount { units, .. }) = amount(&String::from_utf8_lossy(text), separators, scale, None) else { return };
    let plain = amount(&units.to_string(), Separators::default(), Scale::Digits(0), None);
    assert_eq!(plain.map(|amount| amount.units), Ok(units));
}

/// Everything in one chunk, up to the end or an error.
fn read(source: &mut dyn RecordSource) -> (Chunk, io::Result<()>) {
    let mut builder = ChunkBuilder::new(ChunkSize { records: usize::MAX, bytes: usize::MAX });
    loop {
        match source.fill(&mut builder) {
            Ok(true) => {}
            Ok(false) => return (builder.take(0, 0, 0, 0), Ok(())),
            Err(error) => return (builder.take(0, 0, 0, 0), Err(error)),
        }
    }
}

fn rows_behind_header(file: &[u8], delimiter: u8) -> u64 {
    let (mut rows, mut row) = (CsvRows::new(file, delimiter), ByteRecord::new());
    let mut found = 0_u64;
    while rows.next(&mut row).expect("a file in memory can be read").is_some() {
        found += 1;
    }
    found.saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds::each("map", map);
        seeds::each("json", json);
        seeds::each("input", input);
        seeds::each("decimal", decimal);
        seeds::each("local_time", local_time);
        seeds::each("mapped", mapped);
        seeds::each("envelope", envelope);
        seeds::each("parquet", parquet);
        seeds::each("listing", listing);
        seeds::each("number", number);
    }
}
