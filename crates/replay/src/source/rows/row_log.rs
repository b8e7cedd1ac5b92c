//! Rows that are kept until they are wanted: the newest in memory, the others in temporary files.
//!
//! Rows are written one behind the other. Each knows the row before it of the same order, so an order is a chain that is
//! known by its last row. A file is deleted when no row in it is wanted any more.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use csv::ByteRecord;

/// A row's place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RowAt(u64);

/// What is kept of each row before its fields: the row before it of its order, its line, and the bytes of its fields.
const HEAD_BYTES: usize = 8 + 8 + 4;
const NO_ROW: u64 = u64::MAX;

/// Rows, each of which is taken once.
pub(super) struct RowLog {
    /// How many bytes stay in memory.
    memory_bytes: usize,
    /// What is not in a file yet, and where it begins.
    tail: Vec<u8>,
    tail_start: u64,
    /// How many rows of the tail are wanted.
    tail_rows: u64,
    segments: VecDeque<Segment>,
}

/// A part of the log in a file.
struct Segment {
    start: u64,
    end: u64,
    /// How many rows of it are wanted.
    rows: u64,
    /// Nothing, once no row is wanted.
    file: Option<File>,
}

/// A row that was kept.
pub(super) struct Kept {
    pub(super) line: u64,
    pub(super) fields: ByteRecord,
    /// The row before it of the same order.
    pub(super) before: Option<RowAt>,
}

impl RowLog {
    pub(super) fn new(memory_bytes: usize) -> Self {
        Self { memory_bytes, tail: Vec::new(), tail_start: 0, tail_rows: 0, segments: VecDeque::new() }
    }

    /// Keeps a row.
    ///
    /// # Errors
    /// When no temporary file can be written.
    pub(super) fn push(&mut self, line: u64, fields: &ByteRecord, before: Option<RowAt>) -> io::Result<RowAt> {
        if self.tail.len() >= self.memory_bytes {
            self.write_tail()?;
        }
        let at = RowAt(self.tail_start + self.tail.len() as u64);
        let bytes = fields.as_slice();
        let length = 4 * (fields.len() + 1) + bytes.len();
        self.tail.extend_from_slice(&before.map_or(NO_ROW, |row| row.0).to_le_bytes());
        self.tail.extend_from_slice(&line.to_le_bytes());
        self.tail.extend_from_slice(&(length as u32).to_le_bytes());
        self.tail.extend_from_slice(&(fields.len() as u32).to_le_bytes());
        for field in fields {
            self.tail.extend_from_slice(&(field.len() as u32).to_le_bytes());
        }
        self.tail.extend_from_slice(bytes);
        self.tail_rows += 1;
        Ok(at)
    }

    /// Takes a row out.
    ///
    /// # Errors
    /// When its temporary file cannot be read.
    pub(super) fn take(&mut self, RowAt(at): RowAt) -> io::Result<Kept> {
        if at >= self.tail_start {
            self.tail_rows -= 1;
            return kept(&self.tail[(at - self.tail_start) as usize..]);
        }
        let found = self.segments.partition_point(|segment| segment.end <= at);
        let segment = &mut self.segments[found];
        let file = segment.file.as_ref().ok_or_else(|| io::Error::other("a row was taken twice"))?;
        let place = at - segment.start;
        let mut bytes = vec![0; HEAD_BYTES];
        file.read_exact_at(&mut bytes, place)?;
        let length = number(&bytes[16..20]) as usize;
        bytes.resize(HEAD_BYTES + length, 0);
        file.read_exact_at(&mut bytes[HEAD_BYTES..], place + HEAD_BYTES as u64)?;
        segment.rows -= 1;
        if segment.rows == 0 {
            segment.file = None;
        }
        while self.segments.front().is_some_and(|segment| segment.rows == 0) {
            self.segments.pop_front();
        }
        kept(&bytes)
    }

    /// Moves what is in memory into a file, which has no name: it goes with this process.
    fn write_tail(&mut self) -> io::Result<()> {
        let end = self.tail_start + self.tail.len() as u64;
        if self.tail_rows > 0 {
            let mut file = tempfile::tempfile()?;
            file.write_all(&self.tail)?;
            self.segments.push_back(Segment { start: self.tail_start, end, rows: self.tail_rows, file: Some(file) });
        }
        self.tail.clear();
        (self.tail_start, self.tail_rows) = (end, 0);
        Ok(())
    }
}

fn kept(bytes: &[u8]) -> io::Result<Kept> {
    let long = |at: usize| bytes[at..at + 8].try_into().map(u64::from_le_bytes).map_err(io::Error::other);
    let (before, line) = (long(0)?, long(8)?);
    let count = number(&bytes[HEAD_BYTES..]) as usize;
    let lengths = &bytes[HEAD_BYTES + 4..];
    let mut place = HEAD_BYTES + 4 * (count + 1);
    let mut fields = ByteRecord::new();
    for length in lengths.chunks_exact(4).take(count).map(|length| number(length) as usize) {
        fields.push_field(&bytes[place..place + length]);
        place += length;
    }
    Ok(Kept { line, fields, before: (before != NO_ROW).then_some(RowAt(before)) })
}

/// The number in the first four bytes.
fn number(bytes: &[u8]) -> u32 {
    bytes.iter().take(4).rev().fold(0, |number, byte| number << 8 | u32::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_chain_comes_out_as_it_went_in_however_little_stays_in_memory(
            rows in proptest::collection::vec((0_usize..5, proptest::collection::vec("[a-z]{0,6}", 0..5)), 0..200),
            memory_bytes in 1_usize..2000,
        ) {
            let mut log = RowLog::new(memory_bytes);
            let mut last: [Option<RowAt>; 5] = [None; 5];
            for (line, (chain, fields)) in rows.iter().enumerate() {
                last[*chain] = Some(log.push(line as u64, &ByteRecord::from(fields.clone()), last[*chain]).unwrap());
            }
            for (chain, mut at) in last.into_iter().enumerate() {
                let mut expected = rows.iter().enumerate().rev().filter(|(_, row)| row.0 == chain);
                while let Some(row) = at {
                    let kept = log.take(row).unwrap();
                    let (line, (_, fields)) = expected.next().unwrap();
                    prop_assert_eq!((kept.line, kept.fields), (line as u64, ByteRecord::from(fields.clone())));
                    at = kept.before;
                }
                prop_assert!(expected.next().is_none());
            }
            prop_assert!(log.segments.is_empty(), "files that nobody wants are gone");
        }
    }
}
