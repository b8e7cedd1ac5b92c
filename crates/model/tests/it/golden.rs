//! What tuples, receipts and the map look like, byte for byte.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::num::{NonZeroU16, NonZeroU32};
use std::sync::Arc;

use forebay_model::ownership::{
    self, Change, Inheritance, MoveEntry, MoveId, Ownership, Phase, State, Sums, Tenure, Unit,
};
use forebay_model::tuple::{Tuple, Tuples};
use forebay_model::{
    Accepted, Bucket, Decision, Deriver, Epoch, Facts, Hash, Incarnation, Lane, Member, Pace, Position, Receipt,
    RequestId, ShardId, ShardMap, StoredOrder, StreamKind, Tenant, Timestamp,
};
use forebay_testkit::golden;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::orders::{now, parser};

/// A tenant's order: two sellers and a warehouse see it, an item stands for nothing, texts are not only ASCII.
const ORDER: &str = r#"{"order_id":"ORD-\u00e9","customer_id":"C 1","timestamp":"2025-06-30T12:30:00.123456+02:00","currency":"GBP",
    "items":[{"sku":"A","quantity":2,"price":2999,"seller_id":"S7"},{"sku":"B","quantity":1,"price":1,"seller_id":"S8","n":1.50},
    {"sku":"C","quantity":1,"price":0}],"warehouse_id":"W1","note":"caf\u00e9 \ud83d\ude00","big":123456789012345678901234567890}"#;

fn map() -> ShardMap {
    ShardMap::even(NonZeroU16::MIN, Hash::Md5)
}

/// The tuples of a lane, one after the other.
fn of_lane(facts: Facts, lane: Lane) -> Vec<u8> {
    facts.into_parts().into_iter().filter(|part| part.lane == lane).flat_map(|part| part.tuples).collect()
}

fn checked(lane: Lane, written: &[u8]) -> Vec<u8> {
    golden!(format!("tuples-{}.hex", lane.format().replace('/', "-")), written)
}

/// The columns of a tuple, those that are text.
fn texts<'a>(tuple: &Tuple<'a>, columns: &[&str]) -> Vec<&'a str> {
    columns.iter().map(|column| std::str::from_utf8(tuple.named(column).unwrap()).unwrap()).collect()
}

#[test]
fn tuples_keep_their_form() {
    let (map, tenant) = (Arc::new(map()), Tenant::new("T1").unwrap());
    let mut logged = Facts::default();
    logged.add(&parser().parse(ORDER.as_bytes(), now()).unwrap().settle(&tenant, &map, now(), 0), &map);
    let orders = checked(Lane::Orders, &of_lane(logged, Lane::Orders));
    let tuple = Tuples::new(Lane::Orders, &orders).next().unwrap().unwrap();
    assert_eq!(
        texts(&tuple, &["tenant", "customer_id", "order_id", "kind", "currency"]),
        ["T1", "C 1", "ORD-é", "sale", "GBP"]
    );
    assert_eq!(tuple.ordered_at().to_string(), "2025-06-30T10:30:00.123456Z");
    assert_eq!(tuple.named("total").unwrap(), 5999_i64.to_be_bytes());
    assert!(texts(&tuple, &["attributes"])[0].contains("123456789012345678901234567890"));

    // What follows from the order as the file has it.
    let deriver = Deriver::new("seller=items[].seller_id,warehouse=warehouse_id".parse().unwrap(), map);
    for (lane, rows, columns, expected) in [
        (Lane::Index, 1, &["tenant", "order_id", "customer_id"][..], &["T1", "ORD-é", "C 1"][..]),
        (Lane::Views, 3, &["key", "customer_id"], &["S7", "C 1"]),
    ] {
        let mut derived = Facts::default();
        deriver.derive(&StoredOrder::of(&tuple), &mut derived);
        let kept = checked(lane, &of_lane(derived, lane));
        let read: Vec<Tuple<'_>> = Tuples::new(lane, &kept).collect::<Result<_, _>>().unwrap();
        assert_eq!((read.len(), texts(&read[0], columns)), (rows, expected.to_vec()), "{lane}");
        let views: Vec<&[u8]> = read.iter().filter_map(|tuple| tuple.named("view")).collect();
        assert_eq!(views, if lane == Lane::Views { vec![[0, 1], [0, 1], [0, 2]] } else { Vec::new() });
    }
}

#[test]
fn receipts_keep_their_form() {
    let mut receipt = Receipt::default();
    for (stream, incarnation, seq) in [
        (StreamKind::Logged.on(ShardId(0)), 1_750_000_000_000_001, 4711),
        (StreamKind::Logged.on(ShardId(12)), u64::MAX, 0),
        (StreamKind::Derived.on(ShardId(1)), 0, u64::MAX),
    ] {
        receipt.note(stream, Position { incarnation: Incarnation::new(incarnation), seq });
    }
    let request = RequestId::new(Timestamp::from_unix_us(1_750_000_000_000_000), 0x0123_4567_89ab_cdef);
    let of_request = receipt.clone().of(Accepted { request, pieces: 3, orders: 12_345 });
    for (name, receipt) in [("positions", receipt), ("request", of_request)] {
        let kept = golden!(format!("receipt-{name}.txt"), receipt.to_string());
        assert_eq!(std::str::from_utf8(&kept).unwrap().parse(), Ok(receipt));
    }
}

#[test]
fn maps_keep_their_form() {
    let map = ShardMap::even(NonZeroU16::new(3).unwrap(), Hash::Md5);
    let kept = golden!("map.json", serde_json::to_vec(&map).unwrap());
    assert_eq!(serde_json::from_slice::<ShardMap>(&kept).unwrap(), map);
    let later = std::str::from_utf8(&kept).unwrap().replacen('{', "{\"later\":1,", 1);
    assert!(serde_json::from_str::<ShardMap>(&later).unwrap_err().to_string().contains("unknown field `later`"));
    let unit = |stream, bucket| Unit::of(stream, Bucket::new(bucket).unwrap());
    let begin = [unit(StreamKind::Logged, 4095), unit(StreamKind::Derived, 4)];
    let moving = map.decided(&begin.map(|unit| Decision::Begin(unit, ShardId(12)))).unwrap();
    let of = moving.moving(begin[0]).unwrap().of;
    let moving = moving.decided(&[Decision::Next(begin[0], of, Phase::Releasing)]).unwrap();
    let mut member = Member {
        addresses: vec!["postgres://u@a:5/d".to_owned(), "postgres://u@b:5/d".to_owned()],
        ..Member::default()
    };
    member.set_label("region=eu".parse().unwrap());
    let grown = map.next_with_members([(map.next_shard(), member)]);
    let kept = golden!("map-shards.json", serde_json::to_vec(&grown).unwrap());
    assert_eq!(serde_json::from_slice::<ShardMap>(&kept).unwrap(), grown);
    let kept = golden!("map-moving.json", serde_json::to_vec(&moving).unwrap());
    assert_eq!(serde_json::from_slice::<ShardMap>(&kept).unwrap(), moving);
    let after = |map: &ShardMap, phase| map.decided(&[Decision::Next(begin[0], of, phase)]).unwrap();
    let owned = [Phase::Routed, Phase::Active(inheritance()), Phase::Owned]
        .into_iter()
        .fold(moving, |map, phase| after(&map, phase));
    let waiting = [0, 1, 4095].map(|bucket| Decision::Wait(unit(StreamKind::Logged, bucket), ShardId(7)));
    let rows = vec!["orders ORD1 CUST1".to_owned()];
    let stop = Decision::Stop(begin[1], owned.moving(begin[1]).unwrap().of, rows);
    let queued = owned.decided(&[&waiting[..], &[stop]].concat()).unwrap();
    let pace = Pace { paused: true, rows_per_s: NonZeroU32::new(5000), keep_s: Some(60) };
    let queued = queued.next_with_pace(pace);
    let kept = golden!("map-queued.json", serde_json::to_vec(&queued).unwrap());
    assert_eq!(serde_json::from_slice::<ShardMap>(&kept).unwrap(), queued);
}

/// Compares some values of a form with their golden file, one a line, and reads the file.
fn lines_of<T: Serialize + DeserializeOwned + PartialEq + Debug>(form: &str, values: &[T]) {
    let written: Vec<String> = values.iter().map(|value| serde_json::to_string(value).unwrap()).collect();
    let kept = golden!(format!("{form}-{}.ndjson", ownership::VERSION), written.join("\n") + "\n");
    let kept = std::str::from_utf8(&kept).unwrap();
    let read: Vec<T> = kept.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(read, values);
    // Nothing is decided about what a later version says besides.
    for line in kept.lines() {
        let later = line.replacen('{', "{\"later\":1,", 1);
        assert!(serde_json::from_str::<T>(&later).unwrap_err().to_string().contains("later"), "{later}");
    }
}

fn place(seq: u64) -> Position {
    Position { incarnation: Incarnation::new(1_750_000_000_000_001), seq }
}

fn inheritance() -> Inheritance {
    let mut sums = Sums::default();
    sums.add(Lane::Orders, u64::MAX);
    sums.add(Lane::Orders, 3);
    sums.add(Lane::Views, 7);
    let left = Tenure { since: place(4), left: Some(place(4711)) };
    Inheritance { sums, origins: BTreeMap::from([(ShardId(0), left)]) }
}

/// A move of each bucket's kind, in all its phases.
fn entries() -> Vec<MoveEntry> {
    let begun =
        MoveEntry::begin(Unit::of(StreamKind::Logged, Bucket::new(4095).unwrap()), Epoch(7), ShardId(0), ShardId(12));
    let after = |entry: &MoveEntry, phase: Phase| entry.followed_by(phase, Epoch(entry.epoch.0 + 1)).unwrap();
    let releasing = after(&begun, Phase::Releasing);
    let routed = after(&releasing, Phase::Routed);
    let active = after(&routed, Phase::Active(inheritance()));
    let owned = after(&active, Phase::Owned);
    let refused = after(&active, Phase::Refused);
    let turned_back = after(&refused, Phase::TurnedBack);
    vec![begun, releasing, routed, active, owned, refused, turned_back]
}

#[test]
fn units_under_way_keep_their_form() {
    lines_of("unit-entry", &entries());
    let changes = entries().into_iter().flat_map(|entry| [entry.to_target(), entry.to_source()]).flatten();
    lines_of("unit-change", &changes.collect::<Vec<Change>>());
}

#[test]
fn units_of_a_shard() {
    let from = ShardId(0);
    let to = ShardId(12);
    let every = Ownership {
        state: State::Cleaned { to },
        epoch: Epoch(10),
        of: Some(MoveId(Epoch(7))),
        tenure: inheritance().origins.get(&from).copied(),
        origins: inheritance().origins,
        edges: BTreeMap::from([(to, place(u64::MAX))]),
        refused: Some(Epoch(9)),
    };
    let in_state = |state| Ownership { state, ..Ownership::first(Epoch(1), place(0)) };
    lines_of(
        "unit-ownership",
        &[
            Ownership::default(),
            in_state(State::Owned),
            in_state(State::Copying { to }),
            in_state(State::Receiving { from }),
            in_state(State::Awaiting { from }),
            in_state(State::Released { to }),
            every,
        ],
    );
}
