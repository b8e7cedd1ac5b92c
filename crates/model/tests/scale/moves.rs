//! What the map goes through while units move: every decision about every unit, in the order of writers, and how large the map becomes.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::ownership::{DailySums, Inheritance, MoveEntry, Phase, Sum, Tenure, Unit};
use forebay_model::routing::turn::UNDER_WAY_MAX;
use forebay_model::{Bucket, Decision, Incarnation, Position, ShardId, ShardMap, StreamKind, Weighed};

use crate::fleet::{Load, even, first_beyond, member, shares};
use crate::page::{Table, number};

/// `--moves-at-once` of writers.
const AT_ONCE: usize = 64;
/// What a message of NATS may have, as it is by default and in `deploy/nats.conf`.
const MESSAGE_BYTES_MAX: usize = 1 << 20;

/// What became of a map while all that waited moved.
struct Course {
    units: usize,
    sources: usize,
    /// How often it was changed, where each source's writer decides for itself.
    changes: usize,
    bytes: usize,
    bytes_max: usize,
}

fn bytes(map: &ShardMap) -> usize {
    serde_json::to_vec(map).unwrap().len()
}

/// What a source leaves to a target, as large as it is where a unit has a million rows.
fn inheritance(entry: &MoveEntry) -> Inheritance {
    let mut sums = DailySums::default();
    for lane in entry.unit.stream().lanes() {
        sums.add(lane, 20_000, Sum { rows: 1_000_000, checksum: 0x9e37_79b9_7f4a_7c15 });
    }
    let at = |seq| Position { incarnation: Incarnation::new(1_750_000_000_000_001), seq };
    let tenure = Tenure { since: at(1), left: Some(at(123_456_789)) };
    Inheritance { sums: sums.total(), origins: BTreeMap::from([(entry.from, tenure)]) }
}

/// What the writer of a source decides next. Rows are kept where they were until nothing moves any more.
fn decisions(map: &ShardMap, from: ShardId) -> Vec<Decision> {
    let next = |entry: &MoveEntry| {
        let phase = match entry.phase {
            Phase::Copying => Phase::Releasing,
            Phase::Releasing => Phase::Routed,
            Phase::Routed => Phase::Active(inheritance(entry)),
            Phase::Active(_) => Phase::Owned,
            Phase::Owned | Phase::Refused | Phase::TurnedBack => return None,
        };
        Some(Decision::Next(entry.unit, entry.of, phase))
    };
    let mut decisions: Vec<Decision> = map.moves().iter().filter(|entry| entry.from == from).filter_map(next).collect();
    map.limit_between(&mut decisions, Some(from));
    decisions.extend(map.begins(Some(from), AT_ONCE));
    decisions
}

fn carry_out(map: &ShardMap, moves: &[(Bucket, ShardId)]) -> Course {
    let units = moves.iter().flat_map(|&(bucket, to)| StreamKind::ALL.map(|stream| (Unit::of(stream, bucket), to)));
    let units: Vec<(Unit, ShardId)> = units.collect();
    let source = |map: &ShardMap, unit: Unit| map.shard(unit.stream(), unit.bucket());
    let sources: BTreeSet<ShardId> = units.iter().map(|&(unit, _)| source(map, unit)).collect();
    let waits: Vec<Decision> = units.iter().map(|&(unit, to)| Decision::Wait(unit, to)).collect();
    let mut now = map.decided(&waits).unwrap();
    let (mut changes, mut bytes_max) = (1, bytes(&now));
    loop {
        let before = now.epoch();
        for &from in &sources {
            let decisions = decisions(&now, from);
            if !decisions.is_empty() {
                now = now.decided(&decisions).unwrap();
                changes += 1;
            }
        }
        if now.epoch() == before {
            break;
        }
        bytes_max = bytes_max.max(bytes(&now));
    }
    let finish: Vec<Decision> = now.moves().iter().map(|entry| Decision::Finish(entry.unit, entry.of)).collect();
    assert_eq!(finish.len(), units.len(), "each of them is owned where it went");
    now = now.decided(&finish).unwrap();
    assert!(now.moves().is_empty() && now.queue().waiting().next().is_none());
    assert!(units.iter().all(|&(unit, to)| source(&now, unit) == to));
    Course {
        units: units.len(),
        sources: sources.len(),
        changes: changes + sources.len(),
        bytes: bytes(map),
        bytes_max,
    }
}

/// A map to which the shards from `from` up to `to` have come, and what moves then.
fn grown(from: u16, to: u16) -> (ShardMap, Vec<(Bucket, ShardId)>) {
    let map = even(from).next_with_members((from..to).map(|shard| (ShardId(shard), member(shard))));
    let moves = weighed(&map).rebalance(&shares(to));
    (map, moves)
}

fn weighed(map: &ShardMap) -> Weighed {
    Load::alike().on(map)
}

pub(crate) fn table() -> Table {
    let mut table = Table::new(&[
        "what",
        "units",
        "sources",
        "changes of the map",
        "bytes of the map",
        "bytes at most",
        "of a message",
    ]);
    let mut row = |what: String, (map, moves): (ShardMap, Vec<(Bucket, ShardId)>)| {
        let Course { units, sources, changes, bytes, bytes_max } = carry_out(&map, &moves);
        let part = format!("{:.0} %", bytes_max as f64 * 100.0 / MESSAGE_BYTES_MAX as f64);
        table.row(&[what, number(units), number(sources), number(changes), number(bytes), number(bytes_max), part]);
    };
    for shards in [3, 10, 30, 100, 300] {
        row(format!("{shards} shards and one more"), grown(shards, shards + 1));
    }
    let hundred = even(100);
    row("one of 100 is drained".to_owned(), {
        let moves = weighed(&hundred).drain(ShardId(0), &shares(100));
        (hundred.clone(), moves)
    });
    row("100 shards become 200".to_owned(), grown(100, 200));
    table
}

#[test]
fn whatever_moves_is_where_the_plan_says_and_the_map_fits_into_a_message() {
    for (map, moves) in [grown(3, 4), grown(30, 31), grown(100, 200)] {
        let course = carry_out(&map, &moves);
        assert!(course.units > 0 && course.bytes_max < MESSAGE_BYTES_MAX, "{} bytes", course.bytes_max);
    }
}

/// The largest map that there can be of `shards` shards: as many units as may be are under way, each in the phase that takes most, and all others are
/// kept where they were.
fn fullest(shards: u16) -> ShardMap {
    let map = even(shards);
    let place = |unit: Unit| map.shard(unit.stream(), unit.bucket());
    let next = |unit: Unit| ShardId((place(unit).0 + 1) % shards);
    let units: Vec<Unit> =
        StreamKind::ALL.iter().flat_map(|&stream| Bucket::all().map(move |of| Unit::of(stream, of))).collect();
    let begin: Vec<Decision> = units.iter().map(|&unit| Decision::Begin(unit, next(unit))).collect();
    let mut now = map.decided(&begin).unwrap();
    for phase in [Phase::Releasing, Phase::Routed] {
        now = now.decided(&all_to(&now, usize::MAX, |_| phase.clone())).unwrap();
    }
    now = now.decided(&all_to(&now, usize::MAX, |entry| Phase::Active(inheritance(entry)))).unwrap();
    now.decided(&all_to(&now, units.len() - UNDER_WAY_MAX, |_| Phase::Owned)).unwrap()
}

fn all_to(map: &ShardMap, count: usize, phase: impl Fn(&MoveEntry) -> Phase) -> Vec<Decision> {
    let next = |entry: &MoveEntry| Decision::Next(entry.unit, entry.of, phase(entry));
    map.moves().iter().take(count).map(next).collect()
}

/// From how many shards on the largest map does not fit into a message.
pub(crate) fn map_beyond() -> Option<u16> {
    first_beyond(4096, |shards| bytes(&fullest(shards.max(2))) <= MESSAGE_BYTES_MAX)
}

#[test]
fn the_largest_map_of_a_thousand_shards_fits_into_a_message() {
    let bytes = bytes(&fullest(1000));
    assert!(bytes <= MESSAGE_BYTES_MAX, "{bytes} bytes");
}
