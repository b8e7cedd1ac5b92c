//! What moves when one more shard comes.

use forebay_model::bucket::BUCKETS;
use forebay_model::{ShardId, Weighed};

use crate::buckets::{NEAR, surplus};
use crate::fleet::{Load, SHARDS, even, shares};
use crate::page::{Table, number, percent};

/// One shard more.
pub(crate) struct Grown {
    moved: usize,
    /// What the new shard has, in its share.
    new: f64,
    after: Weighed,
}

/// From `shards` to one more.
fn grow(before: &Weighed, shards: u16) -> Grown {
    let moves = before.rebalance(&shares(shards + 1));
    let after = before.after(&moves);
    let total: u64 = (0..=shards).map(|shard| after.of_shard(ShardId(shard))).sum();
    let new = after.of_shard(ShardId(shards)) as f64 * f64::from(shards + 1) / total as f64;
    Grown { moved: moves.len(), new, after }
}

fn bound(shards: u16) -> usize {
    usize::from(BUCKETS / (shards + 1))
}

/// The most shards that a system of three grows to one by one, each within what is near of its share.
pub(crate) fn grows_up_to(load: &Load) -> u16 {
    let mut weighed = load.on(&even(3));
    for shards in 3.. {
        let grown = grow(&weighed, shards);
        if (grown.new - 1.0).abs() > NEAR || surplus(&grown.after, shards + 1) > NEAR {
            return shards;
        }
        weighed = grown.after;
    }
    unreachable!("there are 4096 buckets")
}

pub(crate) fn table() -> Table {
    let alike = Load::alike();
    let mut table = Table::new(&[
        "from",
        "to",
        "buckets that move",
        "4096/(n+1)",
        "the new one has of its share",
        "the fullest has more than its share",
    ]);
    for shards in SHARDS {
        let grown = grow(&alike.on(&even(shards)), shards);
        table.row(&[
            shards.to_string(),
            (shards + 1).to_string(),
            number(grown.moved),
            number(bound(shards)),
            percent(grown.new),
            percent(surplus(&grown.after, shards + 1)),
        ]);
    }
    table
}

/// Where whole buckets are no large part of a shard.
#[test]
fn one_more_shard_takes_its_part_of_three_to_a_hundred_and_no_more_moves() {
    for load in [Load::alike(), Load::integers()] {
        let mut weighed = load.on(&even(3));
        for shards in 3..100 {
            let grown = grow(&weighed, shards);
            assert!(grown.moved <= bound(shards), "{} buckets for shard {shards}", grown.moved);
            assert!((grown.new - 1.0).abs() <= NEAR, "shard {shards} has {} of its share", grown.new);
            assert!(surplus(&grown.after, shards + 1) <= NEAR, "{shards}");
            weighed = grown.after;
        }
    }
}
