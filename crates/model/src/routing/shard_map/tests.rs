//! What maps say, and which are none.

use std::collections::BTreeMap;

use super::*;

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
        Entry::begin(unit, Epoch(1), ShardId(from), ShardId(2))
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

/// Whoever sees a shard in the map counts on its streams, drains it and reads it; nothing goes there, and what the system began with stays.
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
