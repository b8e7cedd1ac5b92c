//! Opens files: decompresses them, drops a byte order mark, counts what was read.

use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Cursor, ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::fingerprint::Fingerprint;

const BUFFER_BYTES: usize = 256 * 1024;
/// So much of a file is looked at before it is read.
const HEAD_BYTES: usize = 4096;
const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// A file to read, or standard input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Input {
    /// Nothing is standard input.
    path: Option<PathBuf>,
}

/// Which file it is, and in which state: what a file must still be for a run to go on in its middle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) modified_s: i64,
    pub(crate) modified_ns: i64,
}

/// A file, by whatever name it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    device: u64,
    inode: u64,
}

impl FileId {
    /// Of what is there, links followed; nothing where there is no file.
    pub(crate) fn of(path: &Path) -> Option<Self> {
        std::fs::metadata(path).ok().and_then(|meta| Self::of_found(&meta))
    }

    /// The same, of what was found of it.
    pub(crate) fn of_found(meta: &Metadata) -> Option<Self> {
        meta.is_file().then(|| Self { device: meta.dev(), inode: meta.ino() })
    }
}

/// A file that is being read.
pub(crate) struct Opened {
    /// Its contents, decompressed and without a byte order mark.
    pub(crate) reader: Box<dyn BufRead + Send>,
    /// Its first bytes: at least the first line, up to 4 KiB.
    pub(crate) head: Vec<u8>,
    /// How many bytes were read from the disk.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

impl Input {
    /// `-` is standard input.
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: (path != Path::new("-")).then(|| path.to_owned()) }
    }

    /// Where the file is; nothing for standard input.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        self.path.as_ref().map_or_else(|| "standard input".to_owned(), |path| path.display().to_string())
    }

    /// Its length on the disk, where it has one.
    pub(crate) fn bytes(&self) -> Option<u64> {
        let meta = std::fs::metadata(self.path.as_ref()?).ok()?;
        meta.is_file().then_some(meta.len())
    }

    /// Whether it has an end that is known, and can be read from its beginning at any time.
    pub(crate) fn can_be_read_again(&self) -> bool {
        self.bytes().is_some()
    }

    /// Which file it is, a file on standard input too.
    pub(crate) fn id(&self) -> Option<FileId> {
        FileId::of(self.path().unwrap_or(Path::new("/dev/stdin")))
    }

    /// Whether it is a pipe or the like.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn is_stream(&self) -> Result<bool> {
        let Some(path) = &self.path else { return Ok(true) };
        let meta = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(!meta.is_file() && !meta.is_dir())
    }

    /// Which file it is now. Nothing for standard input, and for pipes and the like, which cannot be read again.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn identity(&self) -> Result<Option<Identity>> {
        let Some(path) = &self.path else { return Ok(None) };
        let meta = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        if !meta.is_file() {
            return Ok(None);
        }
        let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
        let (modified_s, modified_ns) = (meta.mtime(), meta.mtime_nsec());
        Ok(Some(Identity { path, bytes: meta.len(), modified_s, modified_ns }))
    }

    /// Opens it and reads its first bytes.
    ///
    /// # Errors
    /// One sentence: it is not there, a directory, not readable, or in UTF-16.
    pub(crate) fn open(&self) -> Result<Opened> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let raw: Box<dyn Read + Send> = match &self.path {
            None => Box::new(io::stdin()),
            Some(path) => Box::new(open_file(path)?),
        };
        let counted = Counted { inner: raw, bytes_read: Arc::clone(&bytes_read) };
        let (head, reader) =
            decompressed(counted).and_then(decoded).with_context(|| format!("cannot read {}", self.name()))?;
        if head.starts_with(&[0xff, 0xfe]) || head.starts_with(&[0xfe, 0xff]) {
            bail!("{} is in UTF-16: save it as UTF-8", self.name());
        }
        Ok(Opened { reader, head, bytes_read })
    }
}

impl Opened {
    /// A name for the contents that copies and compressed copies share, and that stays when lines are added.
    pub(crate) fn fingerprint(&self) -> Fingerprint {
        let first_line = self.head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        Fingerprint::default().of(first_line)
    }
}

fn open_file(path: &Path) -> Result<File> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        bail!("{} is a directory: name the files in it", path.display());
    }
    Ok(file)
}

fn decompressed(mut raw: Counted) -> io::Result<Box<dyn Read + Send>> {
    let mut magic = Vec::new();
    raw.by_ref().take(ZSTD.len() as u64).read_to_end(&mut magic)?;
    let (is_gzip, is_zstd) = (magic.starts_with(GZIP), magic.starts_with(ZSTD));
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(magic).chain(raw));
    Ok(if is_gzip {
        Box::new(Whole { inner: flate2::bufread::MultiGzDecoder::new(whole), format: "gzip" })
    } else if is_zstd {
        Box::new(Whole { inner: zstd::stream::read::Decoder::with_buffer(whole)?, format: "zstd" })
    } else {
        Box::new(whole)
    })
}

/// Reads the head, and puts it back in front, without a byte order mark.
fn decoded(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, Box<dyn BufRead + Send>)> {
    let mut head = vec![0; HEAD_BYTES];
    let mut filled = 0;
    while filled < HEAD_BYTES && !head[..filled].contains(&b'\n') {
        match reader.read(&mut head[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    head.truncate(filled);
    if head.starts_with(BYTE_ORDER_MARK) {
        head.drain(..BYTE_ORDER_MARK.len());
    }
    let whole = Cursor::new(head.clone()).chain(reader);
    Ok((head, Box::new(BufReader::with_capacity(BUFFER_BYTES, whole))))
}

/// Counts what is read.
struct Counted {
    inner: Box<dyn Read + Send>,
    bytes_read: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
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

    fn written(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn read(bytes: &[u8]) -> Result<String> {
        let file = written(bytes);
        let mut text = String::new();
        Input::new(file.path()).open()?.reader.read_to_string(&mut text)?;
        Ok(text)
    }

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn compressed_files_are_known_by_their_bytes_and_may_have_several_parts() {
        let zstd = |bytes: &[u8]| zstd::encode_all(bytes, 0).unwrap();
        for whole in
            [b"{}\n[]\n".to_vec(), [gzip(b"{}\n"), gzip(b"[]\n")].concat(), [zstd(b"{}\n"), zstd(b"[]\n")].concat()]
        {
            assert_eq!(read(&whole).unwrap(), "{}\n[]\n");
        }
        assert_eq!(read(b"").unwrap(), "");
    }

    #[test]
    fn a_byte_order_mark_is_dropped_and_utf_16_is_named() {
        assert_eq!(read("\u{feff}{}".as_bytes()).unwrap(), "{}");
        assert_eq!(read(&gzip("\u{feff}{}".as_bytes())).unwrap(), "{}");
        assert!(read(&[0xff, 0xfe, b'{', 0]).unwrap_err().to_string().contains("UTF-16"));
    }

    #[test]
    fn torn_and_damaged_files_are_named() {
        // Letters that do not compress, so that the tear is far behind the head.
        let numbers = (0..200_000_u64).map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string());
        let text = numbers.collect::<Vec<String>>().join("\n");
        let whole = gzip(text.as_bytes());
        let said = read(&whole[..whole.len() / 2]).unwrap_err().to_string();
        assert_eq!(said, "the gzip data is torn: it ends too early");
        let zstd = zstd::encode_all(text.as_bytes(), 0).unwrap();
        let said = read(&zstd[..zstd.len() / 2]).unwrap_err().to_string();
        assert_eq!(said, "the zstd data is torn: it ends too early");
        let mut damaged = whole;
        let middle = damaged.len() / 2;
        damaged[middle..middle + 100].fill(0xff);
        assert!(read(&damaged).unwrap_err().to_string().contains("damaged"));
    }

    #[test]
    fn what_cannot_be_opened_is_one_sentence() {
        let said = |path: &Path| format!("{:#}", Input::new(path).open().err().unwrap());
        let dir = tempfile::tempdir().unwrap();
        assert!(said(dir.path()).ends_with("is a directory: name the files in it"));
        assert!(said(&dir.path().join("none")).contains("none: No such file"));
    }

    #[test]
    fn a_copy_and_a_longer_version_have_one_fingerprint() {
        let of = |bytes: &[u8]| Input::new(written(bytes).path()).open().unwrap().fingerprint();
        assert_eq!(of(b"{\"a\":1}\n"), of(&gzip(b"{\"a\":1}\n{\"b\":1}\n")));
        assert_ne!(of(b"{\"a\":1}\n"), of(b"{\"a\":2}\n"));
    }
}
