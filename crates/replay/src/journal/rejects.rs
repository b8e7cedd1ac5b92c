//! Rejected records, and the lines that tell them: NDJSON with the place, the reason and the record itself.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::chunk::LineSpan;

/// How each line begins.
pub(crate) const LINE_HEAD: &[u8] = b"{\"file\":";

/// A record that was rejected, by ingest or before it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Reject {
    pub(crate) place: LineSpan,
    pub(crate) order_id: Option<String>,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) record: Option<Vec<u8>>,
}

/// What stands on a line.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    line: u64,
    lines: u32,
    order_id: Option<&'a str>,
    code: &'a str,
    detail: &'a str,
    record: Option<Record<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Record<'a> {
    Json(&'a RawValue),
    /// What is not JSON is told as a text.
    Text(String),
}

/// The lines that tell records of an input.
pub(crate) fn lines(input: &str, rejects: &[Reject]) -> Vec<u8> {
    let mut lines = Vec::new();
    for reject in rejects {
        serde_json::to_writer(&mut lines, &Line::of(input, reject))
            .expect("a line is JSON, and a Vec takes everything");
        lines.push(b'\n');
    }
    lines
}

impl<'a> Line<'a> {
    fn of(file: &'a str, reject: &'a Reject) -> Self {
        let Reject { place, order_id, code, detail, record } = reject;
        let record = record.as_deref().map(Record::of);
        Self { file, line: place.line, lines: place.lines, order_id: order_id.as_deref(), code, detail, record }
    }
}

impl<'a> Record<'a> {
    fn of(record: &'a [u8]) -> Self {
        serde_json::from_slice(record)
            .map_or_else(|_| Self::Text(String::from_utf8_lossy(record).trim_end().to_owned()), Self::Json)
    }
}
