//! Frames into the log, however long that takes: a full log is waited for, a lost connection too.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use forebay_log::{Frame, Log};
use forebay_model::fact::FramePart;
use forebay_model::{Epoch, Position, ShardId, StreamId};
use futures::future::try_join_all;
use tokio::time::Instant;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// Puts every part into the log. Returns where each of them lies.
pub(crate) async fn publish_all(log: &Log, epoch: Epoch, parts: Vec<FramePart>) -> Result<Vec<(StreamId, Position)>> {
    let publishing = parts.into_iter().map(|part| async {
        let (stream, shard) = (part.lane.on(part.shard), part.shard);
        Ok::<_, anyhow::Error>((stream, publish(log, shard, frame(part, epoch)).await?))
    });
    try_join_all(publishing).await
}

fn frame(part: FramePart, epoch: Epoch) -> Frame {
    Frame { claims: part.claims, ..Frame::new(part.lane, part.rows, epoch, Bytes::from(part.tuples)) }
}

/// Puts a frame into the log of a shard, and gives where it lies. Attempts carry the same id, so the log keeps one of them.
pub(crate) async fn publish(log: &Log, shard: ShardId, frame: Frame) -> Result<Position> {
    loop {
        match log.publish(shard, &frame, Instant::now() + ATTEMPT).await {
            Ok(position) => return Ok(position),
            Err(error) if error.is_retryable() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error).with_context(|| format!("the log of shard {shard}")),
        }
    }
}

/// The same, for so long at most.
///
/// # Errors
/// Also where the log does not take it in time; it may take it yet.
pub(crate) async fn publish_within(log: &Log, shard: ShardId, frame: &Frame, within: Duration) -> Result<Position> {
    let published = log.publish_until(shard, frame, Instant::now() + within).await;
    published.with_context(|| format!("the log of shard {shard}"))
}
