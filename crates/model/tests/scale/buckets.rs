//! How even shards are: by buckets, and by orders.

use forebay_model::bucket::BUCKETS;
use forebay_model::{ShardId, ShardMap, Weighed};

use crate::fleet::{Load, SHARDS, buckets, even};
use crate::page::{Table, percent};

/// How far a shard may be from its share.
pub(crate) const NEAR: f64 = 0.05;

/// How much more than its share the fullest shard has.
pub(crate) fn surplus(weighed: &Weighed, shards: u16) -> f64 {
    let has = (0..shards).map(|shard| weighed.of_shard(ShardId(shard)));
    let (most, total) = has.fold((0, 0), |(most, total), has| (has.max(most), total + has));
    most as f64 * f64::from(shards) / total as f64 - 1.0
}

/// The same by the number of buckets alone.
fn surplus_of_buckets(map: &ShardMap, shards: u16) -> f64 {
    buckets(map).1 as f64 * f64::from(shards) / f64::from(BUCKETS) - 1.0
}

/// The most shards for which the first map is near, and so are all smaller ones.
pub(crate) fn near_up_to() -> u16 {
    (1..=BUCKETS).find(|&shards| surplus_of_buckets(&even(shards), shards) > NEAR).unwrap() - 1
}

pub(crate) fn table() -> Table {
    let (alike, unlike, integers) = (Load::alike(), Load::unlike(), Load::integers());
    let mut table = Table::new(&[
        "shards",
        "buckets a shard",
        "most buckets",
        "most orders, MD5, customers alike",
        "integers by modulo",
        "customers unlike",
    ]);
    for shards in SHARDS {
        let map = even(shards);
        let (least, most) = buckets(&map);
        let over = |load: &Load| percent(surplus(&load.on(&map), shards));
        table.row(&[
            shards.to_string(),
            if least == most { least.to_string() } else { format!("{least}–{most}") },
            percent(surplus_of_buckets(&map, shards)),
            over(&alike),
            over(&integers),
            over(&unlike),
        ]);
    }
    table
}

/// The part of the largest customer, where customers are unlike.
pub(crate) fn largest_customer() -> f64 {
    f64::from(crate::fleet::CUSTOMERS) / Load::unlike().total() as f64
}

/// As long as a shard has a dozen buckets.
#[test]
fn orders_are_as_even_as_buckets_are_where_customers_are_alike() {
    for load in [Load::alike(), Load::integers()] {
        for shards in SHARDS.into_iter().filter(|shards| BUCKETS / shards >= 12) {
            let map = even(shards);
            let beside = surplus(&load.on(&map), shards) - surplus_of_buckets(&map, shards);
            assert!(beside.abs() < NEAR, "{shards} shards: {beside}");
        }
    }
}
