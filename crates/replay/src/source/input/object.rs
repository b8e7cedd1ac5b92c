//! Objects in S3 and what speaks its language: `s3://bucket/orders/2026.csv.gz`, or all under `s3://bucket/orders/`.
//!
//! Region, address, keys and whatever else it takes stand in the environment, by the names that other programs know them by
//! (`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_REGION`, `AWS_ENDPOINT`, `AWS_ALLOW_HTTP`).

use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};

use anyhow::{Context, Result, bail};
use bytes::{Buf, Bytes};
use futures::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::{ObjectMeta, ObjectStore, ObjectStoreExt};

/// How the addresses of objects begin.
pub(crate) const SCHEME: &str = "s3://";
/// So many pieces of an object wait to be read.
const AHEAD: usize = 8;

/// An object.
#[derive(Clone)]
pub(crate) struct Object {
    store: Arc<AmazonS3>,
    bucket: String,
    meta: ObjectMeta,
}

impl Object {
    /// Those that an address means: one, or all whose names begin so, where it ends with `/`.
    ///
    /// # Errors
    /// One sentence: there are none, or nobody answers.
    pub(crate) fn find(url: &str) -> Result<Vec<Self>> {
        let Some((bucket, name)) = url.strip_prefix(SCHEME).and_then(|rest| rest.split_once('/')) else {
            bail!("{url}: expected s3://BUCKET/NAME, or s3://BUCKET/PREFIX/ for all under it");
        };
        let store = AmazonS3Builder::from_env().with_bucket_name(bucket).build();
        let store = Arc::new(store.with_context(|| format!("cannot ask for {url}"))?);
        let metas = apart(list(Arc::clone(&store), name.to_owned())).with_context(|| format!("cannot ask for {url}"))?;
        if metas.is_empty() {
            bail!("there is no object under {url}");
        }
        Ok(metas.into_iter().map(|meta| Self { store: Arc::clone(&store), bucket: bucket.to_owned(), meta }).collect())
    }

    /// Its address.
    pub(crate) fn url(&self) -> String {
        format!("{SCHEME}{}/{}", self.bucket, self.meta.location)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.meta.size
    }

    /// When it was written, in seconds since 1970.
    pub(crate) fn modified_s(&self) -> i64 {
        self.meta.last_modified.timestamp()
    }

    /// Reads it from its beginning, as it was when it was found: where it was written anew since, it cannot be.
    ///
    /// # Errors
    /// When no thread can be had.
    pub(crate) fn open(&self) -> io::Result<Reading> {
        let (send, pieces) = sync_channel(AHEAD);
        let (store, meta) = (Arc::clone(&self.store), self.meta.clone());
        let read = async move {
            let options = object_store::GetOptions { if_match: meta.e_tag.clone(), ..Default::default() };
            let mut stream = match store.get_opts(&meta.location, options).await {
                Ok(found) => found.into_stream(),
                Err(error) => {
                    let _ = send.send(Err(io::Error::other(error)));
                    return;
                }
            };
            while let Some(piece) = stream.next().await {
                // Nobody waits for it where reading has ended.
                if send.send(piece.map_err(io::Error::other)).is_err() {
                    return;
                }
            }
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        std::thread::Builder::new().name("object".to_owned()).spawn(move || runtime.block_on(read))?;
        Ok(Reading { pieces, piece: Bytes::new(), left: self.meta.size })
    }
}

async fn list(store: Arc<AmazonS3>, name: String) -> object_store::Result<Vec<ObjectMeta>> {
    if !name.is_empty() && !name.ends_with('/') {
        return store.head(&Path::from(name)).await.map(|meta| vec![meta]);
    }
    let prefix = Some(Path::from(name)).filter(|prefix| !prefix.as_ref().is_empty());
    let mut found: Vec<ObjectMeta> =
        store.list(prefix.as_ref()).collect::<Vec<_>>().await.into_iter().collect::<object_store::Result<_>>()?;
    found.retain(|meta| meta.size > 0);
    found.sort_by(|one, other| one.location.cmp(&other.location));
    Ok(found)
}

/// Waits for work that may not be waited for where this is called from, because that is in a runtime itself.
fn apart<T: Send + 'static>(work: impl Future<Output = object_store::Result<T>> + Send + 'static) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("objects".to_owned()).spawn(move || runtime.block_on(work))?;
    let done = thread.join().map_err(|_| anyhow::anyhow!("asking for objects died"))?;
    Ok(done?)
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (&self.bucket, &self.meta) == (&other.bucket, &other.meta)
    }
}

impl Eq for Object {}

/// An object that is being read.
pub(crate) struct Reading {
    pieces: Receiver<io::Result<Bytes>>,
    piece: Bytes,
    /// How many bytes are to come.
    left: u64,
}

impl Read for Reading {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.recv() {
                Ok(piece) => self.piece = piece?,
                Err(_) if self.left > 0 => return Err(io::Error::other("the object ends too early")),
                Err(_) => return Ok(0),
            }
        }
        let count = buffer.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buffer[..count]);
        self.left = self.left.saturating_sub(count as u64);
        Ok(count)
    }
}
