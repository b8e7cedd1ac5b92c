//! What each stream's writer is doing: written by its drain, read by HTTP and by trimming, and its metrics.

pub(crate) mod backlog;
mod commit_history;
pub(crate) mod report;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_log::StreamState;
use forebay_model::{Lane, PerLane, Position, ShardId, StreamId, Timestamp};
use forebay_shard::{Committed, Reason, StreamPosition, Tally, Waiting};
use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use tokio::time::Instant;
use tracing::error;

pub(crate) use forebay_api::streams::DrainState as State;
use forebay_api::streams::HaltCause;

use crate::derive::Board;
use crate::failure::Failure;
use crate::metrics::{
    BATCH_ROWS, BYTES, COMMIT_AGE_SECONDS, COMMIT_SECONDS, DEAD_LETTERS, ERRORS, FRAMES, HALTED, LAG_FRAMES,
    LAG_SECONDS, LEADER, LOG_BYTES, LOG_BYTES_MAX, POSITION, ROWS, STAGED_BATCHES,
};
use commit_history::CommitHistory;

/// A stream's status. Clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Status {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    of: StreamId,
    now: Mutex<Now>,
    metrics: StreamMetrics,
    derived: Arc<Board>,
}

/// How a stream stands at a moment.
#[derive(Debug)]
pub(crate) struct Now {
    pub(crate) state: State,
    /// Why it is not draining.
    pub(crate) reason: Option<String>,
    /// What somebody has to decide, where it is halted.
    pub(crate) halted_by: Option<HaltCause>,
    pub(crate) since: Timestamp,
    pub(crate) position: Option<Position>,
    pub(crate) rows: PerLane<Tally>,
    pub(crate) committed_at: Option<Timestamp>,
    /// What its stream held when it was last looked at.
    pub(crate) log: Option<StreamState>,
    /// How old the first frame that is not committed was then; zero where there is none.
    pub(crate) lag: Duration,
    pub(crate) history: CommitHistory,
}

#[derive(Debug)]
struct StreamMetrics {
    lanes: PerLane<LaneMetrics>,
    frames: Counter,
    bytes: Counter,
    staged: Counter,
    batch_rows: Histogram,
    commit: Histogram,
    age: Histogram,
    leader: Gauge,
    halted: Gauge,
    position: Gauge,
    lag_frames: Gauge,
    lag_seconds: Gauge,
    log_bytes: Gauge,
    log_bytes_max: Gauge,
}

#[derive(Debug)]
struct LaneMetrics {
    stored: Counter,
    duplicate: Counter,
    dead: Counter,
}

/// What a commit was, beside its outcome.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommitFigures {
    pub(crate) bytes: u64,
    pub(crate) took: Duration,
    /// How old the oldest of its frames was when it was committed.
    pub(crate) age: Option<Duration>,
}

impl Status {
    pub(crate) fn new(of: StreamId, keep_behind: Duration) -> Self {
        let now = Now {
            state: State::Starting,
            reason: None,
            halted_by: None,
            since: Timestamp::now(),
            position: None,
            rows: PerLane::default(),
            committed_at: None,
            log: None,
            lag: Duration::ZERO,
            history: CommitHistory::new(keep_behind),
        };
        let derived = Arc::new(Board::new(of));
        Self { inner: Arc::new(Inner { of, now: Mutex::new(now), metrics: StreamMetrics::new(of), derived }) }
    }

    /// Whose status it is.
    pub(crate) fn of(&self) -> StreamId {
        self.inner.of
    }

    /// How far what follows from it is derived.
    pub(crate) fn derived(&self) -> &Arc<Board> {
        &self.inner.derived
    }

    /// How it stands. To be let go of before anything is awaited.
    pub(crate) fn now(&self) -> MutexGuard<'_, Now> {
        self.inner.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what its writer is doing. Returns whether that is news.
    pub(crate) fn set(&self, state: State, reason: Option<String>) -> bool {
        self.change(state, reason, None)
    }

    /// Says that its writer stands still. Returns whether that is news.
    pub(crate) fn halt(&self, cause: HaltCause, reason: String) -> bool {
        self.change(State::Halted, Some(reason), Some(cause))
    }

    fn change(&self, state: State, reason: Option<String>, halted_by: Option<HaltCause>) -> bool {
        let metrics = &self.inner.metrics;
        metrics.leader.set(if state == State::Draining { 1.0 } else { 0.0 });
        metrics.halted.set(if state == State::Halted { 1.0 } else { 0.0 });
        let mut now = self.now();
        let is_news = (now.state, now.halted_by) != (state, halted_by);
        if is_news {
            now.since = Timestamp::now();
        }
        (now.state, now.reason, now.halted_by) = (state, reason, halted_by);
        is_news
    }

    /// The position as it is stored.
    pub(crate) fn stored(&self, stored: &StreamPosition) {
        let mut now = self.now();
        if now.position.is_some_and(|known| !stored.position.covers(known)) {
            now.history.forget();
        }
        now.position = Some(stored.position);
        now.rows = stored.rows;
        now.committed_at = Some(stored.committed_at).filter(|_| stored.position.seq > 0);
        self.inner.metrics.position.set(stored.position.seq as f64);
    }

    /// Something was committed.
    pub(crate) fn committed(&self, committed: &Committed, figures: CommitFigures) {
        let metrics = &self.inner.metrics;
        let mut rows = 0;
        for lane in self.of().lanes() {
            let (metrics, tally) = (&metrics.lanes[lane], committed.rows[lane]);
            metrics.stored.increment(tally.stored);
            metrics.duplicate.increment(tally.duplicate);
            metrics.dead.increment(tally.dead);
            rows += tally.rows();
        }
        metrics.frames.increment(committed.frames as u64);
        metrics.bytes.increment(figures.bytes);
        metrics.staged.increment(committed.was_staged.into());
        metrics.batch_rows.record(rows as f64);
        metrics.commit.record(figures.took);
        if let Some(age) = figures.age {
            metrics.age.record(age);
        }
        metrics.position.set(committed.position.seq as f64);
        for (lane, reason, rows) in &committed.dead {
            count_dead(*lane, self.of().shard, *reason, *rows);
        }
        let mut now = self.now();
        now.position = Some(committed.position);
        for lane in self.of().lanes() {
            now.rows[lane] = now.rows[lane] + committed.rows[lane];
        }
        for frame in &committed.unparked {
            if let Some(lane) = frame.lane() {
                now.unpark(self.of(), lane, u64::from(frame.frame().rows));
            }
        }
        now.committed_at = Some(Timestamp::now());
        now.history.note(Instant::now(), committed.position.seq);
    }

    /// Rows that were parked are sent on.
    pub(crate) fn sent_parked(&self, waiting: &Waiting) {
        let mut now = self.now();
        for (lane, &rows) in waiting.rows().iter() {
            now.unpark(self.of(), lane, rows);
            now.rows[lane].sent_on += rows;
        }
    }

    pub(crate) fn failed(&self, failure: &Failure) {
        count_failures(self.of(), failure.class(), 1);
    }

    /// What the stream holds, and how old the first frame is that is not committed.
    pub(crate) fn observed(&self, log: StreamState, lag: Duration) {
        let metrics = &self.inner.metrics;
        let mut now = self.now();
        (now.log, now.lag) = (Some(log), lag);
        metrics.lag_frames.set(now.lag_frames().unwrap_or_default() as f64);
        metrics.lag_seconds.set(lag.as_secs_f64());
        metrics.log_bytes.set(log.bytes as f64);
        metrics.log_bytes_max.set(log.bytes_max as f64);
        self.inner.derived.measure(now.position, Timestamp::now());
    }
}

impl Now {
    /// `rows` rows are parked no more. Where fewer are known to be, the figure is wrong and stays as it is: the shard has the true one, which is
    /// read when the next session begins.
    fn unpark(&mut self, of: StreamId, lane: Lane, rows: u64) {
        let parked = &mut self.rows[lane].parked;
        if let Some(left) = parked.checked_sub(rows) {
            *parked = left;
        } else {
            error!(stream = %of, %lane, parked, rows, "more rows are parked no more than are known to be parked");
        }
    }

    /// How many frames of the log are not committed; `None` while that cannot be known.
    pub(crate) fn lag_frames(&self) -> Option<u64> {
        let (log, position) = (self.log?, self.position?);
        (log.incarnation == position.incarnation).then(|| log.last_seq.saturating_sub(position.seq))
    }
}

impl LaneMetrics {
    fn new(lane: Lane, shard: ShardId) -> Self {
        let rows = |outcome: &'static str| {
            let [lane, shard] = lane.labels(shard);
            counter!(ROWS.name, &[lane, shard, ("outcome", outcome.to_owned())])
        };
        for reason in Reason::ALL {
            count_dead(lane, shard, reason, 0);
        }
        Self { stored: rows("stored"), duplicate: rows("duplicate"), dead: rows("dead") }
    }
}

impl StreamMetrics {
    fn new(of: StreamId) -> Self {
        let labels = of.labels();
        // Otherwise the first increase of each could not be seen.
        Failure::classes().for_each(|class| count_failures(of, class, 0));
        Self {
            lanes: PerLane::from_fn(|lane| LaneMetrics::new(lane, of.shard)),
            frames: counter!(FRAMES.name, &labels),
            bytes: counter!(BYTES.name, &labels),
            staged: counter!(STAGED_BATCHES.name, &labels),
            batch_rows: histogram!(BATCH_ROWS.name, &labels),
            commit: histogram!(COMMIT_SECONDS.name, &labels),
            age: histogram!(COMMIT_AGE_SECONDS.name, &labels),
            leader: gauge!(LEADER.name, &labels),
            halted: gauge!(HALTED.name, &labels),
            position: gauge!(POSITION.name, &labels),
            lag_frames: gauge!(LAG_FRAMES.name, &labels),
            lag_seconds: gauge!(LAG_SECONDS.name, &labels),
            log_bytes: gauge!(LOG_BYTES.name, &labels),
            log_bytes_max: gauge!(LOG_BYTES_MAX.name, &labels),
        }
    }
}

fn count_failures(of: StreamId, class: &'static str, failures: u64) {
    let [stream, shard] = of.labels();
    counter!(ERRORS.name, &[stream, shard, ("class", class.to_owned())]).increment(failures);
}

fn count_dead(lane: Lane, shard: ShardId, reason: Reason, rows: u64) {
    let [lane, shard] = lane.labels(shard);
    counter!(DEAD_LETTERS.name, &[lane, shard, ("reason", reason.to_string())]).increment(rows);
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::StreamKind;

    #[test]
    fn more_than_is_parked_is_not_taken_off() {
        let of = StreamKind::Logged.on(ShardId(0));
        let status = Status::new(of, Duration::ZERO);
        let mut now = status.now();
        now.rows[Lane::Orders].parked = 3;
        let mut left = |rows| {
            now.unpark(of, Lane::Orders, rows);
            now.rows[Lane::Orders].parked
        };
        assert_eq!([left(2), left(2), left(1)], [1, 1, 0]);
    }
}
