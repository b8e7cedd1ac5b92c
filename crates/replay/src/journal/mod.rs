//! The journal of a run: what is acknowledged without a gap, what was rejected, how far each file is done.
//!
//! Connections finish chunks in any order. A chunk counts when everything before it counts: only then are its rejected
//! records written and is the state moved, so a run that goes on there repeats nothing and leaves nothing out.
//!
//! | module | concept |
//! |---|---|
//! | [`start`] | the journal that a run begins with |
//! | [`tally`] | figures |
//! | [`state`], [`rejects`], [`rejects_file`] | the files in which it is kept |
//! | [`summary`] | what is told at the end |

pub(crate) mod rejects;
pub(crate) mod rejects_file;
pub(crate) mod start;
pub(crate) mod state;
pub(crate) mod summary;
pub(crate) mod tally;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::sync::OwnedSemaphorePermit;

use crate::chunk::Chunk;
use crate::delivery::sender::{Delivered, Granted, Rejected};
use crate::event::{Event, Tell};
use crate::fate::known::{Known, Open, Records};
use crate::journal::rejects::Reject;
use crate::journal::rejects_file::RejectsFile;
use crate::journal::state::{Saved, StateDir};
use crate::journal::summary::RejectedRecord;
use crate::journal::tally::{Counts, Tally};
use crate::source::reader::Handed;
use forebay_api::ReceiptReport;

/// How many rejected records of a file the summary tells; all of them are in the rejects file.
pub(crate) const REJECTS_TOLD: usize = 3;

/// How often the state is saved.
pub(crate) const SAVE_EVERY: Duration = Duration::from_secs(1);

/// A chunk whose delivery has ended.
pub(crate) struct Ended {
    number: u64,
    file: usize,
    tally: Tally,
    rejects: Vec<Reject>,
    open: Vec<Open>,
    /// Whether what was delivered of it counts: where nothing is known of a part, the next run sends all of it.
    counts: bool,
    /// How many records of the file are done with it.
    records_done: u64,
    /// The key of the row that it ends with, where rows have one.
    key: Option<String>,
    /// Whether nothing of it is left.
    whole: bool,
    ends_file: bool,
    input_bytes: u64,
    /// Kept until the chunk counts.
    permit: OwnedSemaphorePermit,
}

impl Ended {
    /// Makes the entry for a chunk. Its body is not needed any more.
    pub(crate) fn new(handed: Handed, delivered: &Delivered, whole: bool) -> Self {
        let Handed { chunk, ends_file, permit, .. } = handed;
        let rejects = rejects(&chunk, &delivered.rejected, whole);
        let rejected_lines = rejects.iter().map(|reject| u64::from(reject.place.lines)).sum();
        let accepted_lines = accepted_lines(&chunk, delivered);
        let passed_over_lines = if whole { chunk.passed_over } else { 0 };
        let tally = Tally {
            lines: accepted_lines + rejected_lines + passed_over_lines,
            accepted_lines,
            rejected_lines,
            passed_over_lines,
            records: delivered.accepted + rejects.len() as u64,
            accepted: delivered.accepted,
            rejected: rejects.len() as u64,
            retries: delivered.retries,
            resent_lines: delivered.resent_lines,
        };
        let counts = whole || chunk.refused.is_empty();
        let records_done = chunk.start + if whole { chunk.records() } else { part_done(&chunk, delivered.settled) };
        let records = Records { first: chunk.start, end: chunk.start + chunk.records() };
        let granted = delivered.granted.iter().cloned();
        let open = granted.map(|Granted { receipt, accepted }| Open { receipt, accepted, records }).collect();
        let (number, file, input_bytes) = (chunk.number, chunk.file, chunk.input_bytes);
        let key = chunk.key;
        Self { number, file, tally, rejects, open, counts, records_done, key, whole, ends_file, input_bytes, permit }
    }
}

/// How many lines of the file the accepted records are. Blank lines are none of them.
fn accepted_lines(chunk: &Chunk, delivered: &Delivered) -> u64 {
    let decided = delivered.accepted + delivered.rejected.len() as u64;
    let blank = (delivered.settled as u64).checked_sub(decided).expect("no more lines are decided than are settled");
    let rejected: u64 = delivered.rejected.iter().map(|line| u64::from(chunk.place(line.index).lines)).sum();
    let accepted = chunk.file_lines(delivered.settled).checked_sub(blank + rejected);
    accepted.expect("a record has a line at least")
}

/// How many leading records of a chunk are done when `lines` lines are. Records that are not sent stand somewhere
/// between the lines, so with them nothing is known of a part.
fn part_done(chunk: &Chunk, settled: usize) -> u64 {
    if chunk.refused.is_empty() { settled as u64 } else { 0 }
}

/// The rejected records of a chunk, in the order of the file.
fn rejects(chunk: &Chunk, rejected: &[Rejected], whole: bool) -> Vec<Reject> {
    let mut texts = chunk.body.split(|&byte| byte == b'\n').enumerate();
    let mut rejects: Vec<Reject> = Vec::with_capacity(rejected.len() + chunk.refused.len());
    for Rejected { index, order_id, code, detail } in rejected {
        let record = texts.find(|(line, _)| line == index).map(|(_, text)| text.to_vec());
        let (order_id, code, detail) = (order_id.clone(), code.clone(), detail.clone());
        rejects.push(Reject { place: chunk.place(*index), order_id, code, detail, record });
    }
    // Of a chunk that is not done, the next run meets these again.
    for refusal in chunk.refused.iter().filter(|_| whole).cloned() {
        let (code, detail) = (refusal.code.to_owned(), refusal.detail);
        let (place, order_id, record) = (refusal.place, refusal.order_id, refusal.record);
        rejects.push(Reject { place, order_id, code, detail, record });
    }
    rejects.sort_by_key(|reject| reject.place.line);
    rejects
}

/// What became of one file.
#[derive(Debug)]
pub(crate) struct Account {
    /// What messages call it.
    pub(crate) name: String,
    pub(crate) tally: Tally,
    /// What is known of the records that count, those of earlier runs included.
    pub(crate) known: Known,
    /// Records that do not count, because one in front of them is not delivered.
    pub(crate) uncounted: Counts,
    /// What is saved about it, where it can be resumed.
    pub(crate) saved: Option<Saved>,
    pub(crate) complete: bool,
    /// The first records that this run has rejected.
    pub(crate) first_rejected: Vec<RejectedRecord>,
    /// Which of the rejects files is its own.
    pub(crate) rejects: usize,
    changed: bool,
}

impl Account {
    pub(crate) fn new(name: String, saved: Option<Saved>, rejects: usize) -> Self {
        let complete = saved.as_ref().is_some_and(|saved| saved.complete);
        let known = saved.as_ref().map(|saved| saved.known.clone()).unwrap_or_default();
        Self {
            name,
            tally: Tally::default(),
            known,
            uncounted: Counts::default(),
            saved,
            complete,
            first_rejected: Vec::new(),
            rejects,
            changed: false,
        }
    }

    /// What became of the file's records, over all runs.
    pub(crate) fn all_runs(&self) -> Counts {
        let mut all = self.uncounted;
        all += Counts { accepted: self.known.accepted, rejected: self.known.rejected };
        all
    }
}

/// What became of all of them.
pub(crate) struct Journal {
    pub(crate) accounts: Vec<Account>,
    pub(crate) rejects: Vec<RejectsFile>,
    pub(crate) total: Tally,
    /// Whether receipts are kept, to be asked about.
    keeps_receipts: bool,
    state: StateDir,
    tell: Tell,
    started: Instant,
    /// When the state is saved next, if something has changed: at once at first.
    save_at: Instant,
    next: u64,
    /// Chunks that ended before one in front of them.
    waiting: BTreeMap<u64, Ended>,
    /// Whether a chunk is left undone: then nothing behind it can count.
    has_gap: bool,
}

impl Journal {
    pub(crate) fn new(
        accounts: Vec<Account>,
        rejects: Vec<RejectsFile>,
        keeps_receipts: bool,
        state: StateDir,
        tell: Tell,
    ) -> Self {
        let now = Instant::now();
        Self {
            accounts,
            rejects,
            total: Tally::default(),
            keeps_receipts,
            state,
            tell,
            started: now,
            save_at: now,
            next: 0,
            waiting: BTreeMap::new(),
            has_gap: false,
        }
    }

    /// Saves that the run has begun, with the first file that is not done: whatever ends it, the next one finds that.
    ///
    /// # Errors
    /// When the state cannot be written.
    pub(crate) fn begin(&self) -> Result<()> {
        let first = self.accounts.iter().find(|account| !account.complete);
        first.and_then(|account| account.saved.as_ref()).map_or(Ok(()), |saved| self.state.save(saved))
    }

    /// Takes in what became of a chunk.
    ///
    /// # Errors
    /// When rejected records or the state cannot be written: then the run must end.
    pub(crate) fn take_in(&mut self, ended: Ended) -> Result<()> {
        self.total += ended.tally;
        let account = &mut self.accounts[ended.file];
        account.tally += ended.tally;
        account.uncounted += ended.tally.counts();
        let (records, seconds) = (self.total.accepted, self.started.elapsed().as_secs_f64());
        (self.tell)(Event::Advanced { bytes: ended.input_bytes, records, seconds });
        self.waiting.insert(ended.number, ended);
        while !self.has_gap {
            let Some(ended) = self.waiting.remove(&self.next) else { break };
            self.next += 1;
            self.count(ended)?;
        }
        self.save_if_due()
    }

    /// When there is something to save next; nothing where there is nothing.
    pub(crate) fn save_at(&self) -> Option<Instant> {
        self.accounts.iter().any(|account| account.changed).then_some(self.save_at)
    }

    /// Saves what has changed, if the last time is long enough ago.
    ///
    /// # Errors
    /// As for [`Journal::book`].
    pub(crate) fn save_if_due(&mut self) -> Result<()> {
        let is_due = self.save_at().is_some_and(|at| Instant::now() >= at);
        if is_due { self.save() } else { Ok(()) }
    }

    /// The receipt of the oldest open request.
    pub(crate) fn oldest_open(&self) -> Option<String> {
        let oldest = self.accounts.iter().find_map(|account| account.known.open.front())?;
        Some(oldest.receipt.clone())
    }

    /// Takes note of what became of the oldest open request; `None` where nobody knows any more.
    pub(crate) fn close_oldest(&mut self, report: Option<ReceiptReport>) {
        if let Some(account) = self.accounts.iter_mut().find(|account| !account.known.open.is_empty()) {
            account.known.close_oldest(report);
            account.changed = true;
        }
    }

    /// Of how many accepted records it is not known what became of them.
    pub(crate) fn undecided(&self) -> u64 {
        self.accounts
            .iter()
            .map(|account| account.known.fates(&account.name, &[], account.uncounted.accepted).undecided)
            .sum()
    }

    /// Whether something of the files was rejected, or is dead.
    pub(crate) fn has_losses(&self) -> bool {
        self.total.rejected > 0 || self.accounts.iter().any(|account| account.known.has_losses())
    }

    /// Of how many records it is still asked what became of them.
    pub(crate) fn open_records(&self) -> u64 {
        self.accounts.iter().map(|account| account.known.open_records()).sum()
    }

    /// Ends the journal: what waits for a chunk that never came is told all the same, and the state is saved.
    ///
    /// # Errors
    /// As for [`Journal::book`].
    pub(crate) fn close(&mut self) -> Result<()> {
        self.save()?;
        for ended in std::mem::take(&mut self.waiting).into_values() {
            self.write_rejects(&ended)?;
        }
        Ok(())
    }

    /// Forgets how far the files are: all are done.
    pub(crate) fn forget(&self) {
        for saved in self.accounts.iter().filter_map(|account| account.saved.as_ref()) {
            self.state.forget(&saved.file, &saved.to);
        }
    }

    /// Whether every file is delivered to its end.
    pub(crate) fn is_complete(&self) -> bool {
        self.accounts.iter().all(|account| account.complete)
    }

    /// How long the run has taken.
    pub(crate) fn elapsed(&self) -> Duration {
        self.started.elapsed()
    }

    fn count(&mut self, ended: Ended) -> Result<()> {
        let told = self.write_rejects(&ended);
        // Behind a reject that is in no file nothing counts: the next run comes by it again.
        self.has_gap = !ended.whole || told.is_err();
        told?;
        let account = &mut self.accounts[ended.file];
        account.complete = ended.ends_file && ended.whole;
        if ended.counts {
            account.uncounted -= ended.tally.counts();
            account.known.accepted += ended.tally.accepted;
            account.known.rejected += ended.tally.rejected;
            if self.keeps_receipts {
                account.known.open.extend(ended.open);
            }
        }
        if let Some(saved) = &mut account.saved {
            // Behind a key it is gone on only where a whole chunk ends.
            if ended.whole || saved.key.is_none() {
                saved.records = ended.records_done;
                saved.key = ended.key.or(saved.key.take());
            }
            saved.complete = account.complete;
            saved.rejects_bytes = self.rejects[account.rejects].bytes();
        }
        account.changed = true;
        drop(ended.permit);
        Ok(())
    }

    fn write_rejects(&mut self, ended: &Ended) -> Result<()> {
        let account = &mut self.accounts[ended.file];
        let left = REJECTS_TOLD - account.first_rejected.len();
        account.first_rejected.extend(ended.rejects.iter().take(left).map(RejectedRecord::of));
        self.rejects[account.rejects].write(&account.name, &ended.rejects)
    }

    fn save(&mut self) -> Result<()> {
        self.save_at = Instant::now() + SAVE_EVERY;
        // First what was rejected, then that it need not be looked at again.
        for rejects in &mut self.rejects {
            rejects.sync()?;
        }
        for account in self.accounts.iter_mut().filter(|account| account.changed) {
            if let Some(saved) = &mut account.saved {
                saved.known = account.known.clone();
                self.state.save(saved)?;
            }
            account.changed = false;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::Semaphore;

    use super::*;
    use crate::source::input::Identity;

    fn ended(number: u64) -> Ended {
        let permit = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        let tally = Tally { records: 1, accepted: 1, ..Tally::default() };
        let (records_done, counts, whole) = (number + 1, true, true);
        let (rejects, open, key, ends_file, input_bytes) = (Vec::new(), Vec::new(), None, false, 1);
        Ended {
            number,
            file: 0,
            tally,
            rejects,
            open,
            counts,
            records_done,
            key,
            whole,
            ends_file,
            input_bytes,
            permit,
        }
    }

    #[test]
    fn what_is_acknowledged_first_is_kept_at_once_and_what_follows_within_a_second() {
        let dir = tempfile::tempdir().unwrap();
        let (state, rejects) = (StateDir::find(Some(dir.path().to_owned())), dir.path().join("rejects"));
        let path = dir.path().join("orders.ndjson");
        let file = Identity { path, bytes: 10, modified_s: 1, modified_ns: 2, etag: None };
        let saved = Saved {
            file: file.clone(),
            to: "http://a".to_owned(),
            reading: "ndjson".to_owned(),
            records: 0,
            key: None,
            complete: false,
            known: Known::default(),
            rejects: rejects.clone(),
            rejects_bytes: 0,
        };
        let kept = || state.load(&file, "http://a", "ndjson").unwrap().map(|saved| saved.records);
        let accounts = vec![Account::new("orders.ndjson".to_owned(), Some(saved), 0)];
        let rejects = vec![RejectsFile::new(rejects).unwrap().0];
        let mut journal = Journal::new(accounts, rejects, false, state.clone(), Arc::new(|_| {}));
        assert_eq!(kept(), None);
        journal.begin().unwrap();
        assert_eq!(kept(), Some(0), "that it has begun");
        journal.take_in(ended(0)).unwrap();
        assert_eq!(kept(), Some(1), "what is acknowledged first");
        journal.take_in(ended(1)).unwrap();
        assert!(journal.save_at().is_some_and(|at| at <= Instant::now() + Duration::from_secs(1)));
        journal.save_at = Instant::now();
        journal.save_if_due().unwrap();
        assert_eq!((kept(), journal.save_at()), (Some(2), None));
    }
}
