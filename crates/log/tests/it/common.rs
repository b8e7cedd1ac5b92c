//! What the tests share: a log with one stream, and its frames.

use bytes::Bytes;
use forebay_log::{Frame, FrameReader, Log, LogSettings, ReadError, StoredFrame};
use forebay_model::settings::StreamLimits;
use forebay_model::{Lane, Position, ShardId, StreamId};
use forebay_testkit::{DEADLINE, log as kit, within};
use tokio::time::Instant;

/// The stream of tests that need just one.
pub(crate) const STREAM: StreamId = LANE.on(SHARD);
/// The lane of its frames.
pub(crate) const LANE: Lane = Lane::Orders;
/// Its shard.
pub(crate) const SHARD: ShardId = ShardId(0);

/// A log with one stream, on the shared server.
pub(crate) async fn log(hint: &str) -> Log {
    log_with(kit::settings(hint).await).await
}

/// A log with one stream.
pub(crate) async fn log_with(settings: LogSettings) -> Log {
    log_within(settings, kit::LIMITS).await
}

/// A log with one stream that has these limits.
pub(crate) async fn log_within(settings: LogSettings, limits: StreamLimits) -> Log {
    let log = Log::connect(settings).await.expect("the server of the tests answers");
    log.ensure_streams([STREAM], limits).await.expect("a stream can be made");
    log
}

/// A new frame with that payload.
pub(crate) fn frame(payload: impl Into<Bytes>) -> Frame {
    kit::frame(LANE, 1, payload)
}

/// A deadline that is far away.
pub(crate) fn later() -> Instant {
    Instant::now() + DEADLINE
}

/// Publishes that many frames, one after the other.
pub(crate) async fn publish_many(log: &Log, count: usize) -> Vec<(Position, Frame)> {
    let mut published = Vec::with_capacity(count);
    for number in 0..count {
        let frame = frame(format!("frame {number}"));
        let position = kit::publish(log, SHARD, &frame).await;
        published.push((position, frame));
    }
    published
}

/// Reads at least that many frames.
pub(crate) async fn read_many(reader: &mut FrameReader, count: usize) -> Vec<StoredFrame> {
    let mut read = Vec::new();
    while read.len() < count {
        let batch = within(reader.next_batch(1000, 1 << 20)).await;
        read.extend(batch.expect("the log can be read"));
    }
    read
}

/// The error that a reader ends with, whatever it gives before.
pub(crate) async fn read_error(reader: &mut FrameReader) -> ReadError {
    loop {
        if let Err(error) = within(reader.next_batch(1000, 1 << 20)).await {
            return error;
        }
    }
}
