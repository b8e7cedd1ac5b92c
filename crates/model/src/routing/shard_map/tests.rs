//! What maps say, and which are invalid.

use std::collections::BTreeMap;

use super::*;
use crate::ownership::State;
use crate::routing::{Decision, NotDecided};
use crate::{Incarnation, Position};

fn even(shards: u16, hash: Hash) -> ShardMap {
    ShardMap::even(NonZeroU16::new(shards).unwrap(), hash)
}

fn share(map: &ShardMap, customers: impl Iterator<Item = String>) -> BTreeMap<ShardId, u32> {
    let mut share = BTreeMap::new();
    for customer in customers {
        let bucket = map.bucket_of(Tenant::none(), &CustomerId::new(customer).unwrap());
        *share.entry(map.shard(StreamKind::Logged, bucket)).or_default() += 1;
    }
    share
}

#[test]
fn integer_customers_by_modulo_on_two_shards_fall_exactly_in_half() {
    let share = share(&even(2, Hash::Modulo), (0..100).map(|n| n.to_string()));
    assert_eq!(share, BTreeMap::from([(ShardId(0), 50), (ShardId(1), 50)]));
}

#[test]
fn customers_by_md5_on_three_shards_fall_within_three_percent_of_a_third() {
    let share = share(&even(3, Hash::Md5), (0..50_000).map(|n| format!("CUST{n}")));
    for (shard, customers) in share {
        let ratio = f64::from(customers) / (50_000.0 / 3.0);
        assert!((0.97..=1.03).contains(&ratio), "shard {shard} has {customers} customers");
    }
}

#[test]
fn json_of_a_map_is_checked() {
    let map = even(3, Hash::Md5);
    let mut json = serde_json::to_value(&map).unwrap();
    assert_eq!(serde_json::from_value::<ShardMap>(json.clone()).unwrap(), map);
    // Of a unit that is still at shard 0 the map says that it is at shard 1, or that it moves twice.
    let entry = |bucket: u16, from: u16| {
        let unit = Unit::of(StreamKind::Derived, Bucket::new(bucket).unwrap());
        MoveEntry::begin(unit, Epoch(1), ShardId(from), ShardId(2))
    };
    for moves in [vec![entry(0, 1)], vec![entry(0, 0), entry(0, 0)], vec![entry(3, 0), entry(0, 0)]] {
        json["moves"] = serde_json::json!(moves);
        let error = serde_json::from_value::<ShardMap>(json.clone()).unwrap_err().to_string();
        assert_eq!(error, ShardMapError::Moves.to_string());
    }
    json["moves"] = serde_json::json!([entry(0, 0), entry(3, 0)]);
    let moving: ShardMap = serde_json::from_value(json.clone()).unwrap();
    assert_eq!(moving.moving(entry(3, 0).unit), Some(&entry(3, 0)));
    json["derived"].as_array_mut().unwrap().pop();
    let error = serde_json::from_value::<ShardMap>(json).unwrap_err().to_string();
    assert!(error.contains("4095 derived"), "{error}");
}

/// Every process that sees a shard in the map counts on its streams, drains it and reads it; nothing goes there, and what the system began with stays.
#[test]
fn a_shard_comes_without_buckets_and_moves_elsewhere_with_them() {
    let map = even(3, Hash::Md5);
    let at = |address: &str| Member { addresses: vec![address.to_owned()], ..Member::default() };
    let more = map.next_with_members([(map.next_shard(), at("postgres://u@a/x"))]);
    assert_eq!((more.epoch(), more.next_shard()), (Epoch(2), ShardId(4)));
    assert_eq!(more.shards().collect::<Vec<_>>(), (0..4).map(ShardId).collect::<Vec<_>>());
    for bucket in Bucket::all() {
        let places = |map: &ShardMap| StreamKind::ALL.map(|stream| map.shard(stream, bucket));
        assert_eq!((places(&more), more.founder(bucket)), (places(&map), map.founder(bucket)));
    }
    let elsewhere = more.next_with_members([(ShardId(3), at("postgres://u@b/x"))]);
    assert_eq!(elsewhere.member(ShardId(3)).unwrap().addresses, ["postgres://u@b/x"]);
    let json = serde_json::to_string(&elsewhere).unwrap();
    assert!(json.contains(r#""shards":{"3":{"addresses":["postgres://u@b/x"]}}"#), "{json}");
    assert_eq!(serde_json::from_str::<ShardMap>(&json).unwrap(), elsewhere);
}

fn at(seq: u64) -> Position {
    Position { incarnation: Incarnation::new(1), seq }
}

/// A map of three shards, of which the first has nothing.
fn drained() -> ShardMap {
    let mut json = serde_json::to_value(even(3, Hash::Md5)).unwrap();
    for places in ["logged", "derived"] {
        for place in json[places].as_array_mut().unwrap() {
            *place = serde_json::json!(place.as_u64().unwrap().max(1));
        }
    }
    serde_json::from_value(json).unwrap()
}

#[test]
fn a_shard_leaves_when_nothing_names_it_and_its_number_is_never_given_again() {
    let last = LastPlaces { logged: at(7), derived: at(9) };
    let named = even(3, Hash::Md5).next_leaving(ShardId(0)).unwrap_err();
    assert_eq!((named.buckets, named.is_last), (2 * 1366, false));
    assert!(named.to_string().contains("forebay shards drain 0"), "{named}");
    assert!(even(1, Hash::Md5).may_leave(ShardId(0)).unwrap_err().is_last);
    let map = drained();
    assert_eq!(map.next_without(ShardId(0), last), None, "it does not leave yet");
    let leaving = map.next_leaving(ShardId(0)).unwrap();
    assert_eq!(leaving.staying().collect::<Vec<_>>(), [ShardId(1), ShardId(2)]);
    assert!(leaving.has(ShardId(0)) && leaving.is_leaving(ShardId(0)));
    let unit = Unit::of(StreamKind::Logged, Bucket::new(1).unwrap());
    for decision in [Decision::Wait(unit, ShardId(0)), Decision::Begin(unit, ShardId(0))] {
        let refused = Err(NotDecided::Leaving(unit, ShardId(0)));
        assert_eq!(leaving.decided(std::slice::from_ref(&decision)), refused);
    }
    // Nor can anything be under way from it, or to it, in what is stored.
    let moving = map.decided(&[Decision::Begin(unit, ShardId(0))]).unwrap();
    assert_eq!(moving.may_leave(ShardId(0)).unwrap_err().under_way, 1);
    let mut json = serde_json::to_value(&moving).unwrap();
    json["departures"] = serde_json::json!({"0": "leaving"});
    let error = serde_json::from_value::<ShardMap>(json).unwrap_err().to_string();
    assert_eq!(error, ShardMapError::Departed(ShardId(0)).to_string());

    let without = leaving.next_without(ShardId(0), last).unwrap();
    assert_eq!((without.epoch().0, without.shards().collect::<Vec<_>>()), (3, vec![ShardId(1), ShardId(2)]));
    assert_eq!((without.gone(ShardId(0)), without.next_shard()), (Some(last), ShardId(3)));
    let json = serde_json::to_string(&without).unwrap();
    assert_eq!(serde_json::from_str::<ShardMap>(&json).unwrap(), without);
    let last_gone =
        leaving.next_without(ShardId(0), last).unwrap().next_with_members([(ShardId(3), Member::default())]);
    let last_gone = last_gone.next_leaving(ShardId(3)).unwrap().next_without(ShardId(3), last).unwrap();
    assert_eq!(last_gone.next_shard(), ShardId(4));
}

#[test]
fn what_names_a_shard_that_is_gone_means_the_one_of_the_map() {
    let last = LastPlaces { logged: at(7), derived: at(9) };
    let map = drained().next_leaving(ShardId(0)).unwrap().next_without(ShardId(0), last).unwrap();
    let unit = Unit::of(StreamKind::Logged, Bucket::new(3).unwrap());
    let edges = [(ShardId(0), at(5)), (ShardId(1), at(6))].into();
    let said = Ownership { state: State::Cleaned { to: ShardId(0) }, edges, ..Ownership::default() };
    let read = map.read(unit, said.clone());
    assert_eq!((read.state, read.edges), (State::Cleaned { to: ShardId(1) }, [(ShardId(1), at(6))].into()));
    assert_eq!(drained().read(unit, said.clone()), said);
    let receipt: Receipt = "l0.1.5~l1.1.6~d0.1.3".parse().unwrap();
    assert_eq!(map.reached(&receipt).to_string(), "l1.1.6");
}
