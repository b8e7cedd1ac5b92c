//! The shard map, the streams that it asks for, and whether each position fits its stream.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_log::{Log, StreamState};
use forebay_model::{Position, ShardId, ShardMap, StreamId};
use forebay_shard::{ShardArgs, ShardList, StreamPosition};
use tokio::time::timeout;

use super::postgres::ShardFindings;
use super::report::{Check, Notes, mib};

/// How long a map may take to be read.
const MAP_WITHIN: Duration = Duration::from_secs(3);
/// A stream that is fuller than this, in percent, is told of: when it is full, ingest answers 503.
const FULL_PERCENT: u64 = 80;

/// The map, where there is one, and where its shards are.
pub(super) async fn map(log: &Log, shards: &ShardArgs, checks: &mut Vec<Check>) -> (Option<Arc<ShardMap>>, ShardList) {
    let mut notes = Notes::of("shard map");
    let mut maps = log.map();
    let found = timeout(MAP_WITHIN, maps.wait_for(Option::is_some)).await.ok().and_then(|map| map.ok()?.clone());
    let list = match &found {
        None => {
            notes.failed("map", "there is none yet", "run `forebay migrate`, or start a writer");
            shards.of_new()
        }
        Some(map) => {
            let told = shards.shards.as_ref().map_or_else(String::new, |told| format!("; --shards has {}", told.len()));
            let saw = format!("epoch {}, {} shards{told}", map.epoch(), map.shards().len());
            match shards.of_map(map) {
                Ok(list) => {
                    notes.ok("map", saw);
                    list
                }
                Err(error) => {
                    notes.failed("map", saw, error.to_string());
                    shards.of_new()
                }
            }
        }
    };
    checks.extend(notes.checks);
    (found, list)
}

/// The streams of every shard of the map.
pub(super) async fn examine(log: &Log, map: &ShardMap, shards: &BTreeMap<ShardId, ShardFindings>) -> Vec<Check> {
    let mut checks = Vec::new();
    for shard in map.shards() {
        let positions = shards.get(&shard).and_then(|found| found.positions.as_deref());
        checks.extend(shard_streams(log, shard, positions).await);
    }
    checks
}

/// One line for all streams of a shard that are well, and one for each that is not.
async fn shard_streams(log: &Log, shard: ShardId, positions: Option<&[StreamPosition]>) -> Vec<Check> {
    let mut notes = Notes::of(format!("streams of shard {shard}"));
    let (mut bytes, mut bytes_max) = (0, 0);
    for stream in StreamId::all_of(shard) {
        let state = match log.stream_state(stream).await {
            Ok(state) => state,
            Err(error) => {
                let saw = format!("{stream}: {error}");
                notes.failed("stream", saw, "run `forebay migrate` with the writer's settings");
                continue;
            }
        };
        bytes += state.bytes;
        bytes_max += state.bytes_max;
        let position = positions.and_then(|all| all.iter().find(|position| position.stream == stream.kind));
        let fault = log.stream_fault(stream).await.ok().flatten();
        judge(&mut notes, stream, &state, position, fault);
    }
    if notes.checks.is_empty() {
        let fit = if positions.is_some() { "positions fit" } else { "positions are not known" };
        notes.ok("stream", format!("{} of {} used, {fit}", mib(bytes), mib(bytes_max)));
    }
    notes.checks
}

fn judge(
    notes: &mut Notes,
    stream: StreamId,
    state: &StreamState,
    position: Option<&StreamPosition>,
    fault: Option<String>,
) {
    if let Some(fault) = fault {
        let advice = "make it anew with `forebay migrate`, once its frames are stored";
        notes.failed("stream", format!("{stream} is not fit to be a log: {fault}"), advice);
    }
    if let Some(loss) = position.and_then(|position| loss(state, position.position)) {
        let advice = "see docs/OPERATIONS.md, A log that has lost something";
        notes.failed("position", format!("{stream} is halted: {loss}"), advice);
    }
    if state.bytes.saturating_mul(100) > state.bytes_max.saturating_mul(FULL_PERCENT) {
        let saw = format!("{stream}: {} of {} used", mib(state.bytes), mib(state.bytes_max));
        notes.warning(
            "room",
            saw,
            "see by `forebay shards` whether the writer is behind; when it is full, ingest answers 503",
        );
    }
}

/// Why the position is not one of this stream, where it is not.
fn loss(state: &StreamState, at: Position) -> Option<String> {
    if at.incarnation == state.incarnation {
        let ends = format!("the log ends at frame {}, before the position {at}", state.last_seq);
        (state.last_seq < at.seq).then_some(ends)
    } else {
        Some(format!("the position {at} is of another stream, which was there before"))
    }
}
