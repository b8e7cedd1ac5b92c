//! The map and each shard's figures.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use forebay_admin::room::Room;
use forebay_admin::shards::{DerivedFigures, Figures, LaneFigures, ShardFigures, StreamFigures};
use forebay_model::{Hash, Labels};

use crate::text::grouped;

const UNKNOWN: &str = "–";

/// Labels as they stand behind an address.
pub fn labels_text(labels: &Labels) -> String {
    labels.iter().map(|(name, value)| format!(" {name}={value}")).collect::<Vec<_>>().concat()
}

/// A line about the map, a table of streams and lanes, and a line for each shard that is owed something.
pub fn figures_text(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header([
        "shard",
        "address",
        "buckets",
        "stream",
        "position",
        "lag",
        "log",
        "lane",
        "stored",
        "duplicate",
        "dead",
    ]);
    for column in [2, 4, 5, 6, 8, 9, 10] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for shard in &figures.shards {
        for (place, lane) in shard.lanes.iter().enumerate() {
            let is_first_of_stream = place == 0 || shard.lanes[place - 1].lane.kind() != lane.lane.kind();
            let stream = shard.streams.iter().find(|stream| is_first_of_stream && stream.stream == lane.lane.kind());
            let row = [cells_of_shard(shard, place == 0), cells_of_stream(stream), cells_of_lane(shard, lane)];
            table.add_row(row.concat());
        }
    }
    let hash = match figures.hash {
        Hash::Md5 => "MD5",
        Hash::Modulo => "modulo for integers, else MD5",
    };
    let shards = figures.shards.len();
    let mut lines =
        vec![format!("Shard map of epoch {}: 4096 buckets on {shards} shards, routed by {hash}.", figures.epoch)];
    lines.push(table.to_string());
    let leaving = figures.shards.iter().filter(|shard| shard.leaving).map(|shard| shard.shard);
    lines
        .extend(leaving.map(|of| format!("Shard {of} leaves the system: `forebay shards remove {of} --yes` goes on.")));
    lines.extend(figures.shards.iter().filter_map(room));
    lines.extend(figures.shards.iter().flat_map(|shard| shard.derived.iter().filter_map(|to| owed(shard, to))));
    lines.join("\n")
}

fn cells_of_shard(shard: &ShardFigures, is_first: bool) -> Vec<String> {
    let first = |text: String| if is_first { text } else { String::new() };
    let labels = labels_text(&shard.labels);
    let address = first(format!("{}{labels}", shard.addresses));
    vec![first(shard.shard.to_string()), address, first(grouped(shard.buckets as u64))]
}

fn cells_of_stream(stream: Option<&StreamFigures>) -> Vec<String> {
    let Some(stream) = stream else { return vec![String::new(); 4] };
    let position = stream.position.as_deref().and_then(|position| position.split_once('.')).map(|(_, seq)| seq);
    let mib = |bytes: u64| format!("{:.1} MiB", bytes as f64 / 1_048_576.0);
    vec![
        stream.stream.to_string(),
        position.unwrap_or(UNKNOWN).to_owned(),
        number(stream.lag_frames),
        stream.log_bytes.map_or_else(|| UNKNOWN.to_owned(), mib),
    ]
}

fn cells_of_lane(shard: &ShardFigures, lane: &LaneFigures) -> Vec<String> {
    let state = if shard.unreachable.is_some() { "unreachable" } else { UNKNOWN };
    vec![
        lane.lane.to_string(),
        lane.stored.map_or_else(|| state.to_owned(), grouped),
        number(lane.duplicate),
        number(lane.dead),
    ]
}

fn number(number: Option<u64>) -> String {
    number.map_or_else(|| UNKNOWN.to_owned(), grouped)
}

/// What a shard's database takes, and what is free beside it.
fn room(shard: &ShardFigures) -> Option<String> {
    let Room { used, free } = shard.room?;
    let mib = |bytes: u64| grouped(bytes >> 20);
    let free = free
        .map_or_else(|| "its disk cannot be seen from here".to_owned(), |free| format!("{} MiB are free", mib(free)));
    Some(format!("Shard {} takes {} MiB; {free}.", shard.shard, mib(used)))
}

/// What a shard owes to another, where it does.
fn owed(shard: &ShardFigures, to: &DerivedFigures) -> Option<String> {
    let what = match to.frames_owed {
        Some(0) => return None,
        Some(1) => "what follows from 1 frame".to_owned(),
        Some(frames) => format!("what follows from {} frames", grouped(frames)),
        None => "everything that follows from its orders".to_owned(),
    };
    let since = to.owed_since.as_ref().map_or_else(String::new, |since| format!(", logged since {since}"));
    Some(format!("Shard {} owes shard {} {what}{since}.", shard.shard, to.target))
}

#[cfg(test)]
mod tests {
    use forebay_model::{Labels, Lane, ShardId, StreamKind};

    use super::*;

    #[test]
    fn snapshot_of_shards() {
        let stream = |stream, is_known: bool| StreamFigures {
            stream,
            position: is_known.then(|| "1751286600000000.460".to_owned()),
            committed_at: None,
            lag_frames: is_known.then_some(13),
            log_last: Some(473),
            log_frames: Some(473),
            log_bytes: Some(12 << 20),
            fault: None,
        };
        let lane = |lane, stored: Option<u64>| LaneFigures {
            lane,
            stored,
            duplicate: stored.map(|_| 3),
            dead: stored.map(|_| 0),
        };
        let derived = |target, frames_owed: Option<u64>| DerivedFigures {
            target: ShardId(target),
            through: "1751286600000000.40".to_owned(),
            frames_owed,
            owed_since: frames_owed.filter(|&frames| frames > 1).map(|_| "2025-06-30T12:30:00Z".to_owned()),
        };
        let shard = |shard, unreachable: Option<&str>, stored: Option<u64>| ShardFigures {
            shard: ShardId(shard),
            addresses: format!("127.0.0.1:544{shard}/forebay"),
            labels: Labels::new(),
            buckets: 2048,
            leaving: false,
            unreachable: unreachable.map(str::to_owned),
            room: stored.map(|_| Room { used: 700 << 20, free: Some(40 << 30) }),
            streams: StreamKind::ALL.map(|kind| stream(kind, stored.is_some())).into(),
            lanes: Lane::ALL.map(|of| lane(of, stored)).into(),
            derived: stored.map_or_else(Vec::new, |_| {
                vec![derived(0, Some(0)), derived(1, Some(1)), derived(2, Some(420)), derived(3, None)]
            }),
        };
        let shards = vec![shard(0, None, Some(1_234_567)), shard(1, Some("does not answer"), None)];
        insta::assert_snapshot!(figures_text(&Figures { epoch: 1, hash: Hash::Md5, shards }));
    }
}
