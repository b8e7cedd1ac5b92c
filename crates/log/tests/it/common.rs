//! What the tests share: a log of their own, frames, and waiting for a condition.

use std::fmt::Debug;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::{Frame, FrameId, FrameReader, Log, LogName, LogSettings, ReadError, StoredFrame};
use forebay_model::{Epoch, Lane, Position, ShardId, Timestamp};
use tokio::time::Instant;

/// The lane and shard of tests that need just one.
pub(crate) const LANE: Lane = Lane::Orders;
/// See [`LANE`].
pub(crate) const SHARD: ShardId = ShardId(0);
/// Long enough for anything on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Settings for a log that no other test has, on the shared server.
pub(crate) async fn settings(hint: &str) -> LogSettings {
    let stack = forebay_stack::shared().await;
    settings_at(&stack.nats_url(), &stack.unique_prefix(hint))
}

/// Settings for a log on a certain server.
pub(crate) fn settings_at(url: &str, prefix: &str) -> LogSettings {
    let name: LogName = prefix.parse().expect("a prefix is a name");
    let mut settings = LogSettings::new(url, name);
    settings.stream_bytes_max = 256 << 20;
    settings
}

/// A log with one stream, on the shared server.
pub(crate) async fn log(hint: &str) -> Log {
    log_with(settings(hint).await).await
}

/// A log with one stream.
pub(crate) async fn log_with(settings: LogSettings) -> Log {
    let log = Log::connect(settings).await.expect("the server of the tests answers");
    log.ensure_streams([SHARD], &[LANE]).await.expect("a stream can be made");
    log
}

/// A new frame with that payload.
pub(crate) fn frame(payload: impl Into<Bytes>) -> Frame {
    Frame {
        lane: LANE,
        rows: 1,
        epoch: Epoch(1),
        enqueued_at: Timestamp::now(),
        id: FrameId::random(),
        payload: payload.into(),
    }
}

/// A deadline that is far away.
pub(crate) fn later() -> Instant {
    Instant::now() + PATIENCE
}

/// Publishes that many frames, one after the other.
pub(crate) async fn publish_many(log: &Log, count: usize) -> Vec<(Position, Frame)> {
    let mut published = Vec::with_capacity(count);
    for number in 0..count {
        let frame = frame(format!("frame {number}"));
        let position = log.publish(SHARD, &frame, later()).await.expect("the log takes a frame");
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

/// Waits for something that must happen soon.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it happens in time")
}

/// Asks again and again until the answer is right; fails with the last answer.
pub(crate) async fn eventually<T: Debug, F: Future<Output = T>>(
    mut ask: impl FnMut() -> F,
    right: impl Fn(&T) -> bool,
) -> T {
    let deadline = later();
    loop {
        let answer = ask().await;
        if right(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not become right; at last it was {answer:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Tries again and again until it works; fails with the last error.
pub(crate) async fn eventually_ok<T: Debug, E: Debug, F: Future<Output = Result<T, E>>>(
    attempt: impl FnMut() -> F,
) -> T {
    eventually(attempt, Result::is_ok).await.expect("it was just seen to work")
}
