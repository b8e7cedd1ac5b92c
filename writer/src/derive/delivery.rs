//! Frames on their way to one target.

use std::time::Duration;

use forebay_log::{Frame, FrameId, Log, PublishError};
use forebay_model::{Position, ShardId};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;

/// How long a frame may take to be acknowledged before its target counts as away.
const ACK_MAX: Duration = Duration::from_secs(3);
/// Frames of one target that are in flight at one time.
const IN_FLIGHT_MAX: usize = 4;

/// What became of frames that were sent.
#[derive(Debug, Default)]
pub(super) struct Delivered {
    /// Those that the target has acknowledged.
    pub(super) acked: Vec<(Position, FrameId)>,
    /// Why it has not taken the others.
    pub(super) away: Option<PublishError>,
}

/// Sends frames, a few at a time, until one is not taken. Those that are acknowledged are gone from the list.
pub(super) async fn send(log: &Log, target: ShardId, frames: &mut Vec<Frame>) -> Delivered {
    let mut delivered = Delivered::default();
    let mut waiting = std::mem::take(frames).into_iter();
    let mut in_flight = FuturesUnordered::new();
    loop {
        while delivered.away.is_none() && in_flight.len() < IN_FLIGHT_MAX {
            let Some(frame) = waiting.next() else { break };
            in_flight.push(publish(log, target, frame));
        }
        let Some((frame, acked)) = in_flight.next().await else { break };
        match acked {
            Ok(position) => delivered.acked.push((position, frame.id)),
            Err(cause) => {
                delivered.away = Some(cause);
                frames.push(frame);
            }
        }
    }
    frames.extend(waiting);
    delivered
}

/// Publishes a frame, and gives it back.
async fn publish(log: &Log, target: ShardId, frame: Frame) -> (Frame, Result<Position, PublishError>) {
    let acked = log.publish_until(target, &frame, Instant::now() + ACK_MAX).await;
    (frame, acked)
}
