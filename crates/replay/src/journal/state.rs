//! How far a run has come with a file, kept where the next run finds it.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::fate::known::Known;
use crate::fingerprint::Fingerprint;
use crate::source::input::Identity;

/// Which form of the file this version writes and reads.
pub(crate) const VERSION: u32 = 1;

/// How far a run has come with a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Saved {
    /// The file as it was.
    pub(crate) file: Identity,
    /// Where it was sent.
    pub(crate) to: String,
    /// How it was read: format and map.
    pub(crate) reading: String,
    /// How many leading records are accepted or rejected.
    pub(crate) records: u64,
    /// The key of the row that they end with, where rows have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) key: Option<String>,
    /// Whether these are all.
    pub(crate) complete: bool,
    /// What is known of them.
    pub(crate) known: Known,
    /// The rejects file, and how much of it belongs to these records.
    pub(crate) rejects: PathBuf,
    /// See `rejects`.
    pub(crate) rejects_bytes: u64,
}

/// [`Saved`] as it stands in its file.
#[derive(Serialize)]
struct Versioned<'a> {
    version: u32,
    #[serde(flatten)]
    saved: &'a Saved,
}

/// Of any version, what says which it is.
#[derive(Deserialize)]
struct VersionOf {
    version: u32,
}

impl Saved {
    /// As it stands in its file.
    ///
    /// # Errors
    /// Where a path is no text.
    pub(crate) fn write(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec_pretty(&Versioned { version: VERSION, saved: self })
    }

    /// Reads what [`Saved::write`] has written.
    ///
    /// # Errors
    /// One sentence, where it is damaged or of another version.
    pub(crate) fn read(text: &[u8]) -> Result<Self> {
        const DAMAGED: &str = "it is damaged; run without --resume";
        let VersionOf { version } = serde_json::from_slice(text).context(DAMAGED)?;
        ensure!(version == VERSION, "another version of forebay has written it; run without --resume");
        serde_json::from_slice(text).context(DAMAGED)
    }
}

/// Where [`Saved`] is kept: one file for each file and address.
#[derive(Clone, Debug)]
pub(crate) struct StateDir(PathBuf);

impl StateDir {
    /// The directory that was asked for, else the one that the XDG base directory specification names, else one in the
    /// working directory.
    pub(crate) fn find(asked: Option<PathBuf>) -> Self {
        let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let state_home = || set("XDG_STATE_HOME").or_else(|| Some(set("HOME")?.join(".local/state")));
        let usual =
            || state_home().map_or_else(|| PathBuf::from(".forebay/replay"), |home| home.join("forebay/replay"));
        Self(asked.unwrap_or_else(usual))
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// What an earlier run has saved about the file.
    ///
    /// # Errors
    /// One sentence, where going on from there would be wrong, because the file or its reading has changed.
    pub(crate) fn load(&self, file: &Identity, to: &str, reading: &str) -> Result<Option<Saved>> {
        let path = self.path_of(file, to);
        let Ok(text) = std::fs::read(&path) else { return Ok(None) };
        let saved = Saved::read(&text).with_context(|| format!("{} cannot be gone on with", path.display()))?;
        let name = file.path.display();
        if saved.records == 0 && (saved.file != *file || saved.reading != reading) {
            return Ok(None);
        }
        if saved.file != *file {
            bail!("{name} has changed since the interrupted run; run without --resume, sending again is harmless");
        }
        if saved.reading != reading {
            bail!("{name} was read with another format or map by the interrupted run; run without --resume");
        }
        Ok(Some(saved))
    }

    /// What an earlier run has saved about a part of a file that is followed or, where it has saved nothing of it, what the part before
    /// it leaves: rejected records of all of them go to one file. `records_before` stand before the part.
    pub(crate) fn load_part(&self, part: &Identity, to: &str, records_before: u64) -> Option<Saved> {
        let saved = Saved::read(&std::fs::read(self.path_of(part, to)).ok()?).ok()?;
        if saved.file == *part {
            return Some(saved);
        }
        let is_before = saved.complete && saved.records == records_before;
        // Somebody may have taken the rejected records of what is done away.
        let rejects_bytes = if saved.rejects.exists() { saved.rejects_bytes } else { 0 };
        is_before.then(|| Saved {
            file: part.clone(),
            complete: false,
            known: Known::default(),
            rejects_bytes,
            ..saved
        })
    }

    /// Keeps how far a run has come; a reader finds either what was there before or all of this.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, saved: &Saved) -> Result<()> {
        let path = self.path_of(&saved.file, &saved.to);
        let write = || {
            std::fs::create_dir_all(&self.0)?;
            let mut file = tempfile::NamedTempFile::new_in(&self.0)?;
            file.write_all(&saved.write()?)?;
            file.as_file().sync_data()?;
            file.persist(&path)?;
            std::io::Result::Ok(())
        };
        write().with_context(|| format!("cannot keep in {} how far the run has come", path.display()))
    }

    /// Forgets the file.
    pub(crate) fn forget(&self, file: &Identity, to: &str) {
        let _ = std::fs::remove_file(self.path_of(file, to));
    }

    fn path_of(&self, file: &Identity, to: &str) -> PathBuf {
        let name = file.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let print = Fingerprint::default().of(file.path.as_os_str().as_encoded_bytes()).of(b"\0").of(to.as_bytes());
        // Names have at most 255 bytes.
        let short: String = name.chars().take(40).collect();
        self.0.join(Path::new(&format!("{short}-{print}.json")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity() -> Identity {
        Identity { path: PathBuf::from("/data/orders.ndjson"), bytes: 10, modified_s: 1, modified_ns: 2, etag: None }
    }

    fn saved() -> Saved {
        Saved {
            file: identity(),
            to: "http://a".to_owned(),
            reading: "ndjson".to_owned(),
            records: 7,
            key: None,
            complete: false,
            known: Known::default(),
            rejects: PathBuf::from("/data/r"),
            rejects_bytes: 3,
        }
    }

    #[test]
    fn what_was_saved_is_found_again_for_the_same_file_and_address() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::find(Some(dir.path().join("new/place")));
        state.save(&saved()).unwrap();
        state.save(&Saved { records: 8, ..saved() }).unwrap();
        assert_eq!(state.load(&identity(), "http://a", "ndjson").unwrap().unwrap().records, 8);
        assert_eq!(state.load(&identity(), "http://b", "ndjson").unwrap(), None);
        let other = Identity { path: PathBuf::from("/other/orders.ndjson"), ..identity() };
        assert_eq!(state.load(&other, "http://a", "ndjson").unwrap(), None);
        state.forget(&identity(), "http://a");
        assert_eq!(state.load(&identity(), "http://a", "ndjson").unwrap(), None);
    }

    #[test]
    fn a_file_that_has_changed_is_not_gone_on_with() {
        let dir = tempfile::tempdir().unwrap();
        let state = StateDir::find(Some(dir.path().to_owned()));
        state.save(&saved()).unwrap();
        let longer = Identity { bytes: 11, ..identity() };
        assert!(state.load(&longer, "http://a", "ndjson").unwrap_err().to_string().contains("has changed"));
        assert!(state.load(&identity(), "http://a", "csv").unwrap_err().to_string().contains("another format"));
        // Of what nothing was acknowledged there is nothing to go on with.
        state.save(&Saved { records: 0, ..saved() }).unwrap();
        assert_eq!(state.load(&longer, "http://a", "ndjson").unwrap(), None);
        assert!(state.load(&identity(), "http://a", "ndjson").unwrap().is_some());
    }
}
