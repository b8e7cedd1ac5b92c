//! Compressed files, known by their first bytes: gzip, zstd, and zip with one file in it.

use std::io::{self, BufReader, Cursor, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::byte_source::ByteSource;
use super::{BUFFER_BYTES, zip};

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const ZIP: &[u8] = b"PK\x03\x04";
const MAGIC_BYTES: u64 = 4;

/// What is in a file, and whether it is compressed.
type Content = (Box<dyn Read + Send>, bool);

/// Reads what is in the file. `place` is where the same lies, if it can be read from any place.
///
/// # Errors
/// When it cannot be read, or a zip file has not one file in it.
pub(super) fn decompressed(
    raw: impl Read + Send + 'static,
    place: Option<&ByteSource>,
    bytes_read: &Arc<AtomicU64>,
) -> io::Result<Content> {
    let mut raw = Counted { inner: raw, bytes_read: Arc::clone(bytes_read) };
    let mut magic = Vec::new();
    raw.by_ref().take(MAGIC_BYTES).read_to_end(&mut magic)?;
    if magic == ZIP {
        let place =
            place.ok_or_else(|| io::Error::other("zip is read from its end, and this has none: name a file"))?;
        return Ok((only_file(place, bytes_read)?, true));
    }
    let (is_gzip, is_zstd) = (magic.starts_with(GZIP), magic == ZSTD);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic).chain(raw));
    let content: Box<dyn Read + Send> = if is_gzip {
        Box::new(Whole { inner: flate2::bufread::MultiGzDecoder::new(whole), format: "gzip" })
    } else if is_zstd {
        Box::new(Whole { inner: zstd::stream::read::Decoder::with_buffer(whole)?, format: "zstd" })
    } else {
        Box::new(whole)
    };
    Ok((content, is_gzip || is_zstd))
}

/// The one file in a zip file. The directory at its end says where it begins and how it is compressed.
fn only_file(place: &ByteSource, bytes_read: &Arc<AtomicU64>) -> io::Result<Box<dyn Read + Send>> {
    let entry = zip::only_entry(place)?;
    let counted = Counted { inner: place.stream(entry.start), bytes_read: Arc::clone(bytes_read) };
    let raw = BufReader::with_capacity(BUFFER_BYTES, counted.take(entry.bytes));
    let inner: Box<dyn Read + Send> = match entry.method {
        zip::Method::Stored => Box::new(raw),
        zip::Method::Deflated => Box::new(flate2::bufread::DeflateDecoder::new(raw)),
    };
    Ok(Box::new(Whole { inner: Checked { inner, found: flate2::Crc::new(), checksum: entry.checksum }, format: "zip" }))
}

/// Counts what is read.
struct Counted<R> {
    inner: R,
    bytes_read: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// Compares a checksum at the end.
struct Checked<R> {
    inner: R,
    found: flate2::Crc,
    checksum: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.found.update(&buffer[..read]);
        if read == 0 && !buffer.is_empty() && self.found.sum() != self.checksum {
            return Err(io::Error::other("its checksum is another"));
        }
        Ok(read)
    }
}

/// Says of compressed data that ends too early what that means.
struct Whole<R> {
    inner: R,
    format: &'static str,
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let format = self.format;
        self.inner.read(buffer).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => error,
            ErrorKind::UnexpectedEof => io::Error::other(format!("the {format} data is torn: it ends too early")),
            _ => io::Error::other(format!("the {format} data is damaged: {error}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn read(bytes: &[u8]) -> io::Result<String> {
        let mut file = tempfile::tempfile()?;
        file.write_all(bytes)?;
        let place = ByteSource::File(Arc::new(file));
        let mut text = String::new();
        decompressed(place.stream(0), Some(&place), &Arc::default())?.0.read_to_string(&mut text)?;
        Ok(text)
    }

    #[test]
    fn the_one_file_of_a_zip_file_is_read_and_its_checksum_compared() {
        let whole = zip::tests::zip(&[("__MACOSX/a", "x"), ("orders.csv", "a,b\n1,2\n")]);
        assert_eq!(read(&whole).unwrap(), "a,b\n1,2\n");
        let mut damaged = whole;
        let at = damaged.windows(4).position(|window| window == b"1,2\n").unwrap();
        damaged[at] = b'9';
        assert_eq!(read(&damaged).unwrap_err().to_string(), "the zip data is damaged: its checksum is another");
    }

    #[test]
    fn a_zip_file_with_several_files_or_none_is_named() {
        let said = |files: &[(&str, &str)]| read(&zip::tests::zip(files)).unwrap_err().to_string();
        assert_eq!(said(&[("a", ""), ("b", "")]), "the zip file has 2 files in it, and it must have one: a, b");
        let torn = zip::tests::zip(&[("a", "text")]);
        assert!(read(&torn[..torn.len() - 10]).unwrap_err().to_string().contains("damaged"));
    }
}
