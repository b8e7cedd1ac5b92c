//! NDJSON: a record a line. Blank lines count as lines and are no records.

use memchr::memchr;

use super::record::{Begun, Record};

/// Splits a body into lines.
#[derive(Default)]
pub(crate) struct LineSplitter {
    begun: Begun,
    lines: u64,
}

impl LineSplitter {
    pub(super) fn split(&mut self, mut chunk: &[u8], take: &mut dyn FnMut(Record<'_>)) {
        while let Some(end) = memchr(b'\n', chunk) {
            self.end_line(&chunk[..end], take);
            chunk = &chunk[end + 1..];
        }
        self.begun.push(chunk);
    }

    pub(super) fn finish(&mut self, take: &mut dyn FnMut(Record<'_>)) {
        if !self.begun.is_empty() {
            self.end_line(&[], take);
        }
    }

    fn end_line(&mut self, end: &[u8], take: &mut dyn FnMut(Record<'_>)) {
        self.lines += 1;
        let line = self.lines;
        self.begun.finish(end, |text| {
            if text.is_none_or(|text| !text.trim_ascii().is_empty()) {
                take(Record { line, text });
            }
        });
    }
}
