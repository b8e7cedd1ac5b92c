//! A file or an object that is read from any place.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use forebay_parquet::ParquetError;
use forebay_parquet::table::{ChunkReader, Length};

use crate::source::input::object::Object;

const MAGIC: [u8; 4] = *b"PAR1";

/// So much of an object is asked for where it is not said how much is needed.
const ASKED_BYTES: usize = 128 * 1024;

/// Where the bytes lie.
#[derive(Clone)]
enum Place {
    File(Arc<File>),
    Object(Object),
}

/// A file, and how many of its bytes were read.
pub(super) struct PlacedFile {
    place: Place,
    pub(super) bytes_read: Arc<AtomicU64>,
}

/// Reads on from a place.
pub(super) struct From {
    place: Place,
    at: u64,
}

impl PlacedFile {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { place: Place::File(Arc::new(File::open(path)?)), bytes_read: Arc::default() })
    }

    pub(super) fn of_object(object: &Object) -> Self {
        Self { place: Place::Object(object.clone()), bytes_read: Arc::default() }
    }

    /// Whether it begins as every Parquet file does.
    pub(super) fn has_magic(&self) -> io::Result<bool> {
        Ok(self.bytes(0, MAGIC.len())? == MAGIC[..])
    }

    /// So many bytes from there on, or those up to the end.
    fn bytes(&self, at: u64, length: usize) -> io::Result<Bytes> {
        match &self.place {
            Place::File(_) => {
                // A damaged file may ask for any length; it gets no more memory than there are bytes.
                let mut bytes = Vec::new();
                From { place: self.place.clone(), at }.take(length as u64).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Place::Object(object) => object.read_at(at, length),
        }
    }
}

impl Length for PlacedFile {
    fn len(&self) -> u64 {
        match &self.place {
            Place::File(file) => file.metadata().map_or(0, |meta| meta.len()),
            Place::Object(object) => object.bytes(),
        }
    }
}

impl ChunkReader for PlacedFile {
    type T = BufReader<From>;

    fn get_read(&self, start: u64) -> Result<Self::T, ParquetError> {
        let from = From { place: self.place.clone(), at: start };
        Ok(match &self.place {
            Place::File(_) => BufReader::new(from),
            Place::Object(_) => BufReader::with_capacity(ASKED_BYTES, from),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes, ParquetError> {
        let bytes = self.bytes(start, length)?;
        if bytes.len() < length {
            return Err(ParquetError::EOF("the file ends too early".to_owned()));
        }
        self.bytes_read.fetch_add(length as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

impl Read for From {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.place {
            Place::File(file) => file.read_at(buffer, self.at)?,
            Place::Object(object) => {
                let bytes = object.read_at(self.at, buffer.len())?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                bytes.len()
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}
