//! What tells a file from others, and from what it has grown from.
//!
//! Where orders have no id, ingest makes one of the name of their file, their place in it and their text. So a file must have
//! the same name whenever it is sent, and two files must have two. A file's name is a hash of its contents: of the first MiB,
//! or of all of it where it is shorter. So copies have one name, on every machine, and files that only share a header, or their
//! first lines, have two.
//!
//! A short file that grows would have another name then. So what a file was when it was named is kept beside the state of the
//! runs, and a file that begins with all of what was named before is the same file, grown. Where that lay at another place it
//! is said, and a name that is given to it (`--source`) tells them apart, or makes them one.

use std::fmt;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// The name of a file, for the ids of its orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceName(Arc<str>);

/// What files were named before.
#[derive(Clone, Debug)]
pub(crate) struct KnownNames(PathBuf);

/// A file as it was when it was named, or found grown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// How many bytes they are, of the first MiB.
    bytes: usize,
    hash: String,
    name: String,
    /// Where it lay. For people.
    file: String,
}

/// A file's name, and how it came to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: SourceName,
    /// Where what it has grown from lay.
    pub(crate) grown_from: Option<String>,
}

impl SourceName {
    /// One that was given.
    pub(crate) fn given(name: &str) -> Self {
        Self(format!("source-{}", hash(name.as_bytes())).into())
    }

    /// That of a file that begins so.
    pub(crate) fn of(head: &[u8]) -> Self {
        Self(format!("file-{}", hash(head)).into())
    }
}

impl fmt::Display for SourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl KnownNames {
    /// Kept there.
    pub(crate) fn new(state_dir: &Path) -> Self {
        Self(state_dir.join("names"))
    }

    /// The name of a file that begins so and lies there, kept before anything of it is sent. A file that has no more than a
    /// header has no name to keep: every file with that header would have grown from it.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) fn name(&self, head: &[u8], has_header: bool, file: &str) -> Result<Named> {
        let lines = memchr::memchr_iter(b'\n', head).filter(|at| at + 1 < head.len()).count() + 1;
        if lines <= usize::from(has_header) {
            return Ok(Named { name: SourceName::of(head), grown_from: None });
        }
        let path = self.path(head);
        let seen: Vec<Seen> = std::fs::read_to_string(&path)
            .unwrap_or_default()
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        let found = longest(&seen, head);
        let grown_from = found.filter(|seen| seen.bytes < head.len()).map(|seen| seen.file.clone());
        let name = found.map_or_else(|| SourceName::of(head), |seen| SourceName(seen.name.as_str().into()));
        if found.is_none_or(|seen| seen.bytes < head.len()) {
            let seen = Seen { bytes: head.len(), hash: hash(head), name: name.to_string(), file: file.to_owned() };
            self.keep(&path, &seen).with_context(|| format!("cannot keep in {} what the file is", path.display()))?;
        }
        Ok(Named { name, grown_from })
    }

    /// Files that have grown from one another begin with the same line.
    fn path(&self, head: &[u8]) -> PathBuf {
        let first_line = head.split(|&byte| byte == b'\n').next().unwrap_or_default();
        self.0.join(format!("{}.ndjson", hash(first_line)))
    }

    /// A line is written at once, so that runs beside this one find all of it or nothing.
    fn keep(&self, path: &Path, seen: &Seen) -> std::io::Result<()> {
        std::fs::create_dir_all(&self.0)?;
        let mut line = serde_json::to_vec(seen)?;
        line.push(b'\n');
        let mut file = File::options().append(true).create(true).open(path)?;
        file.write_all(&line)?;
        file.sync_data()
    }
}

/// The longest of those that a file begins with.
fn longest<'s>(seen: &'s [Seen], head: &[u8]) -> Option<&'s Seen> {
    let mut by_bytes: Vec<&Seen> = seen.iter().filter(|seen| seen.bytes <= head.len()).collect();
    by_bytes.sort_by_key(|seen| seen.bytes);
    let (mut hasher, mut hashed, mut found) = (Xxh3::new(), 0, None);
    for seen in by_bytes {
        hasher.update(&head[hashed..seen.bytes]);
        hashed = seen.bytes;
        if format!("{:032x}", hasher.digest128()) == seen.hash {
            found = Some(seen);
        }
    }
    found
}

fn hash(bytes: &[u8]) -> String {
    format!("{:032x}", xxh3_128(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Names(tempfile::TempDir);

    impl Names {
        fn of(&self, text: &str, file: &str) -> (String, Option<String>) {
            let named = KnownNames::new(self.0.path()).name(text.as_bytes(), true, file).unwrap();
            (named.name.to_string(), named.grown_from)
        }
    }

    const HEADER: &str = "customer,date,qty,dollars\n";

    fn file(lines: &[&str]) -> String {
        format!("{HEADER}{}", lines.concat())
    }

    #[test]
    fn files_that_share_a_header_and_lines_are_different_files() {
        let names = Names(tempfile::tempdir().unwrap());
        let (first, _) = names.of(&file(&["1,a\n", "2,b\n"]), "a.csv");
        let (other, grown) = names.of(&file(&["1,a\n", "3,c\n"]), "b.csv");
        assert!(first != other && grown.is_none());
        // A part of a file has not grown from it.
        let (part, grown) = names.of(&file(&["1,a\n"]), "c.csv");
        assert!(part != first && part != other && grown.is_none());
    }

    #[test]
    fn copies_are_one_file_and_so_is_one_that_has_grown_again_and_again() {
        let names = Names(tempfile::tempdir().unwrap());
        let (first, _) = names.of(&file(&["1,a\n", "2,"]), "a.csv");
        assert_eq!(names.of(&file(&["1,a\n", "2,"]), "copy.csv"), (first.clone(), None));
        let grown = names.of(&file(&["1,a\n", "2,b\n"]), "a.csv");
        assert_eq!(grown, (first.clone(), Some("a.csv".to_owned())));
        let more = names.of(&file(&["1,a\n", "2,b\n", "3,c\n"]), "b.csv");
        assert_eq!(more, (first.clone(), Some("a.csv".to_owned())));
        assert_eq!(names.of(&file(&["1,a\n", "2,b\n", "3,c\n"]), "b.csv"), (first.clone(), None));
        // Where nothing is kept, a copy has the same name all the same.
        let elsewhere = Names(tempfile::tempdir().unwrap());
        assert_eq!(elsewhere.of(&file(&["1,a\n", "2,"]), "a.csv").0, first);
    }

    #[test]
    fn a_header_alone_is_no_file_that_others_have_grown_from() {
        let names = Names(tempfile::tempdir().unwrap());
        names.of(HEADER, "a.csv");
        names.of(HEADER.trim_end(), "a.csv");
        let (one, grown) = names.of(&file(&["1,a\n"]), "a.csv");
        let (other, grown_too) = names.of(&file(&["2,a\n"]), "b.csv");
        assert!(one != other && grown.is_none() && grown_too.is_none());
    }
}
