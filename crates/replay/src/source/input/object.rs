//! Objects in S3 and what speaks its language: `s3://bucket/orders/2026.csv.gz`, or all under `s3://bucket/orders/`.
//!
//! Keys, region and whatever else it takes stand in the environment, by the names that other programs know them by
//! (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`). An object is read piece by piece, each by a request of its own:
//! a piece that is lost is asked for again, and a server need not wait for a slow reader. Every piece is one of the object as
//! it was found: where it was written anew since, it cannot be read on.

use std::fmt;
use std::io::{self, Read};
use std::path::Path as FilePath;
use std::sync::mpsc::{Receiver, sync_channel};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes};
use forebay_service::BadSetting;
use futures::TryStreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, RetryConfig};
use tokio::runtime::{Builder, Runtime};

/// How the addresses of objects begin.
const SCHEME: &str = "s3://";
/// Bytes of a piece. One is read while the next one is on its way.
const PIECE_BYTES: u64 = 4 * 1024 * 1024;
/// How long it is tried to get an answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);

/// An object.
#[derive(Clone)]
pub(crate) struct Object {
    store: Arc<AmazonS3>,
    bucket: String,
    meta: ObjectMeta,
}

impl Object {
    /// Whether a name is the address of objects, and not that of a file.
    pub(crate) fn is_meant(name: &FilePath) -> bool {
        name.to_str().is_some_and(|name| name.starts_with(SCHEME))
    }

    /// Those that an address means: one, or all that is under it where it ends with `/`. They are asked for at AWS, or at that
    /// endpoint. Waits for the answer.
    ///
    /// # Errors
    /// One sentence: there are none, or nobody answers. [`BadSetting`] where it is no such address.
    pub(crate) fn find(url: &str, endpoint: Option<&str>) -> Result<Vec<Self>> {
        let (bucket, name) = url.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')).ok_or_else(|| {
            BadSetting::new(format!("{url}: expected s3://BUCKET/NAME, or s3://BUCKET/PREFIX/ for all under it"))
        })?;
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry());
        if let Some(endpoint) = endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        let cannot = || format!("cannot ask for {url}");
        let store = Arc::new(builder.build().with_context(cannot)?);
        let path = Path::parse(name).with_context(cannot)?;
        let is_prefix = name.is_empty() || name.ends_with('/');
        let found = wait(list(Arc::clone(&store), path, is_prefix))?.with_context(cannot)?;
        if found.is_empty() {
            bail!("there is no object under {url}");
        }
        Ok(found.into_iter().map(|meta| Self { store: Arc::clone(&store), bucket: bucket.to_owned(), meta }).collect())
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.meta.location)
    }

    /// What it is called within its bucket.
    pub(crate) fn name(&self) -> &FilePath {
        FilePath::new(self.meta.location.as_ref())
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.meta.size
    }

    /// When it was written, in seconds since 1970.
    pub(crate) fn modified_s(&self) -> i64 {
        self.meta.last_modified.timestamp()
    }

    /// What names this content of it.
    pub(crate) fn etag(&self) -> Option<&str> {
        self.meta.e_tag.as_deref()
    }

    /// Reads it from its beginning.
    pub(crate) fn open(&self) -> Reading {
        self.open_at(0)
    }

    /// Reads it from there on.
    pub(crate) fn open_at(&self, at: u64) -> Reading {
        Reading { next: self.ask_piece(at), asked: at, piece: Bytes::new(), object: self.clone() }
    }

    /// `length` bytes from there on, or those up to the end.
    ///
    /// # Errors
    /// Nobody answers, or the object is another one now.
    pub(crate) fn read_at(&self, place: u64, length: usize) -> io::Result<Bytes> {
        let end = self.bytes().min(place.saturating_add(length as u64));
        self.ask(place..end.max(place)).get()
    }

    fn ask_piece(&self, at: u64) -> Piece {
        self.ask(at..self.bytes().min(at.saturating_add(PIECE_BYTES)))
    }

    /// Asks for a part.
    fn ask(&self, range: std::ops::Range<u64>) -> Piece {
        if range.is_empty() {
            return Piece(None);
        }
        let (store, location, if_match) =
            (Arc::clone(&self.store), self.meta.location.clone(), self.meta.e_tag.clone());
        Piece(Some(start(async move {
            let options = GetOptions { range: Some(GetRange::Bounded(range)), if_match, ..GetOptions::default() };
            store.get_opts(&location, options).await?.bytes().await
        })))
    }
}

/// A part of an object that was asked for.
struct Piece(Option<io::Result<Receiver<object_store::Result<Bytes>>>>);

impl Piece {
    fn get(self) -> io::Result<Bytes> {
        let Some(answer) = self.0 else { return Ok(Bytes::new()) };
        match answer?.recv().map_err(io::Error::other)? {
            Err(Error::Precondition { .. }) => Err(io::Error::other("the object was written anew meanwhile")),
            answer => answer.map_err(io::Error::other),
        }
    }
}

/// An object that is being read.
pub(crate) struct Reading {
    object: Object,
    piece: Bytes,
    next: Piece,
    /// Where the next piece begins.
    asked: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.piece.is_empty() && self.asked < self.object.bytes() {
            self.piece = std::mem::replace(&mut self.next, Piece(None)).get()?;
            if self.piece.is_empty() {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the object ends too early"));
            }
            self.asked += self.piece.len() as u64;
            self.next = self.object.ask_piece(self.asked);
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

async fn list(store: Arc<AmazonS3>, path: Path, is_prefix: bool) -> object_store::Result<Vec<ObjectMeta>> {
    if !is_prefix {
        return store.head(&path).await.map(|meta| vec![meta]);
    }
    let prefix = Some(&path).filter(|path| !path.as_ref().is_empty());
    let mut found: Vec<ObjectMeta> = store.list(prefix).try_collect().await?;
    // Some write an empty object for each directory.
    found.retain(|meta| meta.size > 0 && super::listing::is_meant(FilePath::new(meta.location.as_ref())));
    found.sort_by(|one, other| one.location.cmp(&other.location));
    Ok(found)
}

/// All that a store at that endpoint says that there is.
///
/// # Errors
/// Where it is no list, or nobody answers.
#[cfg(any(test, fuzzing))]
pub(crate) fn listed(endpoint: &str) -> Result<Vec<Object>> {
    const BUCKET: &str = "fuzzed";
    static STORE: OnceLock<Arc<AmazonS3>> = OnceLock::new();
    let store = STORE.get_or_init(|| {
        let builder = AmazonS3Builder::new().with_bucket_name(BUCKET).with_region("eu-west-1").with_retry(retry());
        let builder = builder.with_endpoint(endpoint).with_allow_http(true).with_skip_signature(true);
        Arc::new(builder.build().expect("it is a store"))
    });
    let found = wait(list(Arc::clone(store), Path::default(), true))??;
    let object = |meta| Object { store: Arc::clone(store), bucket: BUCKET.to_owned(), meta };
    Ok(found.into_iter().map(object).collect())
}

fn retry() -> RetryConfig {
    RetryConfig { retry_timeout: ANSWER_WITHIN, ..RetryConfig::default() }
}

/// Starts work beside the caller, which may wait for it even within another runtime.
#[expect(clippy::disallowed_methods, reason = "the caller waits for the answer, and gets none where the task has died")]
fn start<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> io::Result<Receiver<T>> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = match RUNTIME.get() {
        Some(runtime) => runtime,
        None => {
            let made = Builder::new_multi_thread().worker_threads(1).thread_name("objects").enable_all().build()?;
            RUNTIME.get_or_init(|| made)
        }
    };
    let (send, answer) = sync_channel(1);
    // Nobody waits for it where reading has ended.
    runtime.spawn(async move { send.send(work.await) });
    Ok(answer)
}

fn wait<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> io::Result<T> {
    start(work)?.recv().map_err(io::Error::other)
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The store knows secrets.
        f.write_str(&self.url())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (&self.bucket, &self.meta) == (&other.bucket, &other.meta)
    }
}

impl Eq for Object {}
