//! Rows that another shard decides: they are published to its log, and acknowledged, before the batch that had them is committed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::{Frame, Log};
use forebay_model::fact::FramePart;
use forebay_model::{Epoch, Position, ShardId};
use forebay_shard::SentOn;
use futures::future::join_all;
use tokio::time::Instant;
use tracing::{debug, info};

/// How long a frame may take to be acknowledged. The stream waits meanwhile.
const ACK_MAX: Duration = Duration::from_secs(1);
/// How long a log that has not taken a frame is not asked again: rows for it are parked.
const PAUSE: Duration = Duration::from_secs(10);

/// Sends rows on.
#[derive(Debug, Default)]
pub(crate) struct Sender {
    not_before: BTreeMap<ShardId, Instant>,
}

impl Sender {
    /// Sends all of it. A shard whose log has not taken all that is for it is left out of the answer.
    pub(crate) async fn send(&mut self, log: &Log, epoch: Epoch, parts: Vec<FramePart>) -> SentOn {
        if parts.is_empty() {
            return SentOn::new();
        }
        let now = Instant::now();
        let mut by_target: BTreeMap<ShardId, Vec<FramePart>> = BTreeMap::new();
        for part in parts {
            by_target.entry(part.shard).or_default().push(part);
        }
        by_target.retain(|target, _| self.not_before.get(target).is_none_or(|&until| until <= now));
        let sending =
            by_target.into_iter().map(async |(target, parts)| (target, in_order(log, target, epoch, parts).await));
        let mut sent = SentOn::new();
        for (target, last) in join_all(sending).await {
            match last {
                Some(last) => {
                    self.not_before.remove(&target);
                    sent.insert(target, last);
                }
                None => {
                    self.not_before.insert(target, Instant::now() + PAUSE);
                }
            }
        }
        debug!(?sent, "rows were sent on");
        sent
    }
}

/// One frame after the other, so that what was first in this log is first in the other. Gives where the last one lies.
async fn in_order(log: &Log, target: ShardId, epoch: Epoch, parts: Vec<FramePart>) -> Option<Position> {
    let mut last = None;
    for part in parts {
        let frame = Frame { claims: part.claims, ..Frame::new(part.lane, part.rows, epoch, Bytes::from(part.tuples)) };
        match log.publish_until(target, &frame, Instant::now() + ACK_MAX).await {
            Ok(position) => last = Some(position),
            Err(error) => {
                info!(shard = %target, %error, "rows that this shard decides are parked until its log takes them");
                return None;
            }
        }
    }
    last
}
