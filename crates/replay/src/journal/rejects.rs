//! The file of rejected records: NDJSON with the place, the reason and the record itself.

use std::fs::File;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::chunk::LineSpan;

/// A record that was rejected, by ingest or before it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Reject {
    pub(crate) place: LineSpan,
    pub(crate) order_id: Option<String>,
    pub(crate) code: String,
    pub(crate) detail: String,
    pub(crate) record: Option<Vec<u8>>,
}

/// One rejects file. It is made when the first record is rejected.
#[derive(Debug)]
pub(crate) struct RejectsFile {
    path: PathBuf,
    file: Option<File>,
    /// How many bytes of it count.
    bytes: u64,
}

/// What stands on a line.
#[derive(Serialize)]
struct Line<'a> {
    file: &'a str,
    line: u64,
    lines: u32,
    order_id: Option<&'a str>,
    code: &'a str,
    detail: &'a str,
    record: Option<Record<'a>>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Record<'a> {
    Json(&'a RawValue),
    /// What is not JSON is told as a text.
    Text(String),
}

impl RejectsFile {
    /// A rejects file of which the first `bytes` bytes are kept. What an earlier run has written behind them is
    /// written again by this one, and goes.
    ///
    /// # Errors
    /// When what is there cannot be shortened.
    pub(crate) fn new(path: PathBuf, bytes: u64) -> Result<Self> {
        let mut bytes = bytes;
        match File::options().write(true).open(&path) {
            Ok(file) => {
                bytes = bytes.min(file.metadata().map_or(0, |meta| meta.len()));
                file.set_len(bytes).with_context(|| format!("cannot write {}", path.display()))?;
            }
            Err(_) => bytes = 0,
        }
        Ok(Self { path, file: None, bytes })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many bytes it has.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends rejected records of an input.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn write(&mut self, input: &str, rejects: &[Reject]) -> Result<()> {
        if rejects.is_empty() {
            return Ok(());
        }
        let mut lines = Vec::new();
        for reject in rejects {
            serde_json::to_writer(&mut lines, &Line::of(input, reject))
                .expect("a line is JSON, and a Vec takes everything");
            lines.push(b'\n');
        }
        self.append(&lines).with_context(|| format!("cannot write {}", self.path.display()))
    }

    fn append(&mut self, lines: &[u8]) -> std::io::Result<()> {
        if self.file.is_none() {
            let mut file = File::options().create(true).write(true).truncate(false).open(&self.path)?;
            file.seek(SeekFrom::Start(self.bytes))?;
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            file.write_all(lines)?;
        }
        self.bytes += lines.len() as u64;
        Ok(())
    }

    /// Removes it where it holds nothing: an empty file left by an earlier run would only raise questions.
    pub(crate) fn close(&self) {
        if self.bytes == 0 && std::fs::metadata(&self.path).is_ok_and(|meta| meta.is_file() && meta.len() == 0) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl<'a> Line<'a> {
    fn of(file: &'a str, reject: &'a Reject) -> Self {
        let Reject { place, order_id, code, detail, record } = reject;
        let record = record.as_deref().map(Record::of);
        Self { file, line: place.line, lines: place.lines, order_id: order_id.as_deref(), code, detail, record }
    }
}

impl<'a> Record<'a> {
    fn of(record: &'a [u8]) -> Self {
        serde_json::from_slice(record)
            .map_or_else(|_| Self::Text(String::from_utf8_lossy(record).trim_end().to_owned()), Self::Json)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn reject(line: u64, record: &str) -> Reject {
        let record = Some(record.as_bytes().to_vec());
        let place = LineSpan { line, lines: 1 };
        Reject { place, order_id: None, code: "invalid".to_owned(), detail: "why".to_owned(), record }
    }

    fn lines(path: &Path) -> Vec<Value> {
        std::fs::read_to_string(path).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn records_stand_there_as_they_are() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        let mut rejects = RejectsFile::new(path.clone(), 0).unwrap();
        assert!(!path.exists());
        rejects.write("x", &[reject(1, "{\"a\": 1e2}\r"), reject(2, "{torn")]).unwrap();
        let expected = json!({"file": "x", "line": 1, "lines": 1, "order_id": null, "code": "invalid", "detail": "why",
            "record": {"a": 100.0}});
        assert_eq!(lines(&path)[0], expected);
        assert_eq!(lines(&path)[1]["record"], "{torn");
        assert!(std::fs::read_to_string(&path).unwrap().contains("{\"a\": 1e2}"));
    }

    #[test]
    fn a_resumed_run_writes_behind_what_counts_and_a_new_one_starts_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects");
        let mut first = RejectsFile::new(path.clone(), 0).unwrap();
        first.write("x", &[reject(1, "{}")]).unwrap();
        let counts = first.bytes();
        first.write("x", &[reject(2, "{}")]).unwrap();
        let mut second = RejectsFile::new(path.clone(), counts).unwrap();
        second.write("x", &[reject(3, "{}")]).unwrap();
        let places: Vec<Value> = lines(&path).iter().map(|line| line["line"].clone()).collect();
        assert_eq!(places, [1, 3]);
        RejectsFile::new(path.clone(), 0).unwrap().close();
        assert!(!path.exists());
    }
}
