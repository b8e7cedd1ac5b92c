//! How fast copies go to a shard's log: no faster than the shard commits them, so that orders that come behind them do not wait; and no faster than
//! somebody has said.

use std::collections::VecDeque;
use std::num::NonZeroU32;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_log::{Frame, Log};
use forebay_model::{Position, StreamId};
use forebay_shard::{ShardPool, StreamPosition};
use tokio::time::{Instant, sleep, sleep_until};

use crate::control::publish::publish_within;

/// Bytes that may be on their way to a shard: at first, at least and at most.
const FIRST_BYTES: usize = 1 << 20;
const BYTES: std::ops::RangeInclusive<usize> = (128 << 10)..=(16 << 20);
/// A shard that takes longer to commit what was published gets less at a time, and else more.
const LATE: Duration = Duration::from_millis(200);
/// How often it is looked how far a shard has come.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// Nothing is copied to a stream of which more than one in N bytes is not committed.
const STREAM_PART: u64 = 4;
/// How long a publish may take.
const PUBLISH_WITHIN: Duration = Duration::from_secs(10);
/// What was not copied in time may be made up for so long.
const BURST: Duration = Duration::from_millis(100);

/// Copies on their way to one stream.
#[derive(Debug)]
pub(super) struct Flow {
    stream: StreamId,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Bytes that may be on their way.
    limit: usize,
    /// Bytes that are being published.
    reserved: usize,
    /// What is published and not known to be committed, in the order of its acknowledgements.
    flying: VecDeque<Flying>,
    /// Whether the limit was met since it was last set.
    was_met: bool,
    looked_at: Option<Instant>,
    /// Whether the stream has too much that is not committed.
    is_behind: bool,
}

#[derive(Clone, Copy, Debug)]
struct Flying {
    at: Position,
    bytes: usize,
    since: Instant,
}

/// How many rows are copied in a second.
#[derive(Debug, Default)]
pub(super) struct Pacer(Mutex<Option<Instant>>);

impl Pacer {
    /// Waits until that number of rows may go.
    pub(super) async fn wait(&self, rows: u32, rows_per_s: Option<NonZeroU32>) {
        let Some(rate) = rows_per_s else { return };
        let at = {
            let mut next = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            let earliest = Instant::now() - BURST;
            let at = next.map_or(earliest, |next| next.max(earliest));
            *next = Some(at + Duration::from_secs_f64(f64::from(rows) / f64::from(rate.get())));
            at
        };
        sleep_until(at).await;
    }
}

impl Flow {
    pub(super) fn to(stream: StreamId) -> Self {
        let state = State {
            limit: FIRST_BYTES,
            reserved: 0,
            flying: VecDeque::new(),
            was_met: false,
            looked_at: None,
            is_behind: false,
        };
        Self { stream, state: Mutex::new(state) }
    }

    /// Puts a frame into the stream, once there is room for it, and gives where it lies.
    ///
    /// # Errors
    /// Where the shard does not tell how far it is, or its log does not take the frame.
    pub(super) async fn send(&self, log: &Log, pool: &ShardPool, frame: Frame) -> Result<Position> {
        let bytes = frame.payload.len();
        while !self.state().reserve(bytes) {
            self.look(log, pool).await?;
            sleep(LOOK_EVERY).await;
        }
        let published = publish_within(log, self.stream.shard, &frame, PUBLISH_WITHIN).await;
        let mut state = self.state();
        state.reserved -= bytes;
        let at = published?;
        state.flying.push_back(Flying { at, bytes, since: Instant::now() });
        Ok(at)
    }

    /// Looks how far the shard has come, unless somebody has just now.
    async fn look(&self, log: &Log, pool: &ShardPool) -> Result<()> {
        {
            let mut state = self.state();
            if state.looked_at.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
                return Ok(());
            }
            state.looked_at = Some(Instant::now());
        }
        let mut lease = pool.acquire().await?.cut_unless_done();
        let position = StreamPosition::of(&mut lease, self.stream.kind).await?;
        lease.done();
        let position = position.with_context(|| format!("{} was never read", self.stream))?.position;
        let stream = log.stream_state(self.stream).await?;
        let lag = stream.last_seq.saturating_sub(position.seq);
        let mut state = self.state();
        state.is_behind = has_too_much(lag, stream.bytes, stream.frames, stream.bytes_max);
        state.committed(position, Instant::now());
        Ok(())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a stream with that many bytes and frames, of which the last `lag` frames are not committed, is too full for more copies.
pub(super) fn has_too_much(lag: u64, bytes: u64, frames: u64, bytes_max: u64) -> bool {
    let mean = bytes / frames.max(1);
    lag.saturating_mul(mean) > bytes_max / STREAM_PART
}

impl State {
    /// Whether that number of bytes may go now. A frame that is larger than all may go alone.
    fn reserve(&mut self, bytes: usize) -> bool {
        let flying = self.reserved + self.flying.iter().map(|flying| flying.bytes).sum::<usize>();
        let may_go = !self.is_behind && (flying == 0 || flying + bytes <= self.limit);
        if may_go {
            self.reserved += bytes;
        } else {
            self.was_met = true;
        }
        may_go
    }

    /// The shard has come so far.
    fn committed(&mut self, position: Position, now: Instant) {
        let is_gone = |flying: &Flying| position.incarnation != flying.at.incarnation || position.covers(flying.at);
        let latest = self.flying.iter().filter(|flying| is_gone(flying)).map(|flying| now - flying.since).max();
        self.flying.retain(|flying| !is_gone(flying));
        let oldest = self.flying.iter().map(|flying| now - flying.since).max();
        let Some(latency) = latest.max(oldest.filter(|&age| age > LATE)) else { return };
        if latency > LATE {
            self.limit = (self.limit / 4 * 3).max(*BYTES.start());
        } else if self.was_met {
            self.limit = (self.limit / 4 * 5).min(*BYTES.end());
        }
        self.was_met = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Incarnation, ShardId, StreamKind};

    fn at(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(1), seq }
    }

    /// What may be on its way to a shard that takes that long to commit, after many looks.
    fn limit(latency: Duration) -> usize {
        let flow = Flow::to(StreamKind::Logged.on(ShardId(0)));
        let mut state = flow.state.into_inner().unwrap();
        let start = Instant::now();
        for seq in 0..60 {
            assert!(state.reserve(1000));
            while state.reserve(1000) {}
            state.reserved = 0;
            state.flying.push_back(Flying { at: at(seq), bytes: 1000, since: start });
            state.committed(at(seq), start + latency);
        }
        state.limit
    }

    #[test]
    fn what_is_on_its_way_follows_the_latency_of_the_shard() {
        assert_eq!(limit(Duration::from_millis(50)), *BYTES.end());
        assert_eq!(limit(Duration::from_secs(1)), *BYTES.start());
    }

    #[test]
    fn a_stream_that_is_far_behind_gets_nothing() {
        let flow = Flow::to(StreamKind::Logged.on(ShardId(0)));
        let mut state = flow.state.into_inner().unwrap();
        assert!(state.reserve(100 << 20), "a frame that is larger than all goes alone");
        assert!(!state.reserve(1));
        state.reserved = 0;
        state.is_behind = true;
        assert!(!state.reserve(1));
    }
}
