//! What is read from files, and read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// What was read from files. Cloning it is cheap, and all clones have the same.
#[derive(Debug)]
pub(crate) struct Followed<T>(Arc<Inner<T>>);

#[derive(Debug)]
struct Inner<T> {
    what: &'static str,
    paths: Vec<PathBuf>,
    /// How the files were before they were read first, so that no change falls between that and the following.
    first_seen: Vec<Option<Version>>,
    now: watch::Sender<Arc<T>>,
}

/// What a change of a file changes: a new file in its place has another number.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Version {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

impl<T> Followed<T> {
    /// Reads these files; `what` they are stands in the log when they change.
    ///
    /// # Errors
    /// What `read` says.
    pub(crate) fn new(
        what: &'static str,
        paths: Vec<PathBuf>,
        read: impl FnOnce() -> Result<T, String>,
    ) -> Result<Self, String> {
        let first_seen = versions(&paths);
        let now = watch::Sender::new(Arc::new(read()?));
        Ok(Self(Arc::new(Inner { what, paths, first_seen, now })))
    }

    /// What was read last.
    pub(crate) fn now(&self) -> Arc<T> {
        Arc::clone(&self.0.now.borrow())
    }

    /// Reads the files again whenever one of them changes, until `stop`. While they are wrong, what was read before stays.
    pub(crate) async fn follow(&self, read: impl Fn() -> Result<T, String>, stop: &CancellationToken) {
        let Inner { what, paths, first_seen, now } = &*self.0;
        let mut seen = first_seen.clone();
        while stop.run_until_cancelled(sleep(EVERY)).await.is_some() {
            let current = versions(paths);
            if current == seen {
                continue;
            }
            seen = current;
            match read() {
                Ok(read) => {
                    info!(files = ?paths, "the {what} changed and is in force");
                    now.send_replace(Arc::new(read));
                }
                Err(fault) => warn!(%fault, "the {what} changed and is wrong: what was there before stays in force"),
            }
        }
    }
}

impl<T> Clone for Followed<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

fn versions(paths: &[PathBuf]) -> Vec<Option<Version>> {
    paths.iter().map(|path| version(path)).collect()
}

/// Links are followed: a file that is a link, as mounted secrets are, changes when its target does.
fn version(path: &Path) -> Option<Version> {
    let file = std::fs::metadata(path).ok()?;
    Some(Version { modified: file.modified().ok()?, bytes: file.len(), inode: file.ino() })
}
