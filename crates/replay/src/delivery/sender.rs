//! Delivers one chunk: sends it, again and again if need be, until each of its lines is accepted or rejected.
//!
//! A request that was cut short says how many leading lines are settled, and sending goes on behind them. A request without
//! an answer is sent again as a whole; what was stored of it is recognised by the ids of its orders.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Error, anyhow};
use bytes::Bytes;
use forebay_api::accepted::ERRORS_MAX;
use forebay_api::{BatchReport, Code, Problem, RejectedLine};
use forebay_model::order::fault::Rejection;
use forebay_model::{OrderParser, Timestamp};
use forebay_service::Shutdown;
use forebay_task::Backoff;
use tokio::time::Instant;

use crate::chunk::Chunk;
use crate::delivery::answer::Reply;
use crate::delivery::client::{BatchRequest, Client};
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
    /// How many orders were accepted.
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
    pub(crate) client: Client,
    pub(crate) rate: Arc<RateLimit>,
    pub(crate) outage: Arc<Outage>,
    pub(crate) parser: OrderParser,
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
        (round.delivered, outcome)
    }
}

impl Round<'_> {
    async fn run(&mut self) -> Result<(), Undelivered> {
        let sent = self.send_lines(0, self.chunk.lines, self.chunk.lines, |round, report, first, end| {
            round.settle(report, first, end);
        });
        sent.await?;
        for untold in std::mem::take(&mut self.untold) {
            self.find_out(&untold).await?;
        }
        Ok(())
    }

    /// Sends the lines from `first` to before `end`, at most `lines_max` at a time, until all are settled. `settle` gets
    /// each answer with the lines that it settles.
    async fn send_lines(
        &mut self,
        mut first: usize,
        end: usize,
        mut lines_max: usize,
        settle: impl Fn(&mut Self, &BatchReport, usize, usize),
    ) -> Result<(), Undelivered> {
        while first < end {
            let until = end.min(first + lines_max);
            match self.send_once(first, until).await? {
                Reply::Settled(report) => {
                    settle(self, &report, first, until);
                    first = until;
                    self.made_progress();
                }
                Reply::CutShort { report, problem, after } => {
                    let settled = settled_of(&report, until - first);
                    settle(self, &report, first, first + settled);
                    first += settled;
                    self.wait_before_retry(problem, settled, after).await?;
                }
                Reply::TooLarge { report, problem } => {
                    let settled = settled_of(&report, until - first);
                    settle(self, &report, first, first + settled);
                    first += settled;
                    if settled == 0 && until - first == 1 {
                        settle(self, &only_line_too_large(problem), first, until);
                        first = until;
                    } else if settled == 0 {
                        lines_max = (until - first).div_ceil(2);
                    }
                    self.delivered.retries += 1;
                }
                Reply::Refused(what) => return Err(Undelivered::Failed(anyhow!(what))),
                Reply::Lost { what, was_sent } => {
                    self.delivered.resent_lines += if was_sent { (until - first) as u64 } else { 0 };
                    self.wait_after_loss(what).await?;
                }
            }
        }
        Ok(())
    }

    async fn send_once(&mut self, first: usize, end: usize) -> Result<Reply, Undelivered> {
        let Sender { client, rate, shutdown, .. } = self.sender;
        let go = rate.book(end - first, Instant::now());
        if shutdown.soft().run_until_cancelled(tokio::time::sleep_until(go)).await.is_none() {
            return Err(Undelivered::Stopped);
        }
        let start = self.chunk.start + first as u64;
        let request = BatchRequest { body: self.body(first, end), source_name: self.source_name.clone(), start };
        // A request under way is waited for when the run stops, because its answer is worth having, but not for ever.
        shutdown.hard().run_until_cancelled(client.send(request)).await.ok_or(Undelivered::Stopped)
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

    /// Books what an answer says of the lines from `first` to before `end`.
    fn settle(&mut self, report: &BatchReport, first: usize, end: usize) {
        self.delivered.settled = end;
        self.delivered.accepted += report.accepted;
        if let Some(receipt) = report.receipt.clone() {
            self.delivered.granted.push(Granted { receipt, accepted: report.accepted });
        }
        self.note_rejected(report, first, end);
        let told = report.errors.len() as u64;
        if report.rejected > told {
            let last_told = self.delivered.rejected.last().map_or(first, |last| last.index + 1);
            self.untold.push(Untold { first: last_told.max(first), end, count: report.rejected - told });
        }
    }

    fn note_rejected(&mut self, report: &BatchReport, first: usize, end: usize) {
        for error in &report.errors {
            let index = first + usize::try_from(error.line.saturating_sub(1)).unwrap_or(usize::MAX - first);
            if index < end {
                let (order_id, code, detail) = (error.order_id.clone(), error.code.clone(), error.detail.clone());
                self.delivered.rejected.push(Rejected { index, order_id, code, detail });
            }
        }
    }

    /// Finds the rejected lines that an answer has only counted. The parser of ingest is at hand here too; where it finds
    /// another number of them, because ingest has other settings, ingest is asked again in batches that hide nothing.
    async fn find_out(&mut self, untold: &Untold) -> Result<(), Undelivered> {
        let found = self.reject_here(untold.first, untold.end);
        if found.len() as u64 == untold.count {
            self.delivered.rejected.extend(found);
            return Ok(());
        }
        self.send_lines(untold.first, untold.end, LINES_ALL_TOLD, Self::note_rejected).await
    }

    fn reject_here(&self, first: usize, end: usize) -> Vec<Rejected> {
        let now = Timestamp::now();
        let lines = self.body(first, end);
        let lines = lines.split(|&byte| byte == b'\n').take(end - first).enumerate();
        lines.filter_map(|(line, text)| check(&self.sender.parser, first + line, text, now)).collect()
    }

    fn made_progress(&mut self) {
        self.backoff.reset();
        self.sender.outage.is_over();
    }

    async fn wait_before_retry(
        &mut self,
        problem: Option<Problem>,
        settled: usize,
        after: Option<Duration>,
    ) -> Result<(), Undelivered> {
        if settled > 0 {
            self.made_progress();
        }
        let what = match problem {
            None => "ingest cannot take more now".to_owned(),
            Some(Problem { code, detail, .. }) => format!("ingest cannot take more now: {code}: {detail}"),
        };
        self.sender.outage.refused(&what);
        let pause = self.backoff.after_failure();
        self.wait(after.unwrap_or(pause)).await
    }

    async fn wait_after_loss(&mut self, what: String) -> Result<(), Undelivered> {
        if !self.sender.outage.lost(&what) {
            return Err(Undelivered::Failed(anyhow!("{what}; giving up")));
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

/// How many of `sent` lines an answer that was cut short settles.
fn settled_of(report: &BatchReport, sent: usize) -> usize {
    usize::try_from(report.settled_lines.unwrap_or_default()).unwrap_or(sent).min(sent)
}

/// What a request of one line comes to that is too large as a whole.
fn only_line_too_large(problem: Option<Problem>) -> BatchReport {
    let detail = problem.map_or_else(|| "the request is too large".to_owned(), |problem| problem.detail);
    let line = RejectedLine { line: 1, order_id: None, code: Code::TooLarge.to_string(), detail };
    BatchReport { rejected: 1, errors: vec![line], ..BatchReport::default() }
}

/// Rejects a line as ingest would; blank lines are no records.
fn check(parser: &OrderParser, index: usize, line: &[u8], now: Timestamp) -> Option<Rejected> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    parser.parse(line, now).err().map(|rejection| rejected(&rejection, index, line))
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
