//! What was sent, written down before it was sent, and what came of it.

use std::collections::{HashMap, VecDeque};
use std::fmt::Write as _;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::{Context, Result};
use xxhash_rust::xxh3::xxh3_64;

use super::maker::Made;

/// How many accepted orders are kept at hand for those who read them back.
const RECENT_MAX: usize = 256;

/// What came of sending an order. The larger of two outcomes is the truth of both: an order that was refused once and
/// accepted later is accepted, and one whose first answer was lost may be stored whatever the second one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// The answer was no, or there was nobody to send it to.
    Refused,
    /// No answer came. It may be stored or not.
    Unknown,
    /// It was accepted: it must be stored.
    Accepted,
}

/// An order and what came of it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The order.
    pub made: Made,
    /// What came of it; `None` while it is on its way.
    pub outcome: Option<Outcome>,
    /// How often it was refused, came off in an unknown way, and was accepted.
    pub times: Times,
    /// When it was accepted last.
    pub accepted_at: Option<Instant>,
}

/// How often sending an order came off how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// [`Outcome::Refused`].
    pub refused: u64,
    /// [`Outcome::Unknown`].
    pub unknown: u64,
    /// [`Outcome::Accepted`].
    pub accepted: u64,
}

/// An order that was accepted by itself, as its sender was told.
#[derive(Clone, Debug)]
pub struct Accepted {
    /// Whose it is.
    pub customer_id: String,
    /// Its id, also where Forebay assigned it.
    pub order_id: String,
    /// Its shard.
    pub shard: usize,
    /// Where it lies in the log.
    pub receipt: String,
}

/// How many orders there are of each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All.
    pub sent: usize,
    /// [`Outcome::Accepted`].
    pub accepted: usize,
    /// [`Outcome::Refused`].
    pub refused: usize,
    /// [`Outcome::Unknown`], and those that are on their way.
    pub unknown: usize,
}

/// Every order of a run, in memory and in a file.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    contents: Mutex<Contents>,
}

#[derive(Debug)]
struct Contents {
    file: File,
    entries: HashMap<String, Entry>,
    recent: VecDeque<Accepted>,
}

impl Ledger {
    /// An empty one, which keeps its file there.
    ///
    /// # Errors
    /// Where the file cannot be made.
    pub fn new(path: impl Into<PathBuf>) -> Result<Self> {
        let path = path.into();
        let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let contents = Contents { file, entries: HashMap::new(), recent: VecDeque::new() };
        Ok(Self { path, contents: Mutex::new(contents) })
    }

    /// Writes orders down, before they are sent.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn sending(&self, orders: &[Made]) -> Result<()> {
        let mut lines = String::new();
        let mut contents = self.lock();
        for made in orders {
            let Made { mark, customer_id, order_id, json, .. } = made;
            let (id, hash) = (order_id.as_deref().unwrap_or("-"), xxh3_64(json.to_string().as_bytes()));
            let _ = writeln!(lines, "sending {mark} {customer_id} {id} {hash:016x}");
            contents.entries.entry(mark.clone()).or_insert_with(|| Entry::new(made));
        }
        contents.write(&lines)
    }

    /// Notes what came of an order.
    ///
    /// # Errors
    /// Where the file cannot be written.
    pub fn settle(&self, mark: &str, outcome: Outcome) -> Result<()> {
        let mut contents = self.lock();
        if let Some(entry) = contents.entries.get_mut(mark) {
            entry.came_off(outcome);
        }
        contents.write(&format!("{outcome:?} {mark}\n"))
    }

    /// Keeps an accepted order at hand for those who read it back.
    pub fn note_accepted(&self, accepted: Accepted) {
        let mut contents = self.lock();
        if contents.recent.len() == RECENT_MAX {
            contents.recent.pop_front();
        }
        contents.recent.push_back(accepted);
    }

    /// One of the orders that were accepted last; `choice` says which.
    pub fn recently_accepted(&self, choice: usize) -> Option<Accepted> {
        let contents = self.lock();
        let count = contents.recent.len();
        contents.recent.get(choice % count.max(1)).cloned()
    }

    /// A copy of every entry, by mark.
    pub fn entries(&self) -> HashMap<String, Entry> {
        self.lock().entries.clone()
    }

    /// How many orders there are of each outcome.
    pub fn counts(&self) -> Counts {
        let contents = self.lock();
        let of = |outcome| contents.entries.values().filter(|entry| entry.outcome == outcome).count();
        Counts {
            sent: contents.entries.len(),
            accepted: of(Some(Outcome::Accepted)),
            refused: of(Some(Outcome::Refused)),
            unknown: of(Some(Outcome::Unknown)) + of(None),
        }
    }

    /// Where its file is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn lock(&self) -> MutexGuard<'_, Contents> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn new(made: &Made) -> Self {
        Self { made: made.clone(), outcome: None, times: Times::default(), accepted_at: None }
    }

    fn came_off(&mut self, outcome: Outcome) {
        self.outcome = self.outcome.max(Some(outcome));
        match outcome {
            Outcome::Refused => self.times.refused += 1,
            Outcome::Unknown => self.times.unknown += 1,
            Outcome::Accepted => {
                self.times.accepted += 1;
                self.accepted_at = Some(Instant::now());
            }
        }
    }
}

impl Contents {
    fn write(&mut self, lines: &str) -> Result<()> {
        self.file.write_all(lines.as_bytes()).context("cannot write the ledger")
    }
}
