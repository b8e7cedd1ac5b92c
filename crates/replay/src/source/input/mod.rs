//! Opens files: decompresses them, makes UTF-8 of them, counts what was read.
//!
//! | module | concept |
//! |---|---|
//! | `compression` | gzip, zstd and zip |
//! | [`encoding`] | encodings, named or found |
//! | [`name`] | what tells a file from others, and from what it has grown from |

mod compression;
pub(crate) mod encoding;
pub(crate) mod name;

use std::fs::{File, Metadata};
use std::io::{self, BufRead, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use self::compression::decompressed;
use self::encoding::{Decoded, Encoded};

const BUFFER_BYTES: usize = 256 * 1024;
/// So much of a file is looked at before it is read.
pub(crate) const HEAD_BYTES: usize = 1024 * 1024;
/// So much of what may be slow in coming.
const STREAM_HEAD_BYTES: usize = 4096;

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
    /// Its contents, decompressed, as UTF-8 and without a byte order mark.
    pub(crate) reader: Box<dyn BufRead + Send>,
    /// Its first bytes, decompressed: up to 1 MiB, and of a stream no more than its first line.
    pub(crate) raw_head: Vec<u8>,
    /// The same as UTF-8, without a byte order mark.
    pub(crate) head: Vec<u8>,
    /// How its text is encoded.
    pub(crate) encoded: Encoded,
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

    /// Opens it and reads its first bytes. Without the name of an encoding it is found.
    ///
    /// # Errors
    /// One sentence: it is not there, a directory, not readable, or there is no such encoding.
    pub(crate) fn open(&self, encoding: Option<&str>) -> Result<Opened> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let cannot = || format!("cannot read {}", self.name());
        let mut raw = match &self.path {
            None => decompressed(io::stdin(), None, &bytes_read),
            Some(path) => {
                let file = open_file(path)?;
                let again = file.metadata()?.is_file().then(|| file.try_clone()).transpose()?;
                decompressed(file, again, &bytes_read)
            }
        }
        .with_context(cannot)?;
        let raw_head = self.read_head(&mut raw).with_context(cannot)?;
        let encoded = Encoded::find(&raw_head, encoding)?;
        let head = encoded.decode_head(&raw_head);
        let reader = Decoded::new(raw_head.clone(), raw, encoded.encoding);
        Ok(Opened { reader, raw_head, head, encoded, bytes_read })
    }

    fn read_head(&self, reader: &mut dyn Read) -> io::Result<Vec<u8>> {
        let mut head = Vec::new();
        if self.can_be_read_again() {
            reader.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
            return Ok(head);
        }
        let mut piece = [0; STREAM_HEAD_BYTES];
        while head.len() < STREAM_HEAD_BYTES && !head.contains(&b'\n') {
            match reader.read(&mut piece) {
                Ok(0) => break,
                Ok(read) => head.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(head)
    }
}

fn open_file(path: &Path) -> Result<File> {
    let file = File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    if file.metadata().is_ok_and(|meta| meta.is_dir()) {
        bail!("{} is a directory: name the files in it", path.display());
    }
    Ok(file)
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
        Input::new(file.path()).open(None)?.reader.read_to_string(&mut text)?;
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
    fn a_byte_order_mark_is_dropped_and_utf_16_is_read() {
        assert_eq!(read("\u{feff}{}".as_bytes()).unwrap(), "{}");
        assert_eq!(read(&gzip("\u{feff}{}".as_bytes())).unwrap(), "{}");
        assert_eq!(read(&[0xff, 0xfe, b'{', 0, b'}', 0]).unwrap(), "{}");
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
        let said = |path: &Path| format!("{:#}", Input::new(path).open(None).err().unwrap());
        let dir = tempfile::tempdir().unwrap();
        assert!(said(dir.path()).ends_with("is a directory: name the files in it"));
        assert!(said(&dir.path().join("none")).contains("none: No such file"));
    }
}
