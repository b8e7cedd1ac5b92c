//! What was found.

use serde::Serialize;

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, and somebody should know of it.
    Warning,
    /// Orders are not taken, not stored or not found, or could be lost.
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was looked at, such as `shard 0 at 127.0.0.1:5440/forebay`.
    pub subject: String,
    /// Which side of it, such as `durability`.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was seen.
    pub saw: String,
    /// What to do, unless all is well.
    pub advice: Option<String>,
}

/// Everything that was looked at.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// In the order in which orders meet it: log, shards, cache.
    pub checks: Vec<Check>,
}

/// Notes checks of one subject.
pub(super) struct Notes {
    subject: String,
    pub(super) checks: Vec<Check>,
}

impl Report {
    /// How the worst of it is.
    pub fn worst(&self) -> Verdict {
        self.checks.iter().map(|check| check.verdict).max().unwrap_or(Verdict::Ok)
    }

    /// How many checks ended so.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.checks.iter().filter(|check| check.verdict == verdict).count()
    }
}

impl Notes {
    pub(super) fn of(subject: impl Into<String>) -> Self {
        Self { subject: subject.into(), checks: Vec::new() }
    }

    pub(super) fn ok(&mut self, check: &'static str, saw: impl Into<String>) {
        self.push(check, Verdict::Ok, saw.into(), None);
    }

    pub(super) fn warning(&mut self, check: &'static str, saw: impl Into<String>, advice: impl Into<String>) {
        self.push(check, Verdict::Warning, saw.into(), Some(advice.into()));
    }

    pub(super) fn failed(&mut self, check: &'static str, saw: impl Into<String>, advice: impl Into<String>) {
        self.push(check, Verdict::Failed, saw.into(), Some(advice.into()));
    }

    fn push(&mut self, check: &'static str, verdict: Verdict, saw: String, advice: Option<String>) {
        self.checks.push(Check { subject: self.subject.clone(), check, verdict, saw, advice });
    }
}

/// Bytes for people.
pub(super) fn mib(bytes: u64) -> String {
    let mib = bytes as f64 / 1_048_576.0;
    if mib < 10_240.0 { format!("{mib:.1} MiB") } else { format!("{:.1} GiB", mib / 1024.0) }
}
