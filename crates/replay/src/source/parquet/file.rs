//! A Parquet file, whose parts are read from where they lie.

use std::io::{self, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use forebay_parquet::ParquetError;
use forebay_parquet::table::{ChunkReader, Length};

use crate::source::input::byte_source::{ByteSource, ReadFrom};
use crate::source::input::object::Object;

const MAGIC: [u8; 4] = *b"PAR1";

/// The bytes of an object that are asked for where it is not said how much is needed.
const ASKED_BYTES: usize = 128 * 1024;

/// A file, and how many of its bytes were read.
pub(super) struct PlacedFile {
    place: ByteSource,
    pub(super) bytes_read: Arc<AtomicU64>,
}

impl PlacedFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { place: ByteSource::open(path)?, bytes_read: Arc::default() })
    }

    pub(super) fn of_object(object: &Object) -> Self {
        Self { place: ByteSource::Object(object.clone()), bytes_read: Arc::default() }
    }

    /// Whether it begins as every Parquet file does.
    pub(super) fn has_magic(&self) -> io::Result<bool> {
        Ok(self.place.read_at(0, MAGIC.len())? == MAGIC[..])
    }
}

impl Length for PlacedFile {
    fn len(&self) -> u64 {
        self.place.bytes().unwrap_or(0)
    }
}

impl ChunkReader for PlacedFile {
    type T = BufReader<ReadFrom>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let from = self.place.read_from(start);
        Ok(match &self.place {
            ByteSource::File(_) => BufReader::new(from),
            ByteSource::Object(_) => BufReader::with_capacity(ASKED_BYTES, from),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.place.read_at(start, length)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file ends too early".to_owned()));
        }
        self.bytes_read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}
