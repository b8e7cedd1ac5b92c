//! Records that were seen, sorted, and perhaps more than memory holds: sorted runs of them wait in a temporary file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// Bytes of a record in the file.
const BYTES: usize = 40;
/// How many records of a run are read at once.
const READ: usize = 200;

/// A record that was seen. Those that are the same stand side by side in order, as they stand in the files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Seen {
    /// A hash of what makes it the same.
    pub(super) key: u128,
    pub(super) file: u64,
    pub(super) line: u64,
    /// A hash of its content.
    pub(super) content: u64,
}

/// Sorted runs of records. Its file has no name: it goes with this process.
#[derive(Default)]
pub(super) struct Runs {
    file: Option<File>,
    /// Where each run ends, counted in records; the next one begins there.
    ends: Vec<u64>,
}

/// What is left of a run.
struct Rest {
    /// Read and not given out, the next one last.
    read: Vec<Seen>,
    next: u64,
    end: u64,
}

impl Seen {
    fn to_bytes(self) -> [u8; BYTES] {
        let mut bytes = [0; BYTES];
        bytes[..16].copy_from_slice(&self.key.to_le_bytes());
        for (place, number) in bytes[16..].as_chunks_mut().0.iter_mut().zip([self.file, self.line, self.content]) {
            *place = number.to_le_bytes();
        }
        bytes
    }

    fn from_bytes(bytes: &[u8; BYTES]) -> Self {
        let [low, high, file, line, content] = std::array::from_fn(|at| u64::from_le_bytes(bytes.as_chunks().0[at]));
        Self { key: u128::from(high) << 64 | u128::from(low), file, line, content }
    }
}

impl Runs {
    /// Sorts records and keeps them as a run of their own.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn push(&mut self, mut records: Vec<Seen>) -> io::Result<()> {
        records.sort_unstable();
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        let mut writer = BufWriter::new(&file);
        for record in &records {
            writer.write_all(&record.to_bytes())?;
        }
        writer.flush()?;
        drop(writer);
        self.ends.push(self.ends.last().unwrap_or(&0) + records.len() as u64);
        self.file = Some(file);
        Ok(())
    }

    /// Gives all records of all runs, and those that are in none, in their order.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(super) fn merge(&self, mut others: Vec<Seen>, mut each: impl FnMut(Seen)) -> io::Result<()> {
        others.sort_unstable_by(|one, other| other.cmp(one));
        let starts = std::iter::once(&0).chain(&self.ends);
        let runs = starts.zip(&self.ends).map(|(&next, &end)| Rest { read: Vec::new(), next, end });
        let mut rests: Vec<Rest> = runs.chain([Rest { read: others, next: 0, end: 0 }]).collect();
        let mut first = BinaryHeap::new();
        for (run, rest) in rests.iter_mut().enumerate() {
            first.extend(rest.take(self.file.as_ref())?.map(|record| Reverse((record, run))));
        }
        while let Some(mut least) = first.peek_mut() {
            let Reverse((record, run)) = *least;
            each(record);
            match rests[run].take(self.file.as_ref())? {
                Some(record) => *least = Reverse((record, run)),
                None => drop(PeekMut::pop(least)),
            }
        }
        Ok(())
    }
}

impl Rest {
    fn take(&mut self, file: Option<&File>) -> io::Result<Option<Seen>> {
        if let (true, Some(file)) = (self.read.is_empty() && self.next < self.end, file) {
            let count = (self.end - self.next).min(READ as u64);
            let mut bytes = vec![0; count as usize * BYTES];
            file.read_exact_at(&mut bytes, self.next * BYTES as u64)?;
            self.read.extend(bytes.as_chunks().0.iter().rev().map(Seen::from_bytes));
            self.next += count;
        }
        Ok(self.read.pop())
    }
}
