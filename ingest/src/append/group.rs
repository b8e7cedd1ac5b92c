//! Tuples of concurrent requests become frames, per lane and shard.
//!
//! Natural batching: a frame is published at once when nothing is in flight, and gathers tuples while something is. One
//! client at a time thus waits for one acknowledgement only, and many clients share frames without any timer. Single orders do
//! not stand behind what batches have in line, of which there may be megabytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::{Frame, Log, PublishError};
use forebay_model::fact::{FRAME_BYTES_MAX, FramePart};
use forebay_model::{Claims, Epoch, Lane, Position, ShardId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use metrics::{Counter, Histogram, counter, histogram};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::instrument;

use crate::append::door::{Door, refusal};
use crate::memory::Held;
use crate::metrics::{ACK_SECONDS, FRAME_BYTES, FRAME_ROWS, FRAMES, ROWS};

/// Full frames that may be in flight at one time, per lane and shard. Each more is one more that a single order waits for.
const IN_FLIGHT_MAX: usize = 2;

/// The room that saying whose a part is takes in its frame, about.
const CLAIM_BYTES: usize = 16;

/// What a part is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// One order, whose client waits for it.
    Order,
    /// A batch.
    Batch,
}

/// A part that waits to be logged.
pub(crate) struct Pending {
    pub(crate) part: FramePart,
    pub(crate) origin: Origin,
    pub(crate) epoch: Epoch,
    /// The room that the facts of its request take, kept until they are settled even if the client goes away.
    pub(crate) held: Arc<Held>,
    pub(crate) done: oneshot::Sender<Result<Position, Arc<PublishError>>>,
}

impl Pending {
    /// How much of a frame it takes.
    fn bytes(&self) -> usize {
        self.part.tuples.len() + CLAIM_BYTES
    }
}

/// Makes frames of one lane for one shard, and sees them acknowledged.
pub(crate) struct Group {
    log: Log,
    lane: Lane,
    shard: ShardId,
    door: Arc<Door>,
    ack_timeout: Duration,
    waiting: Waiting,
    meters: Meters,
}

/// What waits to be logged: a line for each [`Origin`].
#[derive(Default)]
struct Waiting {
    lines: [VecDeque<Pending>; 2],
    /// The line that the next frame begins with.
    first: usize,
    bytes: usize,
}

struct Meters {
    frames: Counter,
    orders: Counter,
    bytes: Counter,
    frame_rows: Histogram,
    ack_seconds: Histogram,
}

/// Whether a frame should go out now.
fn flush_now(waiting_bytes: usize, in_flight: usize) -> bool {
    let is_full = waiting_bytes >= FRAME_BYTES_MAX;
    waiting_bytes > 0 && (in_flight == 0 || (is_full && in_flight < IN_FLIGHT_MAX))
}

impl Group {
    pub(crate) fn new(log: Log, lane: Lane, shard: ShardId, door: Arc<Door>, ack_timeout: Duration) -> Self {
        let meters = Meters::new(lane, shard);
        Self { log, lane, shard, door, ack_timeout, waiting: Waiting::default(), meters }
    }

    /// Runs until every request is answered and everything that they sent is settled.
    #[instrument(name = "group", skip_all, fields(lane = %self.lane, shard = %self.shard))]
    pub(crate) async fn run(
        mut self,
        mut parts: mpsc::Receiver<Pending>,
        answered: CancellationToken,
    ) -> anyhow::Result<()> {
        let mut in_flight = FuturesUnordered::new();
        let mut open = true;
        while open || !in_flight.is_empty() || self.waiting.bytes > 0 {
            while flush_now(self.waiting.bytes, in_flight.len()) {
                in_flight.push(self.next_frame());
            }
            tokio::select! {
                biased;
                Some(is_shut) = in_flight.next() => {
                    if is_shut {
                        self.waiting.refuse_all();
                    }
                }
                // What waits here is bounded by the bytes that requests may have in hand.
                pending = parts.recv(), if open => match pending {
                    Some(pending) => {
                        self.waiting.push(pending);
                        while let Ok(pending) = parts.try_recv() {
                            self.waiting.push(pending);
                        }
                    }
                    None => open = false,
                },
                () = answered.cancelled(), if !parts.is_closed() => parts.close(),
            }
        }
        Ok(())
    }

    /// Makes a frame of what goes next, and publishes it. Whether what waits behind it is to be refused.
    fn next_frame(&mut self) -> impl Future<Output = bool> + Send + use<> {
        let (mut parts, bytes) = self.waiting.next_frame();
        let frame = self.frame(&mut parts, bytes);
        self.meters.count(&frame);
        let (log, shard, ack_timeout) = (self.log.clone(), self.shard, self.ack_timeout);
        let (door, ack_seconds) = (Arc::clone(&self.door), self.meters.ack_seconds.clone());
        async move {
            let begin = Instant::now();
            let outcome = log.publish_until(shard, &frame, begin + ack_timeout).await;
            let is_shut = door.note(&outcome, begin, Instant::now());
            let outcome = outcome.map_err(Arc::new);
            ack_seconds.record(begin.elapsed());
            for Pending { done, held, .. } in parts {
                drop(held);
                // The client that waited for it may have gone away.
                let _ = done.send(outcome.clone());
            }
            is_shut
        }
    }

    fn frame(&self, parts: &mut [Pending], bytes: usize) -> Frame {
        let (mut claims, mut rows) = (Claims::default(), 0);
        for FramePart { rows: more, claims: theirs, .. } in parts.iter().map(|pending| &pending.part) {
            claims.append(rows, theirs);
            rows += more;
        }
        let payload = match parts {
            // A part that is a frame by itself is not copied.
            [only] => Bytes::from(std::mem::take(&mut only.part.tuples)),
            _ => {
                let mut payload = Vec::with_capacity(bytes);
                for pending in &mut *parts {
                    payload.extend(std::mem::take(&mut pending.part.tuples));
                }
                Bytes::from(payload)
            }
        };
        // The oldest, so that "every frame of that epoch is drained" is never said too early.
        let epoch = parts.iter().map(|pending| pending.epoch).min().unwrap_or(Epoch(0));
        Frame { claims, ..Frame::new(self.lane, rows, epoch, payload) }
    }
}

impl Waiting {
    fn push(&mut self, pending: Pending) {
        self.bytes += pending.bytes();
        self.lines[pending.origin as usize].push_back(pending);
    }

    /// Refuses everything that waits: the log is silent, and they would wait for that one after the other.
    fn refuse_all(&mut self) {
        self.bytes = 0;
        for Pending { done, .. } in self.lines.iter_mut().flat_map(|line| line.drain(..)) {
            let _ = done.send(Err(Arc::new(refusal())));
        }
    }

    /// The parts of the next frame, and their bytes. Each line has half of it where both are long, and begins every other
    /// frame, so that a part that is larger by itself comes to its turn as well.
    fn next_frame(&mut self) -> (Vec<Pending>, usize) {
        let (mut parts, mut bytes) = (Vec::new(), 0);
        let (first, second) = (self.first, 1 - self.first);
        for (line, bytes_max) in [(first, FRAME_BYTES_MAX / 2), (second, FRAME_BYTES_MAX), (first, FRAME_BYTES_MAX)] {
            while let Some(next) = self.lines[line].front() {
                if bytes > 0 && bytes + next.bytes() > bytes_max {
                    break;
                }
                bytes += next.bytes();
                parts.extend(self.lines[line].pop_front());
            }
        }
        (self.first, self.bytes) = (second, self.bytes - bytes);
        (parts, bytes)
    }
}

impl Meters {
    fn new(lane: Lane, shard: ShardId) -> Self {
        let labels = lane.labels(shard);
        Self {
            frames: counter!(FRAMES.name, &labels),
            orders: counter!(ROWS.name, &labels),
            bytes: counter!(FRAME_BYTES.name, &labels),
            frame_rows: histogram!(FRAME_ROWS.name, &labels),
            ack_seconds: histogram!(ACK_SECONDS.name, &labels),
        }
    }

    fn count(&self, frame: &Frame) {
        self.frames.increment(1);
        self.orders.increment(u64::from(frame.rows));
        self.bytes.increment(frame.payload.len() as u64);
        self.frame_rows.record(f64::from(frame.rows));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use proptest::prelude::*;

    fn pending(origin: Origin, number: u32, bytes: usize) -> Pending {
        let (lane, shard, claims) = (Lane::Orders, ShardId(0), Claims::default());
        let part = FramePart { lane, shard, rows: number, tuples: vec![0; bytes], claims };
        let held = Arc::new(Memory::new(1 << 20).try_hold(0).unwrap());
        Pending { part, origin, epoch: Epoch(1), held, done: oneshot::channel().0 }
    }

    proptest! {
        #[test]
        fn each_line_moves_on_in_its_order_and_neither_waits_for_all_of_the_other(
            parts in prop::collection::vec((any::<bool>(), prop_oneof![1usize..9000, 1..3 * FRAME_BYTES_MAX]), 0..60),
        ) {
            let mut waiting = Waiting::default();
            for (number, &(is_order, bytes)) in (0..).zip(&parts) {
                waiting.push(pending(if is_order { Origin::Order } else { Origin::Batch }, number, bytes));
            }
            let mut seen = [Vec::new(), Vec::new()];
            // How many frames in a row have left a line out that waited.
            let mut left_out = [0, 0];
            while waiting.bytes > 0 {
                let had_to_wait = [0, 1].map(|line| !waiting.lines[line].is_empty());
                let (frame, bytes) = waiting.next_frame();
                prop_assert_eq!(bytes, frame.iter().map(Pending::bytes).sum::<usize>());
                prop_assert!(!frame.is_empty() && (bytes <= FRAME_BYTES_MAX || frame.len() == 1));
                for line in [0, 1] {
                    let of_line = frame.iter().filter(|next| next.origin as usize == line).map(|next| next.part.rows);
                    let before = seen[line].len();
                    seen[line].extend(of_line);
                    let is_left_out = had_to_wait[line] && seen[line].len() == before;
                    left_out[line] = if is_left_out { left_out[line] + 1 } else { 0 };
                    prop_assert!(left_out[line] < 2);
                }
            }
            let numbers = |is_order| (0..).zip(&parts).filter(move |(_, part)| part.0 == is_order).map(|(number, _)| number);
            prop_assert_eq!(seen, [numbers(true).collect::<Vec<u32>>(), numbers(false).collect()]);
        }
    }

    #[test]
    fn two_long_lines_share_a_frame_whichever_it_begins_with() {
        for first in [0, 1] {
            let mut waiting = Waiting { first, ..Waiting::default() };
            for number in 0..100 {
                waiting.push(pending(Origin::Order, number, 8000));
                waiting.push(pending(Origin::Batch, number, 8000));
            }
            let (frame, _) = waiting.next_frame();
            let orders = frame.iter().filter(|next| next.origin == Origin::Order).count();
            assert_eq!((orders, frame.len() - orders), (4, 4));
        }
    }

    #[test]
    fn frames_go_out_at_once_when_nothing_is_in_flight_and_gather_otherwise() {
        assert!(!flush_now(0, 0));
        assert!(flush_now(1, 0));
        assert!(!flush_now(FRAME_BYTES_MAX - 1, 1));
        assert!(flush_now(FRAME_BYTES_MAX, 1));
        assert!(!flush_now(FRAME_BYTES_MAX * 10, IN_FLIGHT_MAX));
    }
}
