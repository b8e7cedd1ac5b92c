//! Lines of a bounded length.

use std::io::{self, BufRead, Read};

use crate::chunk::LineSpan;

/// Reads lines.
pub(super) struct LineReader<R> {
    reader: R,
    bytes_max: usize,
    line: Vec<u8>,
    /// How many lines were read.
    lines: u64,
}

/// A line.
pub(super) enum Line<'l> {
    Text(&'l [u8]),
    /// It is longer than lines may be, and passed over.
    TooLong,
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(reader: R, bytes_max: usize) -> Self {
        Self { reader, bytes_max, line: Vec::new(), lines: 0 }
    }

    /// Counts from behind the first `lines` lines.
    pub(super) fn begin_behind(&mut self, lines: u64) {
        self.lines = lines;
    }

    /// The next line, without what ends it, and where it stands; `None` at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<(LineSpan, Line<'_>)>> {
        self.line.clear();
        let read = self.reader.by_ref().take(self.bytes_max as u64 + 1).read_until(b'\n', &mut self.line)?;
        if read == 0 {
            return Ok(None);
        }
        self.lines += 1;
        let place = LineSpan { line: self.lines, lines: 1 };
        if read > self.bytes_max && self.line.last() != Some(&b'\n') {
            self.reader.skip_until(b'\n')?;
            return Ok(Some((place, Line::TooLong)));
        }
        Ok(Some((place, Line::Text(self.line.trim_ascii_end()))))
    }
}
