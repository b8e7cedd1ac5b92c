//! How far each followed file was read, kept where the next run finds it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::fingerprint::Fingerprint;
use crate::journal::tally::Counts;
use crate::source::input::FileId;
use crate::source::input::window::{Mark, Window};

/// The bytes of a file's beginning that tell whether it is still the same: numbers of files are used again.
const HEAD_BYTES: u64 = 4096;

/// How far a file was read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Followed {
    /// How many bytes are hashed in `head`.
    pub(super) head_bytes: u64,
    pub(super) head: String,
    /// Bytes and lines of its header.
    pub(super) header: (u64, u64),
    /// Everything before it is sent.
    pub(super) mark: Mark,
    /// The part that is being sent.
    pub(super) window: Option<Window>,
    /// Of a file that is sent as a whole, its length when it was.
    pub(super) whole: Option<u64>,
    /// What became of the records before the mark.
    #[serde(default)]
    pub(super) counts: Counts,
    /// Up to where it was read last, though the order that ends there was left.
    pub(super) tried: u64,
}

/// The files that were met.
pub(super) struct FollowedFiles {
    directory: PathBuf,
    files: HashMap<FileId, Followed>,
}

impl FollowedFiles {
    /// Those that were sent to that address.
    pub(super) fn new(state_dir: &Path, to: &str) -> Self {
        let directory = state_dir.join("follow").join(Fingerprint::default().of(to.as_bytes()).to_string());
        Self { directory, files: HashMap::new() }
    }

    /// What is known of a file that lies there; nothing where it is another one under the same number, or was cut off to begin
    /// anew.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn get(&mut self, id: FileId, path: &Path) -> Result<Followed> {
        let cannot = || format!("cannot read {}", path.display());
        let kept = || serde_json::from_slice(&std::fs::read(self.path(id)).ok()?).ok();
        let known: Option<Followed> = self.files.get(&id).cloned().or_else(kept);
        let file = File::open(path).with_context(cannot)?;
        let bytes = file.metadata().with_context(cannot)?.len();
        let Some(known) = known else { return Ok(Followed::default()) };
        let is_same = bytes >= known.mark.bytes && known.head == head(&file, known.head_bytes).with_context(cannot)?;
        Ok(if is_same { known } else { Followed::default() })
    }

    /// Keeps it, so that it survives this process and this machine's next fall.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn keep(&mut self, id: FileId, followed: &Followed) -> Result<()> {
        let path = self.path(id);
        let write = || {
            std::fs::create_dir_all(&self.directory)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.directory)?;
            file.write_all(&serde_json::to_vec(followed)?)?;
            file.as_file().sync_data()?;
            file.persist(&path)?;
            std::io::Result::Ok(())
        };
        write().with_context(|| format!("cannot keep in {} how far the file was read", path.display()))?;
        self.files.insert(id, followed.clone());
        Ok(())
    }

    fn path(&self, id: FileId) -> PathBuf {
        self.directory.join(format!("{id}.json"))
    }
}

impl Followed {
    /// With the beginning of the file as it is now.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(super) fn with_head(mut self, file: &File, bytes: u64) -> std::io::Result<Self> {
        self.head_bytes = bytes.min(HEAD_BYTES);
        self.head = head(file, self.head_bytes)?;
        Ok(self)
    }
}

fn head(file: &File, bytes: u64) -> std::io::Result<String> {
    use std::io::Seek;
    let mut file = file.try_clone()?;
    file.rewind()?;
    let mut head = Vec::new();
    file.take(bytes).read_to_end(&mut head)?;
    Ok(format!("{:032x}", xxh3_128(&head)))
}
