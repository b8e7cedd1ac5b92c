//! A file of rejected records, as a run opens, continues and leaves it.
//!
//! It is opened before anything is sent, so that no record is rejected that cannot be told. What this run, or the one that it goes on
//! with, has not written is never written over, shortened or removed.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use forebay_service::BadSetting;

use crate::journal::rejects::{LINE_HEAD, Reject, lines};
use crate::source::input::FileId;

/// One rejects file. Where it is this run's own and nothing is in it, it goes with this value.
#[derive(Debug)]
pub(crate) struct RejectsFile {
    path: PathBuf,
    file: File,
    /// Whether this run, or the one that it goes on with, has made it.
    is_own: bool,
    /// How many bytes of it count.
    bytes: u64,
    /// How many of them are on the disk.
    synced_bytes: u64,
    /// Whether what was written may not be on the disk. A later sync says nothing of it: the system tells such a failure once (fsync(2)).
    is_doubtful: bool,
}

impl RejectsFile {
    /// A new one. That of an earlier run is kept under another name, which is given beside it.
    ///
    /// # Errors
    /// [`BadSetting`] where something else is there already, or nothing can be written.
    pub(crate) fn new(path: PathBuf) -> Result<(Self, Option<PathBuf>)> {
        let cannot = |error: io::Error| {
            BadSetting::new(format!("{}; name another place with --rejects", cannot_write(&path, &error)))
        };
        check_leads_somewhere(&path)?;
        let make = || File::options().write(true).create_new(true).open(&path);
        let (file, kept) = match make() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                let mut there = File::options().read(true).write(true).open(&path).map_err(cannot)?;
                // Devices and pipes take everything, and an empty file has nothing to lose.
                if there.metadata().map_err(cannot)?.len() == 0 {
                    return Ok((Self::of(path, there, false, 0), None));
                }
                if !is_rejects_file(&mut there).map_err(cannot)? {
                    let path = path.display();
                    let why = format!(
                        "{path} is there already, and no file of rejected records: name another with --rejects"
                    );
                    return Err(BadSetting::new(why).into());
                }
                let kept = free_name(&path);
                std::fs::rename(&path, &kept).map_err(cannot)?;
                (make().map_err(cannot)?, Some(kept))
            }
            made => (made.map_err(cannot)?, None),
        };
        Ok((Self::of(path, file, true, 0), kept))
    }

    /// That of an interrupted run, of which the first `bytes` bytes count. What it has written behind them is written again by this one,
    /// and goes.
    ///
    /// # Errors
    /// Where it is not what that run has left: records that it has rejected would be in no file.
    pub(crate) fn of_interrupted(path: PathBuf, bytes: u64) -> Result<Self> {
        let cannot = |error: io::Error| BadSetting::new(cannot_write(&path, &error));
        check_leads_somewhere(&path)?;
        let open = File::options().read(true).write(true).create(bytes == 0).truncate(false).open(&path);
        let mut file = match open {
            Err(error) if error.kind() == ErrorKind::NotFound && bytes > 0 => return Err(lost(&path).into()),
            opened => opened.map_err(cannot)?,
        };
        let meta = file.metadata().map_err(cannot)?;
        if meta.is_file() {
            if !has_left(&file, meta.len(), bytes).map_err(cannot)? {
                return Err(lost(&path).into());
            }
            file.set_len(bytes).and_then(|()| file.seek(SeekFrom::Start(bytes))).map_err(cannot)?;
        }
        // A link was made by somebody else, whatever it leads to.
        let is_own = !path.is_symlink();
        Ok(Self::of(path, file, is_own, bytes))
    }

    fn of(path: PathBuf, file: File, is_own: bool, bytes: u64) -> Self {
        Self { path, file, is_own, bytes, synced_bytes: 0, is_doubtful: false }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends rejected records of an input, all or none of them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&mut self, input: &str, rejects: &[Reject]) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        self.append(&lines(input, rejects)).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn append(&mut self, lines: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(lines);
        if written.is_err() {
            // On a full disk a part may be there, and nothing is to stand behind a torn line.
            let _ = self.file.set_len(self.bytes).and_then(|()| self.file.seek(SeekFrom::Start(self.bytes)));
            return written;
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Returns when all of it is on the disk.
    ///
    /// # Errors
    /// When that cannot be.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let cannot = || format!("cannot write {}", self.path.display());
        ensure!(!self.is_doubtful, cannot());
        if self.synced_bytes < self.bytes && self.file.metadata().is_ok_and(|meta| meta.is_file()) {
            let synced = self.file.sync_data();
            self.is_doubtful = synced.is_err();
            synced.with_context(cannot)?;
        }
        self.synced_bytes = self.bytes;
        Ok(())
    }
}

impl Drop for RejectsFile {
    /// An empty file would only raise questions.
    fn drop(&mut self) {
        let is_there = |id| FileId::of(&self.path) == Some(id);
        let is_empty =
            self.file.metadata().is_ok_and(|meta| meta.len() == 0 && FileId::of_found(&meta).is_some_and(is_there));
        if self.is_own && is_empty {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> String {
    format!("cannot write rejected records to {}: {error}", path.display())
}

/// Refuses a link that leads nowhere: what it is to lead to is not there to be looked at, and not for this run to make.
fn check_leads_somewhere(path: &Path) -> Result<(), BadSetting> {
    let is_nowhere = path.is_symlink() && path.metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    if !is_nowhere {
        return Ok(());
    }
    let path = path.display();
    Err(BadSetting::new(format!(
        "{path} is a link to what is not there: make that, or name another place with --rejects"
    )))
}

fn lost(path: &Path) -> BadSetting {
    let path = path.display();
    BadSetting::new(format!(
        "{path} is not as the interrupted run has left it, with what that has rejected: run without --resume or, where files are followed, move it away; sending again is harmless"
    ))
}

/// Whether a file is as a run leaves it that has noted `bytes` of it: whole lines, and behind them at most further ones.
fn has_left(file: &File, len: u64, bytes: u64) -> io::Result<bool> {
    let mut around = [0; LINE_HEAD.len() + 1];
    let read = file.read_at(&mut around, bytes.saturating_sub(1))?;
    let around = &around[..read];
    let (end, behind) = around.split_at(usize::from(bytes > 0).min(read));
    Ok(len >= bytes
        && end.iter().all(|&byte| byte == b'\n')
        && LINE_HEAD.starts_with(&behind[..behind.len().min(LINE_HEAD.len())]))
}

/// Whether it begins as a rejects file does.
fn is_rejects_file(file: &mut File) -> io::Result<bool> {
    let mut head = Vec::new();
    file.take(LINE_HEAD.len() as u64).read_to_end(&mut head)?;
    Ok(head == LINE_HEAD)
}

/// The name with the first number behind it under which nothing is.
fn free_name(path: &Path) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    (1..=u32::MAX).map(numbered).find(|name| name.symlink_metadata().is_err()).unwrap_or_else(|| numbered(0))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::chunk::LineSpan;

    fn reject(line: u64, record: &str) -> Reject {
        let record = Some(record.as_bytes().to_vec());
        let place = LineSpan { line, lines: 1 };
        Reject { place, order_id: None, code: "invalid".to_owned(), detail: "why".to_owned(), record }
    }

    fn lines(path: &Path) -> Vec<Value> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn new(path: &Path) -> RejectsFile {
        RejectsFile::new(path.to_owned()).unwrap().0
    }

    #[test]
    fn records_stand_there_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        new(&path).write("x", &[reject(1, "{\"a\": 1e2}\r"), reject(2, "{torn")]).unwrap();
        let expected = json!({"file": "x", "line": 1, "lines": 1, "order_id": null, "code": "invalid", "detail": "why",
            "record": {"a": 100.0}});
        assert_eq!(lines(&path)[0], expected);
        assert_eq!(lines(&path)[1]["record"], "{torn");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains("{\"a\": 1e2}") && text.as_bytes().starts_with(LINE_HEAD));
    }

    #[test]
    fn a_resumed_run_writes_behind_what_counts_and_a_new_one_keeps_the_earlier_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        let mut first = new(&path);
        first.write("x", &[reject(1, "{}")]).unwrap();
        let counts = first.bytes();
        first.write("x", &[reject(2, "{}")]).unwrap();
        let mut second = RejectsFile::of_interrupted(path.clone(), counts).unwrap();
        second.write("x", &[reject(3, "{}")]).unwrap();
        let places = |path: &Path| lines(path).iter().map(|line| line["line"].clone()).collect::<Vec<Value>>();
        assert_eq!(places(&path), [1, 3]);
        for number in 1..3 {
            let (mut next, kept) = RejectsFile::new(path.clone()).unwrap();
            let kept = kept.unwrap();
            assert_eq!(kept, dir.path().join(format!("rejects.{number}")));
            assert_eq!(places(&kept), if number == 1 { vec![1, 3] } else { vec![4] });
            next.write("x", &[reject(4, "{}")]).unwrap();
        }
    }

    #[test]
    fn an_empty_one_goes_only_where_this_run_has_made_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        drop(new(&path));
        assert!(!path.exists());
        drop(RejectsFile::of_interrupted(path.clone(), 0).unwrap());
        assert!(!path.exists());
        std::fs::write(&path, "").unwrap();
        drop(new(&path));
        assert!(path.exists());
        // Put in its place meanwhile by somebody else.
        std::fs::remove_file(&path).unwrap();
        let made = new(&path);
        std::fs::rename(&path, dir.path().join("moved")).unwrap();
        std::fs::write(&path, "").unwrap();
        drop(made);
        assert!(path.exists());
    }

    #[test]
    fn a_link_stays_and_one_that_leads_nowhere_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let (path, target) = (dir.path().join("rejects"), dir.path().join("target"));
        std::os::unix::fs::symlink(&target, &path).unwrap();
        for refused in
            [RejectsFile::new(path.clone()).map(|_| ()), RejectsFile::of_interrupted(path.clone(), 0).map(drop)]
        {
            let error = refused.unwrap_err().to_string();
            assert!(error.contains("is a link to what is not there"), "{error}");
            assert!(path.is_symlink() && !target.exists());
        }
        std::fs::write(&target, "").unwrap();
        drop(new(&path));
        drop(RejectsFile::of_interrupted(path.clone(), 0).unwrap());
        assert!(path.is_symlink() && target.exists());
        new(&path).write("x", &[reject(1, "{}")]).unwrap();
        assert_eq!(lines(&target).len(), 1, "what it leads to is written");
    }

    #[test]
    fn what_a_run_has_not_left_is_not_gone_on_with_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        let mut first = new(&path);
        first.write("x", &[reject(1, "{}")]).unwrap();
        let counts = first.bytes();
        let whole = std::fs::read(&path).unwrap();
        for other in [
            &whole[..10],
            b"precious, and longer than what was there before: that is why it is so long. And so on, and on and on.\n",
            &[&whole[..], b"by hand"].concat(),
        ] {
            std::fs::write(&path, other).unwrap();
            let error = RejectsFile::of_interrupted(path.clone(), counts).unwrap_err().to_string();
            assert!(error.contains("is not as the interrupted run has left it"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), other);
        }
        std::fs::remove_file(&path).unwrap();
        assert!(RejectsFile::of_interrupted(path.clone(), counts).is_err() && !path.exists());
        // A torn line, as a kill leaves it, is its own.
        std::fs::write(&path, [&whole[..], b"{\"fi"].concat()).unwrap();
        assert_eq!(RejectsFile::of_interrupted(path.clone(), counts).unwrap().bytes(), counts);
        assert_eq!(std::fs::read(&path).unwrap(), whole);
    }
}
