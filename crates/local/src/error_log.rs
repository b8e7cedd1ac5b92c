//! Passes on to standard error what the services log as errors; everything else stays in their log files.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use forebay_terminal::note;

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// The bytes of one log that are looked at in one go.
const LOOK_BYTES: u64 = 256 * 1024;

/// One log that is followed.
pub(super) struct Followed {
    name: &'static str,
    path: PathBuf,
    at: u64,
    /// A line whose end is not written yet.
    begun: Vec<u8>,
}

impl Followed {
    /// Follows a log from its present end.
    pub(super) fn from_end(name: &'static str, path: PathBuf) -> Self {
        let at = std::fs::metadata(&path).map_or(0, |meta| meta.len());
        Self { name, path, at, begun: Vec::new() }
    }

    /// The errors that were logged since the last look.
    fn look(&mut self) -> std::io::Result<Vec<String>> {
        let mut file = File::open(&self.path)?;
        let length = file.metadata()?.len();
        if length < self.at {
            // It was made anew.
            self.at = 0;
            self.begun.clear();
        }
        file.seek(SeekFrom::Start(self.at))?;
        self.at += file.take(LOOK_BYTES).read_to_end(&mut self.begun)? as u64;
        let Some(end) = self.begun.iter().rposition(|&byte| byte == b'\n') else { return Ok(Vec::new()) };
        let rest = self.begun.split_off(end + 1);
        let lines = std::mem::replace(&mut self.begun, rest);
        let lines = String::from_utf8_lossy(&lines);
        Ok(lines.lines().filter(|line| is_error(line)).map(|line| format!("{}: {line}", self.name)).collect())
    }
}

/// Passes errors on until it is dropped.
pub(super) async fn pass_on(logs: &mut [Followed]) {
    loop {
        for log in &mut *logs {
            for error in log.look().unwrap_or_default() {
                note!("{error}");
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Whether a line has the level ERROR, as text (the level is the second word) or as JSON.
fn is_error(line: &str) -> bool {
    line.split_ascii_whitespace().nth(1) == Some("ERROR") || line.contains("\"level\":\"ERROR\"")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn whole_lines_with_errors_are_passed_on_once() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "2025-06-30T12:00:00Z ERROR before").unwrap();
        let mut log = Followed::from_end("writer", file.path().to_owned());
        write!(file, "2025 ERROR forebay: gone\n2025  INFO ERROR\n{{\"level\":\"ERROR\"}}\n2025 ERR").unwrap();
        assert_eq!(log.look().unwrap(), ["writer: 2025 ERROR forebay: gone", "writer: {\"level\":\"ERROR\"}"]);
        assert!(log.look().unwrap().is_empty());
        writeln!(file, "OR late").unwrap();
        assert_eq!(log.look().unwrap(), ["writer: 2025 ERROR late"]);
    }
}
