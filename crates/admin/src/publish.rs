//! Frames into the log, however long that takes: a full log is waited for, a lost connection too.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use forebay_log::{Frame, Log};
use forebay_model::fact::FramePart;
use forebay_model::{Epoch, ShardId};
use futures::future::try_join_all;
use tokio::time::Instant;

/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How long to wait before the next attempt.
const PAUSE: Duration = Duration::from_millis(500);

/// Puts every part into the log. Returns how many facts these were.
pub(crate) async fn publish_all(log: &Log, epoch: Epoch, parts: Vec<FramePart>) -> Result<u64> {
    let facts = parts.iter().map(|part| u64::from(part.rows)).sum();
    try_join_all(parts.into_iter().map(|part| publish(log, part.shard, frame(part, epoch)))).await?;
    Ok(facts)
}

fn frame(part: FramePart, epoch: Epoch) -> Frame {
    Frame { claims: part.claims, ..Frame::new(part.lane, part.rows, epoch, Bytes::from(part.tuples)) }
}

/// Attempts carry the same id, so the log keeps one of them.
async fn publish(log: &Log, shard: ShardId, frame: Frame) -> Result<()> {
    loop {
        match log.publish(shard, &frame, Instant::now() + ATTEMPT).await {
            Ok(_) => return Ok(()),
            Err(error) if error.is_retryable() => tokio::time::sleep(PAUSE).await,
            Err(error) => return Err(error).with_context(|| format!("the log of shard {shard}")),
        }
    }
}
