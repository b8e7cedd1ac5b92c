//! NDJSON: a record on each line. Lines are passed on as they are; nobody looks into them.

use std::io::{self, BufRead};

use crate::chunk::{ChunkBuilder, LineSpan};
use crate::source::{RECORD_BYTES_MAX, RecordSource, too_long};

/// Lines of a file.
pub(crate) struct Ndjson<R> {
    reader: R,
    /// The beginning of a line whose end is not read yet.
    tail: Vec<u8>,
    /// How many lines were taken.
    lines: u64,
    /// Whether the rest of the current line is passed over.
    passing_over: bool,
}

impl<R: BufRead> Ndjson<R> {
    pub(crate) fn new(reader: R) -> Self {
        Self { reader, tail: Vec::new(), lines: 0, passing_over: false }
    }

    /// Passes over the rest of a line that is too long.
    fn pass_over(&mut self) -> io::Result<bool> {
        let buffer = self.reader.fill_buf()?;
        let (read, end) = match memchr::memchr(b'\n', buffer) {
            Some(at) => (at + 1, true),
            None => (buffer.len(), buffer.is_empty()),
        };
        self.passing_over = !end;
        self.reader.consume(read);
        Ok(read > 0)
    }

    fn refuse_tail(&mut self, builder: &mut ChunkBuilder) {
        self.lines += 1;
        builder.refuse(too_long(LineSpan { line: self.lines, lines: 1 }));
        // The lines of a chunk follow each other, so the next one goes into the next chunk.
        builder.close();
        self.tail.clear();
        self.passing_over = true;
    }

    fn take_last_line(&mut self, builder: &mut ChunkBuilder) {
        if !self.tail.is_empty() {
            builder.extend([&self.tail, b"\n"], 1, self.lines + 1);
            self.lines += 1;
            self.tail.clear();
        }
    }
}

impl<R: BufRead + Send> RecordSource for Ndjson<R> {
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool> {
        if self.passing_over {
            return self.pass_over();
        }
        let buffer = self.reader.fill_buf()?;
        if buffer.is_empty() {
            self.take_last_line(builder);
            return Ok(false);
        }
        let bytes_left = builder.bytes_left().saturating_sub(self.tail.len());
        let Some((count, end)) = whole_lines(buffer, builder.records_left(), bytes_left) else {
            let read = buffer.len();
            self.tail.extend_from_slice(buffer);
            self.reader.consume(read);
            if self.tail.len() > RECORD_BYTES_MAX {
                self.refuse_tail(builder);
            }
            return Ok(true);
        };
        builder.extend([&self.tail, &buffer[..end]], count, self.lines + 1);
        self.lines += count as u64;
        self.tail.clear();
        self.reader.consume(end);
        Ok(true)
    }

    fn begin_behind(&mut self, lines: u64) {
        self.lines = lines;
    }
}

/// How many whole lines to take from the buffer, at least one if there is one, and where they end.
fn whole_lines(buffer: &[u8], lines_max: usize, bytes_max: usize) -> Option<(usize, usize)> {
    let mut taken = None;
    for (index, at) in memchr::memchr_iter(b'\n', buffer).enumerate() {
        if taken.is_some() && (index == lines_max || at >= bytes_max) {
            break;
        }
        taken = Some((index + 1, at + 1));
    }
    taken
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;
    use crate::chunk::{Chunk, ChunkSize};

    fn chunks(text: &[u8], size: ChunkSize, buffer: usize) -> Vec<Chunk> {
        let mut source = Ndjson::new(BufReader::with_capacity(buffer, text));
        let (mut builder, mut chunks, mut start) = (ChunkBuilder::new(size), Vec::new(), 0);
        loop {
            let more = source.fill(&mut builder).unwrap();
            if builder.is_full() || (!more && !builder.is_empty()) {
                let chunk = builder.take(chunks.len() as u64, 0, start, 0);
                start += chunk.records();
                chunks.push(chunk);
            }
            if !more {
                return chunks;
            }
        }
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_chunk(
            lines in proptest::collection::vec("[a-z]{0,30}", 0..200),
            ends_with_line_feed: bool, records in 1_usize..50, bytes in 1_usize..500, buffer in 1_usize..300,
        ) {
            let mut text = lines.join("\n");
            if ends_with_line_feed {
                text.push('\n');
            }
            let chunks = chunks(text.as_bytes(), ChunkSize { records, bytes }, buffer);
            let sent: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.body.to_vec()).collect();
            let mut expected = text.clone();
            if !expected.is_empty() && !expected.ends_with('\n') {
                expected.push('\n');
            }
            prop_assert_eq!(String::from_utf8(sent).unwrap(), expected);
            let mut line = 1;
            for chunk in &chunks {
                prop_assert!(chunk.lines <= records && chunk.body.len() <= bytes + 31 + buffer);
                prop_assert_eq!(chunk.lines, memchr::memchr_iter(b'\n', &chunk.body).count());
                prop_assert_eq!(chunk.start + 1, line);
                prop_assert_eq!(chunk.place(0).line, line);
                line += chunk.lines as u64;
            }
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_refused_and_the_others_are_not() {
        let mut text = b"{}\n".to_vec();
        text.extend(std::iter::repeat_n(b'x', 3 * RECORD_BYTES_MAX));
        text.extend(b"\n[]\n");
        let chunks = chunks(&text, ChunkSize { records: 1000, bytes: 1 << 30 }, 4096);
        let bodies: Vec<&[u8]> = chunks.iter().map(|chunk| &*chunk.body).collect();
        assert_eq!(bodies, [&b"{}\n"[..], b"[]\n"]);
        assert_eq!(chunks[0].refused[0].place.line, 2);
        assert_eq!((chunks[1].place(0).line, chunks[1].start), (3, 2));
    }
}
