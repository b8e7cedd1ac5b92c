//! Items that are sorted and may be more than memory holds: sorted runs of them wait in a temporary file.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;

/// Bytes of an item in the file.
pub(super) const ITEM_BYTES: usize = 40;
/// So many items of a run are read at once.
const READ_ITEMS: usize = 200;

/// What has a form in the file.
pub(super) trait Item: Ord + Copy {
    fn to_bytes(self) -> [u8; ITEM_BYTES];
    fn from_bytes(bytes: &[u8; ITEM_BYTES]) -> Self;
}

/// Sorted runs of items. Its file has no name: it goes with this process.
#[derive(Default)]
pub(super) struct Runs {
    file: Option<File>,
    /// Where each run ends, counted in items; the next one begins there.
    ends: Vec<u64>,
}

/// What is left of a run.
struct Rest<T> {
    /// Read and not given out, the next one last.
    read: Vec<T>,
    next: u64,
    end: u64,
}

impl Runs {
    /// Sorts the items and keeps them as a run of their own.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn push<T: Item>(&mut self, mut items: Vec<T>) -> io::Result<()> {
        items.sort_unstable();
        let file = match self.file.take() {
            Some(file) => file,
            None => tempfile::tempfile()?,
        };
        let mut writer = BufWriter::new(&file);
        for item in &items {
            writer.write_all(&item.to_bytes())?;
        }
        writer.flush()?;
        drop(writer);
        self.ends.push(self.ends.last().unwrap_or(&0) + items.len() as u64);
        self.file = Some(file);
        Ok(())
    }

    /// Gives all items of all runs, and those that are in none, in their order.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(super) fn merge<T: Item>(&self, mut others: Vec<T>, mut each: impl FnMut(T)) -> io::Result<()> {
        others.sort_unstable_by(|one, other| other.cmp(one));
        let starts = std::iter::once(&0).chain(&self.ends);
        let runs = starts.zip(&self.ends).map(|(&next, &end)| Rest { read: Vec::new(), next, end });
        let mut rests: Vec<Rest<T>> = runs.chain([Rest { read: others, next: 0, end: 0 }]).collect();
        let mut first = BinaryHeap::new();
        for (run, rest) in rests.iter_mut().enumerate() {
            first.extend(rest.take(self.file.as_ref())?.map(|item| Reverse((item, run))));
        }
        while let Some(mut least) = first.peek_mut() {
            let Reverse((item, run)) = *least;
            each(item);
            match rests[run].take(self.file.as_ref())? {
                Some(item) => *least = Reverse((item, run)),
                None => drop(PeekMut::pop(least)),
            }
        }
        Ok(())
    }
}

impl<T: Item> Rest<T> {
    fn take(&mut self, file: Option<&File>) -> io::Result<Option<T>> {
        if let (true, Some(file)) = (self.read.is_empty() && self.next < self.end, file) {
            let count = (self.end - self.next).min(READ_ITEMS as u64);
            let mut bytes = vec![0; count as usize * ITEM_BYTES];
            file.read_exact_at(&mut bytes, self.next * ITEM_BYTES as u64)?;
            self.read.extend(bytes.as_chunks().0.iter().rev().map(T::from_bytes));
            self.next += count;
        }
        Ok(self.read.pop())
    }
}
