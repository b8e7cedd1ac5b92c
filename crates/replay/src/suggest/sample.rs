//! What a file's beginning shows: columns or paths, and what stands under them.

use std::collections::BTreeMap;

use csv::ByteRecord;
use serde_json::Value;

/// How many rows are looked at.
const ROWS_MAX: usize = 2000;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// A sample of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Sample {
    pub(super) shape: Shape,
    pub(super) columns: Vec<Column>,
    pub(super) rows: usize,
    /// Rows that are the header once more.
    pub(super) repeats_header: bool,
    /// Whether the first row looks as if it were no header.
    pub(super) has_no_header: bool,
}

/// How a file holds its orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    Table { delimiter: u8 },
    Json { orders: Option<String>, envelope: Option<&'static str>, items: String, is_lines: bool },
}

/// A column of a table, or a path.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) name: String,
    /// One for each row; of paths, for each place at which it was found.
    pub(super) values: Vec<String>,
}

impl Default for Shape {
    fn default() -> Self {
        Self::Table { delimiter: b',' }
    }
}

impl Column {
    /// What stands there, without what is empty.
    pub(super) fn filled(&self) -> impl Iterator<Item = &str> + Clone {
        self.values.iter().map(|value| value.trim()).filter(|value| !value.is_empty())
    }

    pub(super) fn has_blanks(&self) -> bool {
        self.filled().count() < self.values.len()
    }
}

impl Sample {
    pub(super) fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.name == name)
    }

    /// Of a table that begins so.
    pub(super) fn of_table(head: &[u8], is_whole: bool) -> Self {
        // The last line may be torn.
        let end = if is_whole { head.len() } else { memchr::memrchr(b'\n', head).map_or(head.len(), |at| at + 1) };
        let head = &head[..end];
        let delimiter = delimiter_of(head);
        let mut rows = rows(head, delimiter, ROWS_MAX);
        if rows.is_empty() {
            return Self::default();
        }
        let header = rows.remove(0);
        let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or_default()).into_owned();
        let column = |(at, name): (usize, &[u8])| Column {
            name: text(Some(name)),
            values: rows.iter().filter(|row| **row != header).map(|row| text(row.get(at))).collect(),
        };
        let has_no_header = header.iter().any(|name| name.is_empty() || name.iter().all(u8::is_ascii_digit));
        Self {
            shape: Shape::Table { delimiter },
            columns: header.iter().enumerate().map(column).collect(),
            rows: rows.len(),
            repeats_header: rows.contains(&header),
            has_no_header,
        }
    }

    /// Of orders in JSON, and where they were found.
    pub(super) fn of_orders(orders: &[Value], shape: Shape) -> Self {
        let Shape::Json { items, .. } = &shape else { return Self::default() };
        let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for order in orders.iter().take(ROWS_MAX) {
            flatten("$", order, 3, &mut found);
            for item in at(order, items).and_then(Value::as_array).into_iter().flatten() {
                flatten("@", item, 2, &mut found);
            }
        }
        let columns = found.into_iter().map(|(name, values)| Column { name, values }).collect();
        Self { shape, columns, rows: orders.len(), ..Self::default() }
    }
}

/// What stands under a path of keys that begins with `$.`.
pub(super) fn at<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    let keys = path.trim_start_matches('$').trim_end_matches("[*]").split('.').filter(|key| !key.is_empty());
    keys.into_iter().try_fold(value, |value, key| value.get(key))
}

fn flatten(path: &str, value: &Value, depth: usize, found: &mut BTreeMap<String, Vec<String>>) {
    match value {
        Value::Object(members) if depth > 0 => {
            for (key, value) in members.iter().filter(|(key, _)| !key.contains(['.', '[', '\''])) {
                flatten(&format!("{path}.{key}"), value, depth - 1, found);
            }
        }
        Value::String(text) => found.entry(path.to_owned()).or_default().push(text.clone()),
        Value::Null => found.entry(path.to_owned()).or_default().push(String::new()),
        Value::Number(number) => found.entry(path.to_owned()).or_default().push(number.to_string()),
        _ => {}
    }
}

/// The sign by which most rows have the same fields, and the most of them.
fn delimiter_of(head: &[u8]) -> u8 {
    let score = |delimiter: u8| {
        let rows = rows(head, delimiter, 50);
        let width = rows.first().map_or(0, ByteRecord::len);
        let same = rows.iter().filter(|row| row.len() == width).count();
        if width < 2 { 0 } else { same * 1000 / rows.len().max(1) * 100 + width.min(99) }
    };
    DELIMITERS.into_iter().rev().max_by_key(|delimiter| score(*delimiter)).unwrap_or(b',')
}

fn rows(head: &[u8], delimiter: u8, count: usize) -> Vec<ByteRecord> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(head);
    reader.byte_records().take(count + 1).filter_map(Result::ok).collect()
}
