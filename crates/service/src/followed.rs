//! Files that are read again when they change.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tokio::time::sleep;

/// How often they are looked at.
const EVERY: Duration = Duration::from_secs(1);

/// Files, and how they were when they were last looked at. Made before they are read, so that no change falls between.
#[derive(Debug)]
pub(crate) struct Followed {
    paths: Vec<PathBuf>,
    seen: Vec<Option<Version>>,
}

/// What a change of a file changes: a new file in its place has another number.
#[derive(Debug, PartialEq, Eq)]
struct Version {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

impl Followed {
    pub(crate) fn new<'a>(paths: impl IntoIterator<Item = &'a Path>) -> Self {
        let paths: Vec<PathBuf> = paths.into_iter().map(Path::to_owned).collect();
        let seen = versions(&paths);
        Self { paths, seen }
    }

    /// Returns when one of them is another than it was. Nothing is forgotten when it is dropped half-way.
    pub(crate) async fn changed(&mut self) {
        loop {
            sleep(EVERY).await;
            let now = versions(&self.paths);
            if now != self.seen {
                self.seen = now;
                return;
            }
        }
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
