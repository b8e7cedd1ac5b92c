//! A piece of a file: whole records, as one request sends them.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Where a record stands in its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LineSpan {
    /// The line, from 1 on, that it begins on.
    pub line: u64,
    /// How many lines make it: 1, except for the lines of items that make one order of a CSV file.
    pub lines: u32,
}

/// A record that is not sent, because the file itself is wrong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Where it stands.
    pub(crate) place: LineSpan,
    /// Its order id, where one can be read.
    pub(crate) order_id: Option<String>,
    /// The kind of fault, as ingest would name it.
    pub(crate) code: &'static str,
    /// What is wrong.
    pub(crate) detail: String,
    /// What stands there, as JSON, where it is not too long to repeat.
    pub(crate) record: Option<Vec<u8>>,
}

impl Refusal {
    /// How many bytes it takes in memory.
    fn bytes(&self) -> usize {
        let texts = [self.order_id.as_deref(), Some(&self.detail)].into_iter().flatten().map(str::len).sum::<usize>();
        size_of::<Self>() + texts + self.record.as_ref().map_or(0, Vec::len)
    }
}

/// Where the lines of a chunk's body stand in their file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum LineSpans {
    /// One behind the other, from this line on.
    Consecutive(u64),
    Each(Vec<LineSpan>),
}

/// Some records of one file, that follow each other.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// How many chunks were made before it, over all files.
    pub(crate) number: u64,
    /// Which file, counted from 0.
    pub(crate) file: usize,
    /// How many records of its file stand before it.
    pub(crate) start: u64,
    /// How many lines the body has.
    pub(crate) lines: usize,
    /// The records as NDJSON, each with a line feed behind it.
    pub(crate) body: Bytes,
    /// Records that are not sent.
    pub(crate) refused: Vec<Refusal>,
    /// How many lines are no part of any record.
    pub(crate) passed_over: u64,
    /// The key of the row that it ends with, where rows have one.
    pub(crate) key: Option<String>,
    /// How many bytes of the file were read for it.
    pub(crate) input_bytes: u64,
    places: LineSpans,
}

impl Chunk {
    /// How many records it stands for, sent or not.
    pub(crate) fn records(&self) -> u64 {
        (self.lines + self.refused.len()) as u64
    }

    /// Where line `index` of the body, counted from 0, stands in the file.
    pub(crate) fn place(&self, index: usize) -> LineSpan {
        match &self.places {
            LineSpans::Consecutive(first) => LineSpan { line: first + index as u64, lines: 1 },
            LineSpans::Each(places) => places[index],
        }
    }

    /// How many lines of the file the first `lines` lines of the body are.
    pub(crate) fn file_lines(&self, lines: usize) -> u64 {
        match &self.places {
            LineSpans::Consecutive(_) => lines as u64,
            LineSpans::Each(places) => places[..lines].iter().map(|place| u64::from(place.lines)).sum(),
        }
    }
}

/// How large chunks become.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ChunkSize {
    /// A chunk with this number of records is full; not 0.
    pub(crate) records: usize,
    /// A chunk with this number of bytes, of what is sent and what is not, is full; its last record may go beyond.
    pub(crate) bytes: usize,
}

/// A chunk that is being filled.
#[derive(Debug)]
pub(crate) struct ChunkBuilder {
    size: ChunkSize,
    lines: usize,
    body: Vec<u8>,
    places: LineSpans,
    refused: Vec<Refusal>,
    refused_bytes: usize,
    passed_over: u64,
    key: Option<String>,
    closed: bool,
}

impl ChunkBuilder {
    pub(crate) fn new(size: ChunkSize) -> Self {
        Self {
            size,
            lines: 0,
            body: Vec::new(),
            places: LineSpans::Each(Vec::new()),
            refused: Vec::new(),
            refused_bytes: 0,
            passed_over: 0,
            key: None,
            closed: false,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records() == 0
    }

    pub(crate) fn is_full(&self) -> bool {
        self.closed || self.records() >= self.size.records || self.bytes_left() == 0
    }

    /// How many more records fit.
    pub(crate) fn records_left(&self) -> usize {
        self.size.records.saturating_sub(self.records())
    }

    /// How many more bytes fit.
    pub(crate) fn bytes_left(&self) -> usize {
        self.size.bytes.saturating_sub(self.body.len() + self.refused_bytes)
    }

    /// Takes a record, which must have no line feed.
    pub(crate) fn push(&mut self, record: &[u8], place: LineSpan) {
        self.body.extend_from_slice(record);
        self.body.push(b'\n');
        self.lines += 1;
        self.each().push(place);
    }

    /// Takes lines that follow each other in the file, `count` line feeds in all pieces together, the last of them at
    /// the end. A builder takes its records either this way or by [`ChunkBuilder::push`].
    pub(crate) fn extend(&mut self, pieces: [&[u8]; 2], count: usize, first_line: u64) {
        if self.lines == 0 {
            self.places = LineSpans::Consecutive(first_line);
            self.body.reserve(self.size.bytes.min(pieces[1].len() * 16));
        }
        self.body.extend_from_slice(pieces[0]);
        self.body.extend_from_slice(pieces[1]);
        self.lines += count;
    }

    /// Takes a record that will not be sent.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.refused_bytes += refusal.bytes();
        self.refused.push(refusal);
    }

    /// Counts lines that are no part of any record.
    pub(crate) fn pass_over(&mut self, lines: u64) {
        self.passed_over += lines;
    }

    /// Notes the key of the row that the last record ends with.
    pub(crate) fn end_at(&mut self, key: Option<String>) {
        self.key = key;
    }

    /// Counts as full from now on.
    pub(crate) fn close(&mut self) {
        self.closed = true;
    }

    /// Makes the chunk, and leaves an empty builder.
    pub(crate) fn take(&mut self, number: u64, file: usize, start: u64, input_bytes: u64) -> Chunk {
        let full = std::mem::replace(self, Self::new(self.size));
        let Self { lines, body, places, refused, passed_over, key, .. } = full;
        Chunk { number, file, start, lines, body: body.into(), refused, passed_over, key, input_bytes, places }
    }

    pub(crate) fn records(&self) -> usize {
        self.lines + self.refused.len()
    }

    fn each(&mut self) -> &mut Vec<LineSpan> {
        if let LineSpans::Consecutive(first) = self.places {
            let places = (0..self.lines as u64 - 1).map(|index| LineSpan { line: first + index, lines: 1 });
            self.places = LineSpans::Each(places.collect());
        }
        match &mut self.places {
            LineSpans::Each(places) => places,
            LineSpans::Consecutive(_) => unreachable!("just changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_fills_a_chunk_as_what_is_sent_does() {
        let filled = |record: Option<Vec<u8>>| {
            let mut builder = ChunkBuilder::new(ChunkSize { records: usize::MAX, bytes: 1 << 20 });
            for line in 1.. {
                let place = LineSpan { line, lines: 1 };
                match &record {
                    None => builder.push(&[b'x'; 1023], place),
                    Some(_) => builder.refuse(Refusal {
                        place,
                        order_id: None,
                        code: "invalid",
                        detail: "it is wrong".to_owned(),
                        record: record.clone(),
                    }),
                }
                if builder.is_full() {
                    return line;
                }
            }
            0
        };
        assert_eq!(filled(None), 1024);
        assert!((800..1024).contains(&filled(Some(vec![b'x'; 1023]))));
        assert!(filled(Some(Vec::new())) < 10_000);
    }
}
