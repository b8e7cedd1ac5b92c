//! Whether a target's stream is still the one that took the last frame.
//!
//! A stream can be lost and made anew, or lose its tail and go on with the same numbers. Then what was published there is gone,
//! or may be, and everything is owed. It is looked at before anything is published, again before anything is noted where the
//! connection was lost in between, and now and then: only a server that went down loses anything.

use forebay_log::{Log, LogError};
use forebay_model::{Position, StreamId};
use forebay_shard::Published;

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum LastPublished {
    /// It is the one.
    Same,
    /// It is another one: nothing of what is known of it holds.
    Other(Published),
}

/// Looks whether the stream holds, or has trimmed, the last frame that was published there. One that has lost it is made
/// another incarnation, so that everybody sees it.
pub(super) async fn look(log: &Log, stream: StreamId, published: &Published) -> Result<LastPublished, LogError> {
    // Before the state of the stream: a frame that is trimmed in between is seen there to have been.
    let has_frame = has_frame(log, stream, published).await?;
    let state = log.stream_state(stream).await?;
    let Position { incarnation, seq } = published.position;
    if state.incarnation != incarnation {
        return Ok(LastPublished::Other(nothing_in(Position { incarnation: state.incarnation, seq: 0 })));
    }
    // A frame that was trimmed was stored before.
    if has_frame || seq < state.first_seq {
        return Ok(LastPublished::Same);
    }
    let renewed = match log.renew_stream(stream, incarnation).await {
        Ok(renewed) => renewed,
        // Somebody else has found it, too.
        Err(LogError::OtherIncarnation { found, .. }) => found,
        Err(error) => return Err(error),
    };
    tracing::error!(%stream, seq, %renewed, "the stream has lost its tail: everything is derived for it again");
    Ok(LastPublished::Other(nothing_in(Position { incarnation: renewed, seq: 0 })))
}

fn nothing_in(position: Position) -> Published {
    Published { position, frame_id: String::new() }
}

async fn has_frame(log: &Log, stream: StreamId, published: &Published) -> Result<bool, LogError> {
    let seq = published.position.seq;
    if seq == 0 {
        return Ok(true);
    }
    let stored = log.frame(stream, seq).await?;
    let id = stored.and_then(|stored| stored.map_or_else(|damaged| damaged.id, |stored| stored.id));
    Ok(id.is_some_and(|id| id.as_str() == published.frame_id))
}
