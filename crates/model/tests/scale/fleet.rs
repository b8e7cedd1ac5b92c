//! Maps of many shards, and what their buckets weigh.

use std::collections::BTreeMap;
use std::num::{NonZeroU16, NonZeroU32};

use forebay_model::bucket::BUCKETS;
use forebay_model::{Bucket, Hash, Member, ShardId, ShardMap, Shares, StreamKind, Tenant, Weighed};

/// The sizes that tables have.
pub(crate) const SHARDS: [u16; 6] = [3, 10, 30, 100, 300, 1000];
/// How many customers there are.
pub(crate) const CUSTOMERS: u32 = 1_000_000;

/// A first map of that many shards, each with a primary and a replica.
pub(crate) fn even(shards: u16) -> ShardMap {
    let members: BTreeMap<ShardId, Member> = (0..shards).map(|shard| (ShardId(shard), member(shard))).collect();
    ShardMap::even(NonZeroU16::new(shards).unwrap(), Hash::Md5).with_members(members)
}

pub(crate) fn member(shard: u16) -> Member {
    let address = |name: &str| format!("postgres://forebay@shard-{shard}-{name}.example:5432/forebay");
    Member { addresses: ["a", "b"].map(address).into(), ..Member::default() }
}

/// The same for each shard.
pub(crate) fn shares(shards: u16) -> Shares {
    (0..shards).map(|shard| (ShardId(shard), NonZeroU32::MIN)).collect()
}

/// Orders by bucket.
#[derive(Clone)]
pub(crate) struct Load(Vec<u64>);

impl Load {
    /// Of customers with the number of orders that each has, by their rank from 0 on.
    pub(crate) fn of(hash: Hash, name: impl Fn(u32) -> String, orders: impl Fn(u32) -> u64) -> Self {
        let mut load = vec![0; usize::from(BUCKETS)];
        for customer in 0..CUSTOMERS {
            load[usize::from(hash.bucket_of(Tenant::none(), &name(customer)).number())] += orders(customer);
        }
        Self(load)
    }

    /// Customers of a hundred orders each, of whom MD5 decides.
    pub(crate) fn alike() -> Self {
        Self::of(Hash::Md5, |customer| format!("CUST{customer}"), |_| 100)
    }

    /// The same customers: the second has half as many orders as the first, the third a third of them.
    pub(crate) fn unlike() -> Self {
        let orders = |rank: u32| u64::from(CUSTOMERS / (rank + 1));
        Self::of(Hash::Md5, |customer| format!("CUST{customer}"), orders)
    }

    /// Customers that are integers, dealt out by modulo.
    pub(crate) fn integers() -> Self {
        Self::of(Hash::Modulo, |customer| customer.to_string(), |_| 100)
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// By the places of a map.
    pub(crate) fn on(&self, map: &ShardMap) -> Weighed {
        Weighed::new(|bucket| (map.shard(StreamKind::Logged, bucket), self.0[usize::from(bucket.number())]))
    }
}

/// How many buckets each shard has, least and most.
pub(crate) fn buckets(map: &ShardMap) -> (usize, usize) {
    let mut count: BTreeMap<ShardId, usize> = BTreeMap::new();
    for bucket in Bucket::all() {
        *count.entry(map.shard(StreamKind::Logged, bucket)).or_default() += 1;
    }
    (*count.values().min().unwrap(), *count.values().max().unwrap())
}

/// The first number up to `most` for which something does not hold any more; it holds up to there, and from there on not.
pub(crate) fn first_beyond(most: u16, holds: impl Fn(u16) -> bool) -> Option<u16> {
    let (mut good, mut bad) = (0, most);
    if holds(most) {
        return None;
    }
    while bad - good > 1 {
        let middle = good + (bad - good) / 2;
        if holds(middle) { good = middle } else { bad = middle }
    }
    Some(bad)
}
