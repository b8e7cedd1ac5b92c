//! Which buckets go where, so that each shard has its share: from what the buckets weigh, without asking anybody.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use crate::{Bucket, ShardId};

/// What each bucket weighs (rows, bytes, or rows in a time), and where it is. A bucket weighs at least one, so that empty ones are shared out, too.
#[derive(Clone, Debug)]
pub struct Weighed(Vec<(ShardId, u64)>);

/// What each shard is to have, in proportion.
pub type Shares = BTreeMap<ShardId, NonZeroU32>;

/// Nothing moves where no shard is further from its share than one part in N.
const NEAR: u64 = 25;
/// A shard may give one part in N of its share more than it has too much: heavy buckets are then enough.
const SLACK: u64 = 50;
/// A shard that lacks less than one part in N of its share gets nothing more in a round.
const ENOUGH: u64 = 400;

/// A shard, while it is decided what it gets or gives.
struct Side {
    shard: ShardId,
    /// What it is to have.
    share: u64,
    /// How much is missing to its share, or is too much.
    room: u64,
    /// What it may give away, the heaviest last.
    buckets: Vec<(u64, Bucket)>,
}

impl Weighed {
    /// Of a place and a weight for each bucket.
    pub fn new(of: impl Fn(Bucket) -> (ShardId, u64)) -> Self {
        let weighed = Bucket::all().map(|bucket| {
            let (shard, weight) = of(bucket);
            (shard, weight.max(1))
        });
        Self(weighed.collect())
    }

    /// What it is when these have moved.
    #[must_use]
    pub fn after(&self, moves: &[(Bucket, ShardId)]) -> Self {
        let mut after = self.clone();
        for &(bucket, to) in moves {
            after.0[usize::from(bucket.number())].0 = to;
        }
        after
    }

    /// What a shard has.
    pub fn of_shard(&self, shard: ShardId) -> u64 {
        self.0.iter().filter(|(at, _)| *at == shard).map(|(_, weight)| weight).sum()
    }

    /// What moves so that each shard has its share, as near as whole buckets allow: few and heavy ones, from shards that have too much to those
    /// that have too little, and never more than is missing there. Shards without a share keep what they have.
    pub fn rebalance(&self, shares: &Shares) -> Vec<(Bucket, ShardId)> {
        let (mut moves, mut now) = (Vec::new(), self.clone());
        loop {
            let more = now.round(shares);
            if more.is_empty() {
                return moves;
            }
            now = now.after(&more);
            moves.extend(more);
        }
    }

    /// What moves in one round, until each that lacks something has enough. What many large shards lack then can still be much of what a small one
    /// has too much. None that gets a bucket has ever too much, so no bucket moves twice.
    fn round(&self, shares: &Shares) -> Vec<(Bucket, ShardId)> {
        let total: u64 = shares.keys().map(|&shard| self.of_shard(shard)).sum();
        let all: u64 = shares.values().map(|share| u64::from(share.get())).sum();
        let (mut givers, mut takers) = (Vec::new(), Vec::new());
        let mut is_near = true;
        for (&shard, &of) in shares {
            let share = (u128::from(total) * u128::from(of.get()) / u128::from(all.max(1))) as u64;
            let has = self.of_shard(shard);
            is_near &= has.abs_diff(share) <= share / NEAR;
            if has > share {
                givers.push(Side { shard, share, room: has - share, buckets: self.buckets(shard) });
            } else {
                takers.push(Side { shard, share, room: share - has, buckets: Vec::new() });
            }
        }
        let mut moves = Vec::new();
        while let (false, Some(giver), Some(taker)) = (is_near, most(&givers), most(&takers)) {
            let (from, to) = (&mut givers[giver], &mut takers[taker]);
            let gives = from.room + from.share / SLACK;
            let up_to = |most: u64| from.buckets.partition_point(|&(weight, _)| weight <= most);
            let fitting = match up_to(gives.min(to.room)) {
                // Each bucket is a large part of a shard: one may go that leaves the giver no further from its share than the taker is then.
                0 => up_to(from.room.midpoint(to.room).min(to.room)),
                fitting => fitting,
            };
            if fitting == 0 && gives <= to.room {
                from.room = 0;
            } else if fitting == 0 {
                to.room = 0;
            } else {
                let (weight, bucket) = from.buckets.remove(fitting - 1);
                from.room = from.room.saturating_sub(weight);
                to.room -= weight;
                moves.push((bucket, to.shard));
                if to.room < to.share / ENOUGH {
                    to.room = 0;
                }
            }
        }
        moves
    }

    /// What moves so that a shard has nothing any more: to each of the others in proportion, as much as it can have without ever having more than
    /// its share before another has its.
    pub fn drain(&self, from: ShardId, shares: &Shares) -> Vec<(Bucket, ShardId)> {
        let mut has: BTreeMap<ShardId, u64> =
            shares.keys().filter(|&&shard| shard != from).map(|&shard| (shard, self.of_shard(shard))).collect();
        let mut moves = Vec::new();
        for (weight, bucket) in self.buckets(from).into_iter().rev() {
            let fullness = |shard: ShardId, has: u64| {
                let share = shares.get(&shard).map_or(1, |share| share.get());
                u128::from(has + weight) * u128::from(u32::MAX) / u128::from(share)
            };
            let least = has.iter_mut().min_by_key(|(shard, has)| fullness(**shard, **has));
            let Some((&shard, has)) = least else { break };
            *has += weight;
            moves.push((bucket, shard));
        }
        moves
    }

    /// A shard's buckets, the heaviest last.
    fn buckets(&self, shard: ShardId) -> Vec<(u64, Bucket)> {
        let mut buckets: Vec<(u64, Bucket)> = Bucket::all()
            .zip(&self.0)
            .filter(|(_, (at, _))| *at == shard)
            .map(|(bucket, &(_, weight))| (weight, bucket))
            .collect();
        buckets.sort_unstable();
        buckets
    }
}

/// The one with the most room.
fn most(sides: &[Side]) -> Option<usize> {
    (0..sides.len()).filter(|&place| sides[place].room > 0).max_by_key(|&place| sides[place].room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bucket::BUCKETS;
    use proptest::prelude::*;

    fn shares(shards: u16) -> Shares {
        (0..shards).map(|shard| (ShardId(shard), NonZeroU32::MIN)).collect()
    }

    /// Weights of all buckets, of which none is a large part of a shard's.
    fn weights() -> impl Strategy<Value = Vec<u64>> {
        prop_oneof![
            Just(vec![1; usize::from(BUCKETS)]),
            proptest::collection::vec(200u64..400, usize::from(BUCKETS)),
            proptest::collection::vec(0u64..1000, usize::from(BUCKETS)),
        ]
    }

    proptest! {
        #[test]
        fn a_shard_that_is_added_takes_its_part_and_no_more_than_that_moves(weights in weights(), shards in 1u16..40) {
            let weight = |bucket: Bucket| weights[usize::from(bucket.number())];
            let before = Weighed::new(|bucket| (ShardId(bucket.number() % shards), weight(bucket)));
            let moves = before.rebalance(&shares(shards + 1));
            prop_assert!(moves.len() <= usize::from(BUCKETS / (shards + 1)), "{} buckets", moves.len());
            let after = before.after(&moves);
            let total: u64 = (0..=shards).map(|shard| after.of_shard(ShardId(shard))).sum();
            let fair = total as f64 / f64::from(shards + 1);
            for shard in (0..=shards).map(ShardId) {
                let (was, is) = (before.of_shard(shard) as f64, after.of_shard(shard) as f64);
                prop_assert!((is - fair).abs() <= 0.05 * fair || (is - fair).abs() <= (was - fair).abs(), "{is} of {fair}");
            }
            let new = after.of_shard(ShardId(shards)) as f64;
            prop_assert!((new / fair - 1.0).abs() <= 0.05, "{new} of {fair}");
        }

        #[test]
        fn shards_have_their_shares_within_five_percent(weights in weights(), places in proptest::collection::vec(0u16..6, usize::from(BUCKETS)), shares in proptest::collection::vec(1u32..5, 6)) {
            let number = |bucket: Bucket| usize::from(bucket.number());
            let before = Weighed::new(|bucket| (ShardId(places[number(bucket)]), weights[number(bucket)]));
            let shares: Shares = (0..).map(ShardId).zip(shares.into_iter().filter_map(NonZeroU32::new)).collect();
            let after = before.after(&before.rebalance(&shares));
            let total: u64 = shares.keys().map(|&shard| after.of_shard(shard)).sum();
            let all: u32 = shares.values().map(|share| share.get()).sum();
            for (&shard, share) in &shares {
                let fair = total as f64 * f64::from(share.get()) / f64::from(all);
                let has = after.of_shard(shard) as f64;
                prop_assert!((has / fair - 1.0).abs() <= 0.05, "shard {shard} has {has} of {fair}");
            }
            prop_assert!(after.rebalance(&shares).is_empty(), "it is done once");
        }

        #[test]
        fn a_shard_that_is_drained_has_nothing_and_nothing_else_moves(weights in weights(), shards in 2u16..12, from in 0u16..12) {
            let from = ShardId(from % shards);
            let before = Weighed::new(|bucket| (ShardId(bucket.number() % shards), weights[usize::from(bucket.number())]));
            let moves = before.drain(from, &shares(shards));
            prop_assert!(moves.iter().all(|&(bucket, to)| bucket.number() % shards == from.0 && to != from));
            let after = before.after(&moves);
            prop_assert_eq!(after.of_shard(from), 0);
            let rest: Vec<u64> = (0..shards).map(ShardId).filter(|&shard| shard != from).map(|shard| after.of_shard(shard)).collect();
            let fair = rest.iter().sum::<u64>() as f64 / f64::from(shards - 1);
            prop_assert!(rest.iter().all(|&has| (has as f64 / fair - 1.0).abs() <= 0.1), "{rest:?}");
        }
    }
}
