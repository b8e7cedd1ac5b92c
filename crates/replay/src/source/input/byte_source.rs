//! A file or an object that is read from any place.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;

use super::object::Object;

/// Where bytes lie.
#[derive(Clone)]
pub(crate) enum ByteSource {
    File(Arc<File>),
    Object(Object),
}

/// Reads on from there, asking for as much as there is room for.
pub(crate) struct ReadFrom {
    place: ByteSource,
    at: u64,
}

impl ByteSource {
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::File(Arc::new(File::open(path)?)))
    }

    pub(crate) fn bytes(&self) -> io::Result<u64> {
        match self {
            Self::File(file) => Ok(file.metadata()?.len()),
            Self::Object(object) => Ok(object.bytes()),
        }
    }

    /// `length` bytes from there on, or those up to the end.
    pub(crate) fn read_at(&self, at: u64, length: usize) -> io::Result<Bytes> {
        match self {
            Self::File(_) => {
                // A damaged file may ask for any length; it gets no more memory than there are bytes.
                let mut bytes = Vec::new();
                self.read_from(at).take(length as u64).read_to_end(&mut bytes)?;
                Ok(bytes.into())
            }
            Self::Object(object) => object.read_at(at, length),
        }
    }

    pub(crate) fn read_from(&self, at: u64) -> ReadFrom {
        ReadFrom { place: self.clone(), at }
    }

    /// All from there on: of an object piece by piece, each while the one before is read.
    pub(crate) fn stream(&self, at: u64) -> Box<dyn Read + Send> {
        match self {
            Self::File(_) => Box::new(self.read_from(at)),
            Self::Object(object) => Box::new(object.open_at(at)),
        }
    }
}

impl Read for ReadFrom {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = match &self.place {
            ByteSource::File(file) => file.read_at(buffer, self.at)?,
            ByteSource::Object(object) => {
                let bytes = object.read_at(self.at, buffer.len())?;
                buffer[..bytes.len()].copy_from_slice(&bytes);
                bytes.len()
            }
        };
        self.at += read as u64;
        Ok(read)
    }
}
