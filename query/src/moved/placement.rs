//! From which shard each unit is read, by what the shards say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use forebay_model::ownership::{Ownership, Pick, Unit, reader};
use forebay_model::{Bucket, Hash, ShardId, ShardMap, StreamKind, Tenant};
use forebay_shard::read::ShardOwnership;

/// What shards say of all units, each in one snapshot.
pub(crate) type Said = BTreeMap<ShardId, Arc<ShardOwnership>>;

/// From which shard each unit of a kind of streams is read.
#[derive(Debug)]
pub(crate) struct UnitPlacement {
    hash: Hash,
    /// What every shard says that was asked.
    said: Said,
    /// By bucket. Nothing where the shard that has it could not be asked, or has to be asked again.
    from: Vec<Option<ShardId>>,
    /// The shards whose snapshots are too old for what others say.
    again: BTreeSet<ShardId>,
    /// The buckets that nobody owns at the moment, by the shard that has released them: their rows stand still there until another owns them.
    released: BTreeMap<ShardId, Vec<Bucket>>,
    /// The shards that own a bucket, each at its moment, which is taken from another that owns it, too.
    doubled: BTreeSet<ShardId>,
}

impl UnitPlacement {
    /// Picks from what the shards say; those of `missing` could not be asked.
    pub(crate) fn of(stream: StreamKind, map: &ShardMap, said: &Said, missing: &[ShardId]) -> Self {
        let mut picked = Self {
            hash: map.hash(),
            said: said.clone(),
            from: Vec::new(),
            again: BTreeSet::new(),
            released: BTreeMap::new(),
            doubled: BTreeSet::new(),
        };
        for bucket in Bucket::all() {
            let says: Vec<(ShardId, Ownership)> =
                said.iter().map(|(&shard, said)| (shard, said.of(map, shard, Unit::of(stream, bucket)))).collect();
            let from = match reader::pick(says.iter().map(|(shard, said)| (*shard, said))) {
                Pick::From(shard) => Some(shard),
                Pick::Again(shard) => {
                    picked.again.extend(Some(shard).filter(|shard| !missing.contains(shard)));
                    None
                }
                Pick::Nobody => None,
            };
            let owners: Vec<ShardId> =
                says.iter().filter(|(_, said)| said.state.owns()).map(|(shard, _)| *shard).collect();
            picked.doubled.extend(owners.iter().filter(|&&owner| from.is_some_and(|from| from != owner)));
            if let Some(from) = from.filter(|from| !owners.contains(from)) {
                picked.released.entry(from).or_default().push(bucket);
            }
            picked.from.push(from);
        }
        picked
    }

    /// The shards that have to be read again.
    pub(crate) fn again(&self) -> &BTreeSet<ShardId> {
        &self.again
    }

    /// The same, where others say this by now.
    pub(crate) fn said_with(&self, newer: Said) -> Said {
        let mut said = self.said.clone();
        said.extend(newer);
        said
    }

    /// From which shard a bucket is read.
    pub(crate) fn shard(&self, bucket: Bucket) -> Option<ShardId> {
        self.from[usize::from(bucket.number())]
    }

    /// Whether a bucket is read from a shard that owns it in that snapshot.
    pub(crate) fn is_owned(&self, bucket: Bucket) -> bool {
        let released = |shard: ShardId| self.released.get(&shard).is_some_and(|released| released.contains(&bucket));
        self.shard(bucket).is_some_and(|shard| !released(shard))
    }

    /// Whether a customer's orders are read from a shard.
    pub(crate) fn has(&self, shard: ShardId, tenant: &Tenant, customer_id: &str) -> bool {
        self.shard(self.hash.bucket_of(tenant, customer_id)) == Some(shard)
    }

    /// The buckets that nobody owns at the moment, by the shard whose rows they are read from.
    pub(crate) fn released(&self) -> impl Iterator<Item = (ShardId, &[Bucket])> {
        self.released.iter().map(|(&shard, buckets)| (shard, &buckets[..]))
    }

    /// The shards that own a bucket which is taken from another.
    pub(crate) fn doubled(&self) -> &BTreeSet<ShardId> {
        &self.doubled
    }

    /// Whether this is what is picked from what the shards say.
    pub(crate) fn is_of(&self, said: &Said) -> bool {
        let marks = |said: &Said| said.iter().map(|(&shard, said)| (shard, said.mark)).collect::<Vec<_>>();
        marks(&self.said) == marks(said)
    }

    /// Whether a shard still says of what it has released what it said when this was picked: then its rows are the same, too.
    pub(crate) fn is_still(&self, stream: StreamKind, map: &ShardMap, shard: ShardId, now: &ShardOwnership) -> bool {
        let is_same = |bucket: &Bucket| {
            let of = |said: &ShardOwnership| {
                let said = said.of(map, shard, Unit::of(stream, *bucket));
                (said.state, said.epoch)
            };
            self.said.get(&shard).is_some_and(|before| of(before) == of(now))
        };
        self.released.get(&shard).into_iter().flatten().all(is_same)
    }
}
