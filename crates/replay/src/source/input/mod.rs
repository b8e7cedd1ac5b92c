//! Opens files: decompresses them, makes UTF-8 of them, counts what was read.
//!
//! | module | concept |
//! |---|---|
//! | `compression`, `zip` | gzip, zstd and zip |
//! | [`encoding`] | encodings, named or found |
//! | [`listing`] | files by name, by pattern, or in a directory |
//! | [`object`] | objects in S3 |
//! | [`byte_source`] | a file or an object that is read from any place |
//! | [`window`] | a part of a file that grows |
//! | [`name`] | what tells a file from others, and from what it has grown from |

pub(crate) mod byte_source;
mod compression;
pub(crate) mod encoding;
pub(crate) mod listing;
pub(crate) mod name;
pub(crate) mod object;
pub(crate) mod window;
mod zip;

use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use self::byte_source::ByteSource;
use self::compression::decompressed;
use self::encoding::{Decoded, Encoded};
use self::name::SourceName;
use self::object::Object;
use self::window::Window;
use crate::source::rows::query_rows::Query;
use crate::source::skip::Skip;

const BUFFER_BYTES: usize = 256 * 1024;
/// The bytes of a file that are looked at before it is read.
pub(crate) const HEAD_BYTES: usize = 1024 * 1024;
/// The bytes that are looked at where they may be slow in coming.
const STREAM_HEAD_BYTES: usize = 4096;

/// What is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Stdin,
    File(PathBuf),
    /// A part of a file that is followed.
    Part(PathBuf, Window, FileId),
    /// The rows of a query.
    Query(Box<Query>),
    Object(Object),
}

/// Which file it is, and in which state: what a file must still be for a run to go on in its middle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    pub(crate) path: PathBuf,
    pub(crate) bytes: u64,
    pub(crate) modified_s: i64,
    pub(crate) modified_ns: i64,
    /// What names its content, where its store does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) etag: Option<String>,
}

/// A file, by whatever name it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.device, self.inode)
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
    pub(crate) is_compressed: bool,
    /// How many bytes were read from the disk.
    pub(crate) bytes_read: Arc<AtomicU64>,
}

impl Input {
    /// `-` is standard input.
    pub(crate) fn new(path: &Path) -> Self {
        if path == Path::new("-") { Self::Stdin } else { Self::File(path.to_owned()) }
    }

    /// The query, where it is one.
    pub(crate) fn query(&self) -> Option<&Query> {
        if let Self::Query(query) = self { Some(query) } else { None }
    }

    /// The object, where it is one.
    pub(crate) fn object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    /// The same, without what was passed over by its key.
    pub(crate) fn behind(&self, skip: &Skip) -> Self {
        match (self, skip) {
            (Self::Query(query), Skip::Behind { key, .. }) => Self::Query(Box::new(query.after(Some(key.clone())))),
            _ => self.clone(),
        }
    }

    /// Whether it is standard input.
    pub(crate) fn is_stdin(&self) -> bool {
        *self == Self::Stdin
    }

    /// Which file is followed, where one is.
    pub(crate) fn followed_id(&self) -> Option<FileId> {
        if let Self::Part(_, _, id) = self { Some(*id) } else { None }
    }

    /// The part that is read, where that is not all of it.
    pub(crate) fn window(&self) -> Option<&Window> {
        if let Self::Part(_, window, _) = self { Some(window) } else { None }
    }

    /// Where the file is; nothing for what is not a file.
    pub(crate) fn path(&self) -> Option<&Path> {
        if let Self::File(path) | Self::Part(path, ..) = self { Some(path) } else { None }
    }

    /// A name that may say something of what is in it.
    pub(crate) fn file_name(&self) -> Option<&Path> {
        self.path().or_else(|| self.object().map(Object::name))
    }

    /// What messages call it.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) | Self::Part(path, ..) => path.display().to_string(),
            Self::Query(query) => query.title(),
            Self::Object(object) => object.url(),
        }
    }

    /// Its length where it lies, where it has one.
    pub(crate) fn bytes(&self) -> Option<u64> {
        if let Self::Object(object) = self {
            return Some(object.bytes());
        }
        let meta = std::fs::metadata(self.path()?).ok()?;
        meta.is_file().then_some(meta.len())
    }

    /// Whether it has an end that is known, and can be read from its beginning at any time.
    pub(crate) fn can_be_read_again(&self) -> bool {
        self.bytes().is_some()
    }

    /// Whether its records have the same places whenever it is read.
    pub(crate) fn has_places(&self) -> bool {
        self.can_be_read_again() || self.query().is_some_and(Query::has_key)
    }

    /// Which file it is, a file on standard input too.
    pub(crate) fn id(&self) -> Option<FileId> {
        FileId::of(self.path().unwrap_or(Path::new(if self.is_stdin() { "/dev/stdin" } else { "" })))
    }

    /// Whether it can be looked at before it is read: pipes and the like, and rows of queries, come only once.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn can_be_looked_at(&self) -> Result<bool> {
        let Some(path) = self.path() else { return Ok(self.object().is_some()) };
        let meta = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
        Ok(meta.is_file() || meta.is_dir())
    }

    /// Which file it is now. Nothing for standard input, and for pipes and the like, which cannot be read again.
    ///
    /// # Errors
    /// When it is not there.
    pub(crate) fn identity(&self) -> Result<Option<Identity>> {
        let named = |name: String, bytes, modified_s, modified_ns| {
            Some(Identity { path: PathBuf::from(name), bytes, modified_s, modified_ns, etag: None })
        };
        match self {
            Self::Query(query) if query.has_key() => {
                Ok(named(format!("query-{}", SourceName::given(&query.name())), 0, 0, 0))
            }
            Self::Stdin | Self::Query(_) => Ok(None),
            Self::Object(object) => {
                // The same content is the same object, whenever it was written.
                let etag = object.etag().map(str::to_owned);
                let modified_s = if etag.is_some() { 0 } else { object.modified_s() };
                let named = named(object.url(), object.bytes(), modified_s, 0);
                Ok(named.map(|identity| Identity { etag, ..identity }))
            }
            // Whatever it is called, and whatever was added to it.
            Self::Part(_, window, id) => {
                let (from, takes_last) = (window.from.bytes as i64, i64::from(window.takes_last));
                Ok(named(format!("followed-{id}"), window.to, from, takes_last))
            }
            Self::File(path) => identity_of_file(path),
        }
    }

    /// Opens it and reads its first bytes. Without the name of an encoding it is found.
    ///
    /// # Errors
    /// One sentence: it is not there, a directory, not readable, or there is no such encoding.
    pub(crate) fn open(&self, encoding: Option<&str>) -> Result<Opened> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let cannot = || format!("cannot read {}", self.name());
        let (mut raw, is_compressed) = match self {
            Self::Stdin | Self::Query(_) => decompressed(io::stdin(), None, &bytes_read),
            Self::File(path) => {
                let file = open_file(path)?;
                let again = file.metadata()?.is_file().then(|| file.try_clone()).transpose()?;
                let place = again.map(|file| ByteSource::File(Arc::new(file)));
                decompressed(file, place.as_ref(), &bytes_read)
            }
            Self::Part(path, window, _) => window.open(&open_file(path)?).map(|part| (part, false)),
            Self::Object(object) => decompressed(object.open(), Some(&ByteSource::Object(object.clone())), &bytes_read),
        }
        .with_context(cannot)?;
        let (read_head, torn) = self.read_head(&mut raw).with_context(cannot)?;
        if torn.is_some() {
            raw = Box::new(Torn(torn));
        }
        let encoded = Encoded::find(&read_head, encoding)?;
        let head = encoded.decode_head(&read_head);
        let reader = Decoded::new(read_head.clone(), raw, encoded.encoding);
        let raw_head = self.first_bytes(read_head).with_context(cannot)?;
        Ok(Opened { reader, raw_head, head, encoded, is_compressed, bytes_read })
    }

    /// The first bytes of the file, of which these were read.
    fn first_bytes(&self, read: Vec<u8>) -> io::Result<Vec<u8>> {
        let Self::Part(path, window, _) = self else { return Ok(read) };
        let mut head = Vec::new();
        File::open(path)?.take(window.to.min(HEAD_BYTES as u64)).read_to_end(&mut head)?;
        Ok(head)
    }

    /// The first bytes, and what kept it from reading on: what stands before a tear is as good as any.
    fn read_head(&self, reader: &mut dyn Read) -> io::Result<(Vec<u8>, Option<io::Error>)> {
        let is_stream = !self.can_be_read_again();
        let bytes_max = if is_stream { STREAM_HEAD_BYTES } else { HEAD_BYTES };
        let (mut head, mut piece) = (Vec::new(), [0; STREAM_HEAD_BYTES]);
        while head.len() < bytes_max && !(is_stream && head.contains(&b'\n')) {
            let room = piece.len().min(bytes_max - head.len());
            match reader.read(&mut piece[..room]) {
                Ok(0) => break,
                Ok(read) => head.extend_from_slice(&piece[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if head.is_empty() => return Err(error),
                Err(error) => return Ok((head, Some(error))),
            }
        }
        Ok((head, None))
    }
}

/// What can be read no further, for that reason.
struct Torn(Option<io::Error>);

impl Read for Torn {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

fn identity_of_file(path: &Path) -> Result<Option<Identity>> {
    let meta = std::fs::metadata(path).with_context(|| format!("cannot open {}", path.display()))?;
    if !meta.is_file() {
        return Ok(None);
    }
    let path = path.canonicalize().with_context(|| format!("cannot open {}", path.display()))?;
    let (modified_s, modified_ns) = (meta.mtime(), meta.mtime_nsec());
    Ok(Some(Identity { path, bytes: meta.len(), modified_s, modified_ns, etag: None }))
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
