//! A part of a file that grows: from where it was read to, up to where it is read now.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

/// A place between two records of a file, and what stands before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) bytes: u64,
    pub(crate) lines: u64,
    pub(crate) records: u64,
}

/// A part of a file.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Window {
    pub(crate) from: Mark,
    /// The byte behind it; a line ends there.
    pub(crate) to: u64,
    /// Whether the order whose lines end there is whole. Otherwise it is left for the next part.
    pub(crate) takes_last: bool,
    /// The bytes and lines of the header, which every part is read with.
    pub(crate) header: (u64, u64),
    /// Where the part that is left begins, once it was read; else [`Window::to`].
    #[serde(skip)]
    held: Arc<AtomicU64>,
}

impl PartialEq for Window {
    fn eq(&self, other: &Self) -> bool {
        (self.from, self.to, self.takes_last) == (other.from, other.to, other.takes_last)
    }
}

impl Eq for Window {}

impl Window {
    pub(crate) fn new(from: Mark, to: u64, takes_last: bool, header: (u64, u64)) -> Self {
        Self { from, to, takes_last, header, held: Arc::default() }
    }

    /// The part, behind the header where it does not begin with it.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub(crate) fn open(&self, file: &File) -> io::Result<Box<dyn Read + Send>> {
        let mut part = file.try_clone()?;
        if self.from.bytes == 0 {
            part.rewind()?;
            return Ok(Box::new(part.take(self.to)));
        }
        let mut header = Vec::new();
        part.rewind()?;
        part.by_ref().take(self.header.0).read_to_end(&mut header)?;
        part.seek(SeekFrom::Start(self.from.bytes))?;
        Ok(Box::new(io::Cursor::new(header).chain(part.take(self.to - self.from.bytes))))
    }

    /// How many lines of the file stand before the first one of what is read, the header not counted.
    pub(crate) fn lines_before(&self) -> u64 {
        if self.from.bytes == 0 { 0 } else { self.from.lines - self.header.1 }
    }

    /// Takes note of what is left: it begins at that byte of what was read.
    pub(crate) fn hold(&self, at: Option<u64>) {
        let before = if self.from.bytes == 0 { 0 } else { self.from.bytes - self.header.0 };
        self.held.store(at.map_or(self.to, |at| at + before), Ordering::Relaxed);
    }

    /// Where the next part begins, and behind how many records, where this one was read to its end.
    ///
    /// # Errors
    /// When its lines cannot be counted.
    pub(crate) fn end(&self, file: &File, records: u64) -> io::Result<Mark> {
        let bytes = match self.held.load(Ordering::Relaxed) {
            0 => self.to,
            held => held,
        };
        let mut part = file.try_clone()?;
        part.seek(SeekFrom::Start(self.from.bytes))?;
        let lines = self.from.lines + count_lines(part.take(bytes - self.from.bytes))?;
        Ok(Mark { bytes, lines, records })
    }
}

/// How many lines end there.
pub(crate) fn count_lines(mut part: impl Read) -> io::Result<u64> {
    let (mut lines, mut buffer) = (0, vec![0; 256 * 1024]);
    loop {
        match part.read(&mut buffer)? {
            0 => return Ok(lines),
            read => lines += memchr::memchr_iter(b'\n', &buffer[..read]).count() as u64,
        }
    }
}

/// Where the last whole line of the first `bytes` bytes ends.
///
/// # Errors
/// When the file cannot be read.
pub(crate) fn last_line_end(file: &File, bytes: u64) -> io::Result<u64> {
    use std::os::unix::fs::FileExt;
    let mut end = bytes;
    let mut buffer = vec![0; 64 * 1024];
    while end > 0 {
        let start = end.saturating_sub(buffer.len() as u64);
        let piece = &mut buffer[..(end - start) as usize];
        file.read_exact_at(piece, start)?;
        if let Some(at) = memchr::memrchr(b'\n', piece) {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}
