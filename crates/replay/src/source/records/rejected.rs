//! A file of rejected records, as a run leaves it: each line stands for the record in it, as that is there now.

use std::borrow::Cow;
use std::io::{self, BufRead};

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::lines::{Line, LineReader};
use crate::chunk::{ChunkBuilder, Refusal};
use crate::source::{RECORD_BYTES_MAX, RecordSource, too_long};

/// A record may stand there as a text, with six bytes for each of its own, and has the reason in front of it.
const LINE_BYTES_MAX: usize = 8 * RECORD_BYTES_MAX;

/// Whether a file begins as such a file does: with a line that is one, however it is written now, or where that is longer than what there
/// is to see, with the beginning of one.
pub(crate) fn is_rejected(head: &[u8]) -> bool {
    let line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
    if line.len() < head.len() {
        return serde_json::from_slice::<RejectsLine<'_>>(line).is_ok();
    }
    let text = String::from_utf8_lossy(line);
    let Some((_, behind_name)) = text.strip_prefix("{\"file\":\"").and_then(|text| text.split_once("\",\"line\":"))
    else {
        return false;
    };
    let Some(behind_line) = behind_number(behind_name).strip_prefix(",\"lines\":") else { return false };
    behind_number(behind_line).starts_with(",\"order_id\":")
}

fn behind_number(text: &str) -> &str {
    text.trim_start_matches(|c: char| c.is_ascii_digit())
}

/// The records in such a file.
pub(crate) struct RejectedRecords<R>(LineReader<R>);

/// What stands on a line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "a line is one by having all of them")]
struct RejectsLine<'a> {
    file: IgnoredAny,
    line: IgnoredAny,
    lines: IgnoredAny,
    order_id: IgnoredAny,
    code: IgnoredAny,
    detail: IgnoredAny,
    #[serde(borrow)]
    record: Option<&'a RawValue>,
}

impl<R: BufRead> RejectedRecords<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self(LineReader::new(reader, LINE_BYTES_MAX))
    }
}

impl<R: BufRead + Send> RecordSource for RejectedRecords<R> {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        let Some((place, line)) = self.0.next()? else { return Ok(false) };
        let Line::Text(line) = line else {
            builder.refuse(too_long(place));
            return Ok(true);
        };
        match record(line.trim_ascii()) {
            Ok(record) if record.len() > RECORD_BYTES_MAX => builder.refuse(too_long(place)),
            Ok(record) if record.is_empty() => {}
            Ok(record) => builder.push(&record, place),
            Err(detail) => {
                let detail = detail.to_owned();
                builder.refuse(Refusal { place, order_id: None, code: "malformed", detail, record: None });
            }
        }
        Ok(true)
    }
}

/// The record that a line stands for; a line that is not of a rejects file stands for itself.
///
/// # Errors
/// One sentence, where there is none.
fn record(line: &[u8]) -> Result<Cow<'_, [u8]>, &'static str> {
    let Ok(RejectsLine { record, .. }) = serde_json::from_slice(line) else { return Ok(line.into()) };
    let record = record.ok_or("the record is not repeated in this file: send it from where it came from")?.get();
    if !record.starts_with('"') {
        return Ok(record.as_bytes().into());
    }
    // What was not JSON.
    let text: String = serde_json::from_str(record).map_err(|_| "the record is no text")?;
    if text.contains('\n') { Err("the record is a text of several lines") } else { Ok(text.into_bytes().into()) }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::chunk::{Chunk, ChunkSize, LineSpan};
    use crate::journal::rejects::{Reject, lines};

    fn read(text: &[u8]) -> Chunk {
        let mut builder = ChunkBuilder::new(ChunkSize { records: 1000, bytes: 1 << 30 });
        let mut source = RejectedRecords::new(text);
        while source.fill(&mut builder).unwrap() {}
        builder.take(0, 0, 0, 0)
    }

    #[test]
    fn each_line_stands_for_the_record_that_was_rejected() {
        let reject = |line, record: Option<&str>| Reject {
            place: LineSpan { line, lines: 3 },
            order_id: None,
            code: "invalid".to_owned(),
            detail: "a \"reason\"".to_owned(),
            record: record.map(|record| record.as_bytes().to_vec()),
        };
        let rejects = [reject(7, Some("{\"a\": 1e2}\r")), reject(9, Some("{torn")), reject(11, None)];
        let mut text = lines("orders \"of\" today.csv", &rejects);
        assert!(is_rejected(&text) && is_rejected(&text[..text.len() / 2]));
        let other = br#"{ "record": {"a": 1}, "detail": "", "code": "x", "order_id": "7", "lines": 1, "line": 2, "file": "f" }"#;
        assert!(is_rejected(&[other, &b"\n"[..]].concat()));
        text.write_all(b"\n{\"put\": \"between\"}\n").unwrap();
        let chunk = read(&text);
        assert_eq!(&chunk.body[..], b"{\"a\": 1e2}\n{torn\n{\"put\": \"between\"}\n");
        assert_eq!([0, 1, 2].map(|index| chunk.place(index).line), [1, 2, 5]);
        assert_eq!(chunk.refused.iter().map(|refusal| refusal.place.line).collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn orders_are_no_rejects() {
        for order in [
            "",
            "{}",
            "{\"file\":\"x\"}",
            "{\"file\":\"x\",\"line\":1,\"order_id\":\"7\"}",
            "{\"file\":\"x\",\"line\":",
        ] {
            assert!(!is_rejected(order.as_bytes()), "{order}");
        }
    }
}
