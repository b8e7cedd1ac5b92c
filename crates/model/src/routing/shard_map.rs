//! The shard map: for each bucket, the shard that it is written to and the shards that it is read from; and the settings of the
//! system beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::routing::bucket::BUCKETS;
use crate::{Bucket, CustomerId, Hash, SystemId, SystemSettings, Tenant};

/// A shard's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a shard map. Every change makes the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which shard a bucket is written to and which shards it is read from, for every bucket, and the system's settings. As JSON it has
/// `epoch`, `system`, `hash`, `settings`, `write` (4096 shard numbers) and `read` (only the buckets that are read from elsewhere too).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct ShardMap {
    epoch: Epoch,
    system: SystemId,
    hash: Hash,
    settings: SystemSettings,
    write: Vec<ShardId>,
    /// Buckets whose read shards are not just the write shard: those that are being moved.
    read: BTreeMap<u16, Vec<ShardId>>,
    /// Every shard of either, once, in order.
    shards: Vec<ShardId>,
}

/// What is wrong with the JSON of a shard map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardMapError {
    /// Not exactly one write shard per bucket.
    #[error("the shard map has {0} write shards instead of 4096")]
    WriteShards(usize),
    /// A bucket's read shards leave out its write shard, or the bucket does not exist.
    #[error("the shard map does not read bucket {0} from the shard that it is written to")]
    ReadShards(u16),
}

impl ShardMap {
    /// The first map of a system with the usual settings: buckets dealt out in turn to that many shards, so each has its share to
    /// within one bucket.
    pub fn even(shards: NonZeroU16, hash: Hash) -> Self {
        let write = (0..BUCKETS).map(|bucket| ShardId(bucket % shards)).collect();
        let settings = SystemSettings::default();
        let system = SystemId::default();
        Unchecked { epoch: Epoch(1), system, hash, settings, write, read: BTreeMap::new() }.into_map()
    }

    /// The same map of that system: a first one, before anybody has seen it.
    #[must_use]
    pub fn of_system(self, system: SystemId) -> Self {
        Self { system, ..self }
    }

    /// The same map of a system with these settings: a first one, before anybody has seen it.
    #[must_use]
    pub fn with_settings(self, settings: SystemSettings) -> Self {
        Self { settings, ..self }
    }

    /// The next map, which has other settings.
    #[must_use]
    pub fn next_with(&self, settings: SystemSettings) -> Self {
        Self { epoch: Epoch(self.epoch.0 + 1), ..self.clone().with_settings(settings) }
    }

    /// The system's settings.
    pub fn settings(&self) -> &SystemSettings {
        &self.settings
    }

    /// Its version.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whose map it is.
    pub fn system(&self) -> SystemId {
        self.system
    }

    /// How customers' ids become buckets.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The bucket of a tenant's customer.
    pub fn bucket_of(&self, tenant: &Tenant, customer_id: &CustomerId) -> Bucket {
        self.hash.bucket_of(tenant, customer_id.as_str())
    }

    /// The shard that a bucket is written to.
    pub fn write_shard(&self, bucket: Bucket) -> ShardId {
        self.write[usize::from(bucket.number())]
    }

    /// The shards that a bucket is read from: almost always one, the write shard.
    pub fn read_shards(&self, bucket: Bucket) -> &[ShardId] {
        let place = usize::from(bucket.number());
        self.read.get(&bucket.number()).map_or_else(|| std::slice::from_ref(&self.write[place]), Vec::as_slice)
    }

    /// Whether any bucket is read from several shards.
    pub fn is_moving(&self) -> bool {
        !self.read.is_empty()
    }

    /// Every shard that is written to or read from, in order.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = ShardId> {
        self.shards.iter().copied()
    }
}

/// What a later version says of it besides must not be passed over.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    epoch: Epoch,
    system: SystemId,
    hash: Hash,
    settings: SystemSettings,
    write: Vec<ShardId>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    read: BTreeMap<u16, Vec<ShardId>>,
}

impl Unchecked {
    fn into_map(self) -> ShardMap {
        let Self { epoch, system, hash, settings, write, read } = self;
        let shards: BTreeSet<ShardId> = write.iter().chain(read.values().flatten()).copied().collect();
        ShardMap { epoch, system, hash, settings, write, read, shards: shards.into_iter().collect() }
    }
}

impl TryFrom<Unchecked> for ShardMap {
    type Error = ShardMapError;

    fn try_from(map: Unchecked) -> Result<Self, ShardMapError> {
        if map.write.len() != usize::from(BUCKETS) {
            return Err(ShardMapError::WriteShards(map.write.len()));
        }
        for (&bucket, shards) in &map.read {
            let write = map.write.get(usize::from(bucket));
            if !write.is_some_and(|write| shards.contains(write)) {
                return Err(ShardMapError::ReadShards(bucket));
            }
        }
        Ok(map.into_map())
    }
}

impl From<ShardMap> for Unchecked {
    fn from(map: ShardMap) -> Self {
        let ShardMap { epoch, system, hash, settings, write, read, shards: _ } = map;
        Self { epoch, system, hash, settings, write, read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(shards: u16, hash: Hash) -> ShardMap {
        ShardMap::even(NonZeroU16::new(shards).unwrap(), hash)
    }

    fn share(map: &ShardMap, customers: impl Iterator<Item = String>) -> BTreeMap<ShardId, u32> {
        let mut share = BTreeMap::new();
        for customer in customers {
            let bucket = map.bucket_of(Tenant::none(), &CustomerId::new(customer).unwrap());
            *share.entry(map.write_shard(bucket)).or_default() += 1;
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
        json["read"] = serde_json::json!({"0": [1, 2]});
        assert!(serde_json::from_value::<ShardMap>(json.clone()).unwrap_err().to_string().contains("bucket 0"));
        json["read"] = serde_json::json!({"0": [1, 0]});
        let moving: ShardMap = serde_json::from_value(json.clone()).unwrap();
        assert_eq!(moving.read_shards(Bucket::new(0).unwrap()), [ShardId(1), ShardId(0)]);
        json["write"].as_array_mut().unwrap().pop();
        assert!(serde_json::from_value::<ShardMap>(json).unwrap_err().to_string().contains("4095"));
    }
}
