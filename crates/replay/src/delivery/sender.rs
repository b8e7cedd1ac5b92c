//! Delivers one chunk: sends it, again and again if need be, until each of its lines is accepted or rejected.
//! Which lines are sent next, the client says ([`Lines`]); here is when, and what is kept of the answers.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, anyhow};
use bytes::Bytes;
use forebay_api::accepted::ERRORS_MAX;
use forebay_client::{Batch, BatchAnswer, Client, Lines, Lost, RecordKind, Refusal, RejectedLine, Role, Settled, Then};
use forebay_model::Timestamp;
use forebay_model::order::fault::Rejection;
use forebay_service::Shutdown;
use forebay_task::Backoff;
use tokio::time::Instant;

use crate::check::{Checked, Checker};
use crate::chunk::Chunk;
use crate::delivery::door;
use crate::delivery::outage::Outage;
use crate::delivery::rate::RateLimit;
use crate::source::input::name::SourceName;

/// How long to wait before a request is sent again, where ingest does not say it.
const RETRY: Backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
/// A batch that is no longer hides none of its rejected lines.
const LINES_ALL_TOLD: usize = ERRORS_MAX;

/// What became of a chunk.
#[derive(Debug, Default)]
pub(crate) struct Delivered {
    /// How many leading lines are accepted or rejected.
    pub(crate) settled: usize,
    pub(crate) accepted: u64,
    pub(crate) rejected: Vec<Rejected>,
    /// Receipts of the requests that it took.
    pub(crate) granted: Vec<Granted>,
    /// How many requests were sent again.
    pub(crate) retries: u64,
    /// How many lines were sent again after a request without an answer.
    pub(crate) resent_lines: u64,
}

/// The receipt of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) receipt: String,
    /// How many records were accepted.
    pub(crate) accepted: u64,
}

/// A line that ingest rejected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Which line of the chunk, counted from 0.
    pub(crate) index: usize,
    pub(crate) order_id: Option<String>,
    pub(crate) code: String,
    pub(crate) detail: String,
}

/// Why a chunk was not delivered as a whole.
#[derive(Debug)]
pub(crate) enum Undelivered {
    /// The run is stopping.
    Stopped,
    /// Going on makes no sense.
    Failed(Error),
}

/// What delivers chunks. Clones share rate, outages and connections.
#[derive(Clone)]
pub(crate) struct Sender {
    pub(crate) kind: RecordKind,
    pub(crate) client: Client,
    /// Ids that ingest derives for records of standard input are this run's own.
    pub(crate) run: u64,
    pub(crate) rate: Arc<RateLimit>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) checker: Checker,
    pub(crate) shutdown: Shutdown,
}

/// Lines of a chunk whose rejections were not all told.
struct Untold {
    first: usize,
    end: usize,
    count: u64,
}

/// A chunk while it is delivered.
struct Round<'c> {
    sender: &'c Sender,
    chunk: &'c Chunk,
    source_name: Option<SourceName>,
    delivered: Delivered,
    untold: Vec<Untold>,
    backoff: Backoff,
}

impl Sender {
    /// Delivers a chunk. What was delivered counts even where it could not be finished.
    pub(crate) async fn deliver(
        &self,
        chunk: &Chunk,
        source_name: Option<SourceName>,
    ) -> (Delivered, Result<(), Undelivered>) {
        let mut round = Round {
            sender: self,
            chunk,
            source_name,
            delivered: Delivered::default(),
            untold: Vec::new(),
            backoff: RETRY,
        };
        let outcome = round.run().await;
        round.delivered.rejected.sort_by_key(|rejected| rejected.index);
        round.delivered.rejected.dedup_by_key(|rejected| rejected.index);
        (round.delivered, outcome)
    }
}

impl Round<'_> {
    async fn run(&mut self) -> Result<(), Undelivered> {
        let lines = Lines::new(0..self.chunk.lines, self.chunk.lines);
        self.send_lines(lines, Self::settle).await?;
        for untold in std::mem::take(&mut self.untold) {
            self.find_out(&untold).await?;
        }
        Ok(())
    }

    /// Sends lines until all are settled. `settle` gets each answer with the lines that it settles.
    async fn send_lines(&mut self, mut lines: Lines, settle: impl Fn(&mut Self, Settled)) -> Result<(), Undelivered> {
        while let Some(next) = lines.next() {
            let sent = next.len() as u64;
            let (settled, then) = lines.take(self.send_once(next).await?);
            let is_progress = !settled.lines.is_empty();
            settle(self, settled);
            if is_progress {
                self.made_progress();
            }
            match then {
                Then::Next => {}
                Then::Smaller => self.delivered.retries += 1,
                Then::Later(refusal, after) => self.wait_before_retry(&refusal, after).await?,
                Then::Stop(refusal) => {
                    let why = door::refused(&self.sender.client, Role::Ingest, &refusal).await;
                    return Err(Undelivered::Failed(anyhow!(why)));
                }
                Then::Lost(lost) => {
                    self.delivered.resent_lines += if lost.was_sent { sent } else { 0 };
                    self.wait_after_loss(&lost).await?;
                }
            }
        }
        Ok(())
    }

    async fn send_once(&mut self, lines: Range<usize>) -> Result<BatchAnswer, Undelivered> {
        let Sender { kind, client, run, rate, shutdown, .. } = self.sender;
        let go = rate.reserve(lines.len(), Instant::now());
        if shutdown.soft().run_until_cancelled(tokio::time::sleep_until(go)).await.is_none() {
            return Err(Undelivered::Stopped);
        }
        let source = self.source_name.as_ref().map_or_else(|| format!("run-{run:016x}"), ToString::to_string);
        let first_line = self.chunk.start + lines.start as u64 + 1;
        let batch = Batch { kind: *kind, lines: self.body(lines.start, lines.end), source: Some(&source), first_line };
        // A request under way is waited for when the run stops, because its answer is worth having, but not for ever.
        shutdown.hard().run_until_cancelled(client.send(batch)).await.ok_or(Undelivered::Stopped)
    }

    /// The lines from `first` to before `end`.
    fn body(&self, first: usize, end: usize) -> Bytes {
        let body = &self.chunk.body;
        if (first, end) == (0, self.chunk.lines) {
            return body.clone();
        }
        let mut starts = std::iter::once(0).chain(memchr::memchr_iter(b'\n', body).map(|at| at + 1));
        let from = starts.by_ref().nth(first).unwrap_or(body.len());
        let to = starts.nth(end - first - 1).unwrap_or(body.len());
        body.slice(from..to)
    }

    /// Notes what an answer says.
    fn settle(&mut self, settled: Settled) {
        let Settled { lines, report } = &settled;
        self.delivered.settled = lines.end;
        self.delivered.accepted += report.accepted;
        if let Some(receipt) = report.receipt.clone() {
            self.delivered.granted.push(Granted { receipt, accepted: report.accepted });
        }
        let untold = report.rejected.checked_sub(report.errors.len() as u64);
        let untold = untold.expect("what is told of is counted");
        let Range { start: first, end } = lines.clone();
        self.note_rejected(settled);
        if untold > 0 {
            let last_told = self.delivered.rejected.last().map_or(first, |last| last.index + 1);
            self.untold.push(Untold { first: last_told.max(first), end, count: untold });
        }
    }

    fn note_rejected(&mut self, settled: Settled) {
        let Range { start: first, end } = settled.lines;
        for error in settled.report.errors {
            let RejectedLine { line, order_id, code, detail } = error;
            let index = first + (line as usize).checked_sub(1).expect("lines are counted from 1");
            assert!(index < end, "a line that is told of is one of those that are settled");
            self.delivered.rejected.push(Rejected { index, order_id, code, detail });
        }
    }

    /// Finds the rejected lines that an answer has only counted. What ingest checks is at hand here too; where it finds
    /// another number of them, because ingest has other settings, ingest is asked again in batches that hide nothing.
    async fn find_out(&mut self, untold: &Untold) -> Result<(), Undelivered> {
        let found = self.reject_here(untold.first, untold.end);
        if found.len() as u64 == untold.count {
            self.delivered.rejected.extend(found);
            return Ok(());
        }
        let before = self.delivered.rejected.len();
        self.send_lines(Lines::new(untold.first..untold.end, LINES_ALL_TOLD), Self::note_rejected).await?;
        // What was accepted stays so, whatever is said of it now.
        self.delivered.rejected.truncate(before.saturating_add(usize::try_from(untold.count).unwrap_or(usize::MAX)));
        Ok(())
    }

    fn reject_here(&self, first: usize, end: usize) -> Vec<Rejected> {
        let now = Timestamp::now();
        let lines = self.body(first, end);
        let lines = lines.split(|&byte| byte == b'\n').take(end - first).enumerate();
        lines.filter_map(|(line, text)| check(&self.sender.checker, first + line, text, now)).collect()
    }

    fn made_progress(&mut self) {
        self.backoff.reset();
        self.sender.outage.is_over();
    }

    async fn wait_before_retry(&mut self, refusal: &Refusal, after: Option<Duration>) -> Result<(), Undelivered> {
        self.sender.outage.refused(&format!("ingest cannot take more now: {refusal}"));
        let pause = self.backoff.after_failure();
        self.wait(after.unwrap_or(pause)).await
    }

    async fn wait_after_loss(&mut self, lost: &Lost) -> Result<(), Undelivered> {
        if !self.sender.outage.lost(&lost.to_string()) {
            return Err(Undelivered::Failed(anyhow!("{lost}; giving up")));
        }
        let pause = self.backoff.after_failure();
        self.wait(pause).await
    }

    async fn wait(&mut self, pause: Duration) -> Result<(), Undelivered> {
        self.delivered.retries += 1;
        let waited = self.sender.shutdown.soft().run_until_cancelled(tokio::time::sleep(pause)).await;
        waited.ok_or(Undelivered::Stopped)
    }
}

/// Rejects a line as ingest would; blank lines are no records.
fn check(checker: &Checker, index: usize, line: &[u8], now: Timestamp) -> Option<Rejected> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    // A record without an id gets one of the file and its line, for which it must bring its time.
    let rejection = checker.check(line, now).and_then(Checked::repeatable).err()?;
    Some(rejected(&rejection, index, line))
}

/// A line that is rejected for that.
pub(crate) fn rejected(rejection: &Rejection, index: usize, line: &[u8]) -> Rejected {
    let (code, detail) = (rejection.code().to_owned(), rejection.to_string());
    Rejected { index, order_id: order_id(line), code, detail }
}

/// The order id that a line has, if it can be read.
pub(crate) fn order_id(line: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct OnlyId {
        order_id: serde_json::Value,
    }
    match serde_json::from_slice::<OnlyId>(line).ok()?.order_id {
        serde_json::Value::String(id) => Some(id),
        serde_json::Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}
