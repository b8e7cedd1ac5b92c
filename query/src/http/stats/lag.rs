//! How far a stream of a shard is behind its log.

use std::time::Duration;

use forebay_log::Log;
use forebay_model::{Position, StreamId, Timestamp};
use tokio::time::timeout;

/// How long the log may take to answer.
const LOG_MAX: Duration = Duration::from_secs(1);

/// The frames that are logged and not yet in the shard. Both null where the log does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lag {
    pub(super) lag_frames: Option<u64>,
    /// The age of the oldest of those frames.
    pub(super) lag_seconds: Option<f64>,
}

impl Lag {
    /// Asks the log. `position` is the last frame that the shard has.
    pub(super) async fn read(log: Option<&Log>, stream: StreamId, position: Option<Position>) -> Self {
        let Some(log) = log.filter(|log| log.is_connected()) else { return Self::default() };
        timeout(LOG_MAX, Self::ask(log, stream, position)).await.unwrap_or_default()
    }

    async fn ask(log: &Log, stream: StreamId, position: Option<Position>) -> Self {
        let Ok(state) = log.stream_state(stream).await else { return Self::default() };
        // Before the first commit everything is ahead; a position in another making of the stream says nothing.
        let seq = match position {
            None => 0,
            Some(position) if position.incarnation == state.incarnation => position.seq,
            Some(_) => return Self::default(),
        };
        let frames = state.last_seq.saturating_sub(seq);
        if frames == 0 {
            return Self { lag_frames: Some(0), lag_seconds: Some(0.0) };
        }
        let oldest = log.frame(stream, (seq + 1).max(state.first_seq)).await.ok().flatten();
        let logged_at = oldest.and_then(|stored| stored.ok()?.frame.ok()).map(|frame| frame.enqueued_at);
        let age = logged_at.map(|at| Timestamp::now().since(at).as_secs_f64());
        Self { lag_frames: Some(frames), lag_seconds: age }
    }
}
