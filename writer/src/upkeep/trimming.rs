//! Looks at each stream every few seconds: how far behind the shard is, and what may be trimmed.

use std::time::Duration;

use forebay_log::{Log, LogError, StreamState};
use forebay_model::{Position, Timestamp};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use crate::status::backlog::Backlog;
use crate::status::{State, Status};

const EVERY: Duration = Duration::from_secs(2);
/// Trimming takes the server tens of milliseconds, so it is not done for a handful of frames.
const TRIM_EVERY: u32 = 3;
/// How much of a stream, in tenths, what is committed may take, beside what is not: the rest is for what comes until the next look. A
/// stream that is fuller is trimmed at each look.
const KEPT_TENTHS: u64 = 5;

/// Looks after every stream until stopping begins.
pub(crate) async fn run(
    log: Log,
    backlog: Backlog,
    keep_behind_bytes: u64,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut round = 0u32;
    while stop.run_until_cancelled(ticks.tick()).await.is_some() {
        round = round.wrapping_add(1);
        for status in &backlog.streams() {
            // Given up in the middle, it has trimmed or it has not; both are right.
            let Some(looked) = stop.run_until_cancelled(look(&log, status, keep_behind_bytes, round)).await else {
                return Ok(());
            };
            if let Err(error) = looked {
                debug!(stream = %status.of(), %error, "the stream cannot be looked at");
            }
        }
    }
    Ok(())
}

async fn look(log: &Log, status: &Status, keep_behind_bytes: u64, round: u32) -> Result<(), LogError> {
    let of = status.of();
    if !log.is_connected() {
        return Ok(());
    }
    let stream = log.stream_state(of).await?;
    let position = status.now().position.filter(|position| position.incarnation == stream.incarnation);
    let Some(position) = position else {
        status.observed(stream, Duration::ZERO);
        return Ok(());
    };
    status.observed(stream, lag(log, status, stream, position).await?);
    if !is_due(&stream, round) {
        return Ok(());
    }
    let (is_leading, old) = {
        let mut now = status.now();
        (now.state == State::Draining, now.history.before_window(Instant::now()))
    };
    let derived_seq = status.derived().derived_seq(position).unwrap_or_default();
    let committed = Done { committed_seq: position.seq, derived_seq };
    let Some(before) = trim_before(&stream, committed, old, keep_behind_bytes).filter(|_| is_leading) else {
        return Ok(());
    };
    let begun = Instant::now();
    log.trim(of, Position { seq: before, ..position }).await?;
    debug!(stream = %of, before, took = ?begun.elapsed(), "trimmed");
    Ok(())
}

/// Whether a stream is to be trimmed at this look.
fn is_due(stream: &StreamState, round: u32) -> bool {
    round.is_multiple_of(TRIM_EVERY) || stream.bytes > stream.bytes_max / 10 * KEPT_TENTHS
}

/// How old the first frame is that is not committed.
async fn lag(log: &Log, status: &Status, stream: StreamState, position: Position) -> Result<Duration, LogError> {
    if stream.last_seq <= position.seq {
        return Ok(Duration::ZERO);
    }
    let Some(next) = log.frame(status.of(), position.seq + 1).await? else {
        warn!(stream = %status.of(), seq = position.seq + 1, "a frame that is not committed is not in the log");
        return Ok(Duration::ZERO);
    };
    let frame = next.ok().and_then(|next| next.frame.ok());
    Ok(frame.map_or(Duration::ZERO, |frame| Timestamp::now().since(frame.enqueued_at)))
}

/// What was done with the frames of a stream.
#[derive(Clone, Copy, Debug)]
struct Done {
    /// The last that is committed.
    committed_seq: u64,
    /// The last of which everything that follows is derived for every shard.
    derived_seq: u64,
}

/// The sequence number before which everything may go: what was committed and derived before the window, and whatever makes the
/// committed part larger than it may be. It yields to frames that are not committed: a stream must not refuse orders in
/// order to keep what is stored already. `None` where there is nothing to trim.
fn trim_before(stream: &StreamState, done: Done, old_seq: Option<u64>, keep_behind_bytes: u64) -> Option<u64> {
    let Done { committed_seq, derived_seq } = done;
    let behind = committed_seq.saturating_sub(stream.first_seq);
    if behind == 0 || stream.frames == 0 {
        return None;
    }
    // Frames differ in size; their mean is near enough, because this is done again and again.
    let mean = (stream.bytes / stream.frames).max(1);
    let ahead_bytes = stream.last_seq.saturating_sub(committed_seq).saturating_mul(mean);
    let room = (stream.bytes_max / 10 * KEPT_TENTHS).saturating_sub(ahead_bytes);
    let keeping = |bytes: u64| committed_seq.saturating_sub(bytes / mean);
    let done_with = old_seq.unwrap_or_default().max(keeping(keep_behind_bytes)).min(derived_seq);
    let before = done_with.max(keeping(room)).min(committed_seq);
    (before > stream.first_seq).then_some(before)
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;

    const MIB: u64 = 1 << 20;

    /// Everything that is committed is derived.
    fn trim_before(stream: &StreamState, committed_seq: u64, old_seq: Option<u64>, keep: u64) -> Option<u64> {
        super::trim_before(stream, Done { committed_seq, derived_seq: committed_seq }, old_seq, keep)
    }

    #[test]
    fn what_is_not_derived_stays_as_long_as_there_is_room() {
        let trim = |stream: &StreamState, derived_seq, old, keep| {
            super::trim_before(stream, Done { committed_seq: 700, derived_seq }, old, keep)
        };
        assert_eq!(trim(&stream(1, 700), 300, Some(600), 10 * MIB), Some(300));
        assert_eq!(trim(&stream(250, 700), 0, Some(600), 10 * MIB), None);
        assert_eq!(trim(&stream(1, 700), 0, Some(600), 10 * MIB), Some(200));
        assert_eq!(trim(&stream(1, 990), 0, Some(600), 10 * MIB), Some(490));
    }

    /// A stream of frames of 1 MiB that may take a thousand of them.
    fn stream(first_seq: u64, last_seq: u64) -> StreamState {
        let frames = last_seq + 1 - first_seq;
        StreamState {
            incarnation: Incarnation::new(1),
            first_seq,
            last_seq,
            frames,
            bytes: frames * MIB,
            bytes_max: 1000 * MIB,
            first_at: None,
            last_at: None,
        }
    }

    #[test]
    fn a_stream_that_is_more_than_half_full_is_trimmed_at_each_look() {
        let looks = |frames| (1..=6).filter(|&round| is_due(&stream(1, frames), round)).collect::<Vec<_>>();
        assert_eq!(looks(500), [3, 6]);
        assert_eq!(looks(501), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn what_is_older_than_the_window_goes() {
        assert_eq!(trim_before(&stream(1, 100), 100, None, 500 * MIB), None);
        assert_eq!(trim_before(&stream(1, 100), 100, Some(40), 500 * MIB), Some(40));
        assert_eq!(trim_before(&stream(40, 100), 100, Some(40), 500 * MIB), None);
        assert_eq!(trim_before(&stream(1, 100), 30, Some(40), 500 * MIB), Some(30));
    }

    #[test]
    fn the_committed_part_has_a_size_that_it_must_not_exceed() {
        assert_eq!(trim_before(&stream(1, 700), 700, None, 500 * MIB), Some(200));
        assert_eq!(trim_before(&stream(1, 500), 500, None, u64::MAX), None);
        assert_eq!(trim_before(&stream(1, 900), 900, None, u64::MAX), Some(400));
    }

    #[test]
    fn the_committed_part_yields_to_a_backlog_that_needs_the_room() {
        assert_eq!(trim_before(&stream(1, 700), 400, None, u64::MAX), Some(200));
        assert_eq!(trim_before(&stream(1, 900), 300, None, u64::MAX), Some(300));
    }

    #[test]
    fn what_is_not_committed_is_never_trimmed() {
        assert_eq!(trim_before(&stream(1, 999), 0, None, 0), None);
        assert_eq!(trim_before(&stream(5, 999), 4, Some(900), 0), None);
        assert_eq!(trim_before(&stream(1, 0), 0, None, 0), None);
    }
}
