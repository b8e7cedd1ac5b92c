//! A file that is read from any place.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use forebay_parquet::ParquetError;
use forebay_parquet::table::{ChunkReader, Length};

const MAGIC: [u8; 4] = *b"PAR1";

/// A file, and how many of its bytes were read.
pub(super) struct PlacedFile {
    file: Arc<File>,
    pub(super) bytes_read: Arc<AtomicU64>,
}

/// Reads on from a place.
pub(super) struct From {
    file: Arc<File>,
    place: u64,
}

impl PlacedFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: Arc::new(File::open(path)?), bytes_read: Arc::default() })
    }

    /// Whether it begins as every Parquet file does.
    pub(super) fn has_magic(&self) -> io::Result<bool> {
        let mut head = Vec::new();
        From { file: Arc::clone(&self.file), place: 0 }.take(4).read_to_end(&mut head)?;
        Ok(head == MAGIC)
    }
}

impl Length for PlacedFile {
    fn len(&self) -> u64 {
        self.file.metadata().map_or(0, |meta| meta.len())
    }
}

impl ChunkReader for PlacedFile {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        Ok(BufReader::new(From { file: Arc::clone(&self.file), place: start }))
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        // A damaged file may ask for any length; it gets no more memory than there are bytes.
        let mut bytes = Vec::new();
        From { file: Arc::clone(&self.file), place: start }.take(length as u64).read_to_end(&mut bytes)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file ends too early".to_owned()));
        }
        self.bytes_read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(bytes.into())
    }
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.place)?;
        self.place += read as u64;
        Ok(read)
    }
}
