//! From which shard each unit is read, by what the shards say.

use std::collections::BTreeMap;
use std::sync::Arc;

use forebay_model::ownership::{Ownership, Pick, Unit, reader};
use forebay_model::{Bucket, Hash, ShardId, ShardMap, StreamKind, Tenant};
use forebay_shard::ShardError;
use forebay_shard::read::ShardOwnership;

/// From which shard each unit of a kind of streams is read.
#[derive(Debug)]
pub(crate) struct UnitPlacement {
    hash: Hash,
    /// What every shard says that was asked.
    said: BTreeMap<ShardId, Arc<ShardOwnership>>,
    /// By bucket. Nothing where the shard that has it could not be asked.
    from: Vec<Option<ShardId>>,
    /// The buckets that nobody owns at the moment, by the shard that has released them: their rows stand still there until another owns them.
    released: BTreeMap<ShardId, Vec<Bucket>>,
    /// Whether in these snapshots, of different moments, two shards own the same bucket.
    is_doubled: bool,
}

impl UnitPlacement {
    /// Picks from what the shards say; those of `outages` could not be asked.
    ///
    /// # Errors
    /// The shard that has to be asked again.
    pub(crate) fn of(
        stream: StreamKind,
        map: &ShardMap,
        said: &BTreeMap<ShardId, Arc<ShardOwnership>>,
        outages: &[ShardError],
    ) -> Result<Self, ShardId> {
        let is_out = |shard: ShardId| outages.iter().any(|outage| outage.shard() == shard);
        let (released, is_doubled) = (BTreeMap::<_, Vec<_>>::new(), false);
        let mut picked = Self { hash: map.hash(), said: said.clone(), from: Vec::new(), released, is_doubled };
        for bucket in Bucket::all() {
            let says: Vec<(ShardId, Ownership)> =
                said.iter().map(|(&shard, said)| (shard, said.of(map, shard, Unit::of(stream, bucket)))).collect();
            let from = match reader::pick(says.iter().map(|(shard, said)| (*shard, said))) {
                Pick::From(shard) => Some(shard),
                Pick::Again(shard) if !is_out(shard) => return Err(shard),
                Pick::Again(_) | Pick::Nobody => None,
            };
            let owners: Vec<ShardId> =
                says.iter().filter(|(_, said)| said.state.owns()).map(|(shard, _)| *shard).collect();
            picked.is_doubled |= owners.iter().any(|&owner| Some(owner) != from);
            if let Some(from) = from.filter(|from| !owners.contains(from)) {
                picked.released.entry(from).or_default().push(bucket);
            }
            picked.from.push(from);
        }
        Ok(picked)
    }

    /// The shards that are read.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.said.keys().copied()
    }

    /// From which shard a bucket is read.
    pub(crate) fn shard(&self, bucket: Bucket) -> Option<ShardId> {
        self.from[usize::from(bucket.number())]
    }

    /// The buckets that are read from a shard.
    pub(crate) fn buckets(&self, shard: ShardId) -> Vec<Bucket> {
        Bucket::all().filter(|&bucket| self.shard(bucket) == Some(shard)).collect()
    }

    /// Whether a customer's orders are read from a shard.
    pub(crate) fn has(&self, shard: ShardId, tenant: &Tenant, customer_id: &str) -> bool {
        self.shard(self.hash.bucket_of(tenant, customer_id)) == Some(shard)
    }

    /// The buckets that nobody owns at the moment, by the shard whose rows they are read from.
    pub(crate) fn released(&self) -> impl Iterator<Item = (ShardId, &[Bucket])> {
        self.released.iter().map(|(&shard, buckets)| (shard, &buckets[..]))
    }

    /// Whether two shards own the same bucket, each at its moment.
    pub(crate) fn is_doubled(&self) -> bool {
        self.is_doubled
    }

    /// The states of all buckets at a shard, as a number.
    pub(crate) fn mark(&self, shard: ShardId) -> i64 {
        self.said.get(&shard).map_or(0, |said| said.mark)
    }

    /// Whether this is what is picked from what the shards say.
    pub(crate) fn is_of(&self, said: &BTreeMap<ShardId, Arc<ShardOwnership>>) -> bool {
        let marks = |said: &BTreeMap<ShardId, Arc<ShardOwnership>>| {
            said.iter().map(|(&shard, said)| (shard, said.mark)).collect::<Vec<_>>()
        };
        marks(&self.said) == marks(said)
    }

    /// Whether a shard still says of what it has released what it said when this was picked.
    pub(crate) fn is_still(&self, stream: StreamKind, map: &ShardMap, shard: ShardId, now: &ShardOwnership) -> bool {
        let is_same = |bucket: &Bucket| {
            let of = |said: &ShardOwnership| said.of(map, shard, Unit::of(stream, *bucket));
            self.said.get(&shard).is_some_and(|before| of(before) == of(now))
        };
        self.released.get(&shard).into_iter().flatten().all(is_same)
    }
}
