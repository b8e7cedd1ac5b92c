//! Tuples of concurrent requests become frames, per lane and shard.
//!
//! Natural batching: a frame is published at once when nothing is in flight, and gathers tuples while something is. One
//! client at a time thus waits for one acknowledgement only, and many clients share frames without any timer.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_buffer::{Frame, FrameId, Log, PublishError};
use forebay_model::fact::{FRAME_BYTES_MAX, Part};
use forebay_model::{Epoch, Lane, Position, ShardId, Timestamp};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use metrics::{Counter, Histogram, counter, histogram};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tracing::warn;

use crate::memory::Held;

/// Full frames that may be in flight at one time, per lane and shard.
const IN_FLIGHT_MAX: usize = 8;

/// How long to wait between two attempts to publish a frame.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// A part that waits to be logged.
pub(crate) struct Pending {
    pub(crate) part: Part,
    pub(crate) epoch: Epoch,
    /// The room that the request's bytes take, kept until they are settled even if the client goes away.
    pub(crate) held: Arc<Held>,
    pub(crate) done: oneshot::Sender<Result<Position, Arc<PublishError>>>,
}

/// Makes frames of one lane and shard and sees them acknowledged.
pub(crate) struct Group {
    log: Log,
    lane: Lane,
    shard: ShardId,
    ack_timeout: Duration,
    waiting: VecDeque<Pending>,
    waiting_bytes: usize,
    meters: Meters,
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
    pub(crate) fn new(log: Log, lane: Lane, shard: ShardId, ack_timeout: Duration) -> Self {
        let meters = Meters::new(lane, shard);
        Self { log, lane, shard, ack_timeout, waiting: VecDeque::new(), waiting_bytes: 0, meters }
    }

    /// Runs until every sender is gone and everything they sent is settled.
    pub(crate) async fn run(mut self, mut parts: mpsc::Receiver<Pending>) {
        let mut in_flight = FuturesUnordered::new();
        let mut open = true;
        while open || !in_flight.is_empty() || !self.waiting.is_empty() {
            while flush_now(self.waiting_bytes, in_flight.len()) {
                in_flight.push(self.next_frame());
            }
            tokio::select! {
                biased;
                Some(()) = in_flight.next() => {}
                // What waits here is bounded by the bytes that requests may have in hand.
                pending = parts.recv(), if open => match pending {
                    Some(pending) => {
                        self.take(pending);
                        while let Ok(pending) = parts.try_recv() {
                            self.take(pending);
                        }
                    }
                    None => open = false,
                },
            }
        }
    }

    fn take(&mut self, pending: Pending) {
        self.waiting_bytes += pending.part.tuples.len();
        self.waiting.push_back(pending);
    }

    /// Makes a frame of what waits longest, and publishes it.
    fn next_frame(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let mut parts = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.waiting.front() {
            if !parts.is_empty() && bytes + next.part.tuples.len() > FRAME_BYTES_MAX {
                break;
            }
            bytes += next.part.tuples.len();
            parts.extend(self.waiting.pop_front());
        }
        self.waiting_bytes -= bytes;
        let frame = self.frame(&mut parts, bytes);
        self.meters.count(&frame);
        let (log, shard, ack_timeout) = (self.log.clone(), self.shard, self.ack_timeout);
        let ack_seconds = self.meters.ack_seconds.clone();
        async move {
            let begin = Instant::now();
            let outcome = publish(&log, shard, &frame, begin + ack_timeout).await.map_err(Arc::new);
            ack_seconds.record(begin.elapsed());
            for Pending { done, held, .. } in parts {
                drop(held);
                // Whoever waited for it may have gone away.
                let _ = done.send(outcome.clone());
            }
        }
    }

    fn frame(&self, parts: &mut [Pending], bytes: usize) -> Frame {
        let payload = match parts {
            // A part that is a frame by itself is not copied.
            [only] => Bytes::from(std::mem::take(&mut only.part.tuples)),
            _ => {
                let mut payload = Vec::with_capacity(bytes);
                for pending in &mut *parts {
                    payload.append(&mut pending.part.tuples);
                }
                Bytes::from(payload)
            }
        };
        Frame {
            lane: self.lane,
            rows: parts.iter().map(|pending| pending.part.rows).sum(),
            // The oldest, so that "every frame of that epoch is drained" is never said too early.
            epoch: parts.iter().map(|pending| pending.epoch).min().unwrap_or(Epoch(0)),
            enqueued_at: Timestamp::now(),
            id: FrameId::random(),
            payload,
        }
    }
}

/// Publishes a frame until it is acknowledged or there is no more time. Every attempt carries the same id, so that the
/// log keeps one of them.
async fn publish(log: &Log, shard: ShardId, frame: &Frame, deadline: Instant) -> Result<Position, PublishError> {
    let mut may_be_stored = false;
    loop {
        let error = match log.publish(shard, frame, deadline).await {
            Ok(position) => return Ok(position),
            Err(error) => error,
        };
        may_be_stored |= error == PublishError::Unknown;
        if !retry_now(&error, may_be_stored) {
            return Err(error);
        }
        let pause_end = Instant::now() + RETRY_PAUSE;
        if pause_end >= deadline {
            return Err(if may_be_stored { PublishError::Unknown } else { error });
        }
        warn!(lane = %frame.lane, %shard, %error, "publishing again");
        tokio::time::sleep_until(pause_end).await;
    }
}

/// Whether to try again at once. What lasts longer than a hiccup is better told to the client, unless the frame may be
/// stored already: then only another attempt can tell.
fn retry_now(error: &PublishError, may_be_stored: bool) -> bool {
    match error {
        PublishError::Unknown | PublishError::Busy(_) | PublishError::NoStream => true,
        PublishError::Full(_) | PublishError::Unreachable => may_be_stored,
        PublishError::TooLarge { .. } | PublishError::Refused(_) => false,
    }
}

impl Meters {
    fn new(lane: Lane, shard: ShardId) -> Self {
        let labels = [("lane", lane.to_string()), ("shard", shard.to_string())];
        Self {
            frames: counter!("forebay_ingest_frames_total", &labels),
            orders: counter!("forebay_ingest_rows_total", &labels),
            bytes: counter!("forebay_ingest_frame_bytes_total", &labels),
            frame_rows: histogram!("forebay_ingest_frame_rows", &labels),
            ack_seconds: histogram!("forebay_ingest_ack_seconds", &labels),
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

    #[test]
    fn frames_go_out_at_once_when_nothing_is_in_flight_and_gather_otherwise() {
        assert!(!flush_now(0, 0));
        assert!(flush_now(1, 0));
        assert!(!flush_now(FRAME_BYTES_MAX - 1, 1));
        assert!(flush_now(FRAME_BYTES_MAX, 1));
        assert!(!flush_now(FRAME_BYTES_MAX * 10, IN_FLIGHT_MAX));
    }
}
