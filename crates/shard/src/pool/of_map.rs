//! The pools of the shards of the map, as it is now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use forebay_model::{ShardId, ShardMap};
use tracing::{error, info};

use super::error::ShardError;
use super::settings::PoolSettings;
use super::shard_pool::ShardPool;
use crate::connection::address::{AddressError, ShardAddresses};
use crate::connection::list::{ShardArgs, ShardList};

/// One value for each shard of the map as it is now, made of where the shard is. Cloning it is cheap; all clones are the same.
///
/// Where a shard comes, or is elsewhere, a value is made; the one of before stays good for those who still hold it.
#[derive(Debug)]
pub struct OfShards<T> {
    inner: Arc<Inner<T>>,
}

/// The pools of the shards of the map, as it is now.
pub type ShardPools = OfShards<ShardPool>;

type Make<T> = Box<dyn Fn(ShardId, &ShardAddresses) -> T + Send + Sync>;

/// Each with where the shard is that it is made of.
type Values<T> = BTreeMap<ShardId, (ShardAddresses, T)>;

struct Inner<T> {
    args: ShardArgs,
    make: Make<T>,
    now: RwLock<Arc<Values<T>>>,
}

impl ShardPools {
    /// Pools that behave so; none before the first map.
    pub fn new(args: ShardArgs, settings: PoolSettings) -> Self {
        Self::made_by(args, move |shard, addresses| ShardPool::new(shard, addresses, &settings))
    }

    /// The pools of these shards, and of no others.
    pub fn of_list(list: &ShardList, settings: &PoolSettings) -> Self {
        let pools = Self::new(ShardArgs::default(), settings.clone());
        pools.set(list);
        pools
    }
}

impl<T: Clone> OfShards<T> {
    /// None before the first map.
    pub fn made_by(args: ShardArgs, make: impl Fn(ShardId, &ShardAddresses) -> T + Send + Sync + 'static) -> Self {
        Self { inner: Arc::new(Inner { args, make: Box::new(make), now: RwLock::default() }) }
    }

    /// Takes over a map. Gives the shards that are new, or elsewhere.
    ///
    /// # Errors
    /// Where the map does not say where a shard is; then everything stays as it was.
    pub fn follow(&self, map: &ShardMap) -> Result<Vec<(ShardId, T)>, AddressError> {
        Ok(self.set(&self.inner.args.of_map(map)?))
    }

    /// As [`OfShards::follow`], for a process that follows the map while it runs: what cannot be followed is logged, and waits for the next map.
    pub fn follow_or_say(&self, map: &ShardMap) -> Vec<(ShardId, T)> {
        self.follow(map).unwrap_or_else(|error| {
            error!(epoch = %map.epoch(), %error, "where the shards are cannot be taken from the shard map");
            Vec::new()
        })
    }

    fn set(&self, list: &ShardList) -> Vec<(ShardId, T)> {
        let mut now = self.inner.now.write().unwrap_or_else(PoisonError::into_inner);
        let mut made = Vec::new();
        let value = |(shard, addresses): (ShardId, &ShardAddresses)| {
            let known = now.get(&shard).filter(|(known, _)| known == addresses);
            let made_anew = || {
                info!(%shard, %addresses, "this is where the shard is");
                let value = (self.inner.make)(shard, addresses);
                made.push((shard, value.clone()));
                value
            };
            let value = known.map_or_else(made_anew, |(_, value)| value.clone());
            (shard, (addresses.clone(), value))
        };
        let next = list.iter().map(value).collect();
        *now = Arc::new(next);
        made
    }

    /// That of one shard.
    ///
    /// # Errors
    /// [`ShardError::Unknown`].
    pub fn get(&self, shard: ShardId) -> Result<T, ShardError> {
        self.now().get(&shard).map(|(_, value)| value.clone()).ok_or(ShardError::Unknown(shard))
    }

    /// Those of all shards, in the order of their numbers.
    pub fn all(&self) -> Vec<T> {
        self.now().values().map(|(_, value)| value.clone()).collect()
    }

    fn now(&self) -> Arc<Values<T>> {
        Arc::clone(&self.inner.now.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<T> Clone for OfShards<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T> std::fmt::Debug for Inner<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        f.debug_list().entries(now.iter().map(|(shard, (addresses, _))| (shard, addresses))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Hash, Member};
    use std::num::NonZeroU16;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// Who asks now gets what is at the new address, and who still reads at the old one is not disturbed; the others keep theirs.
    #[test]
    fn what_is_made_of_a_shard_lasts_as_long_as_the_shard_is_where_it_is() {
        let member = |port: u16| Member { addresses: vec![format!("postgres://u@a:{port}/x")], ..Member::default() };
        let bare = ShardMap::even(NonZeroU16::new(2).unwrap(), Hash::Md5);
        let first = bare.clone().with_members([(ShardId(0), member(1)), (ShardId(1), member(2))].into());
        let count = AtomicU32::new(0);
        let shards = OfShards::made_by(ShardArgs::default(), move |_, _| count.fetch_add(1, Ordering::Relaxed));
        let made = |map: &ShardMap| shards.follow(map).unwrap().into_iter().map(|(ShardId(shard), _)| shard);
        assert!(shards.follow(&bare).is_err() && shards.all().is_empty());
        assert_eq!(made(&first).collect::<Vec<_>>(), [0, 1]);
        let third = first.next_with_members([(ShardId(2), member(3))]);
        assert_eq!(made(&third).collect::<Vec<_>>(), [2]);
        let elsewhere = third.next_with_members([(ShardId(1), member(4))]);
        assert_eq!(made(&elsewhere).collect::<Vec<_>>(), [1]);
        assert_eq!(made(&elsewhere.next_with(elsewhere.settings().clone())).count(), 0);
        assert_eq!(shards.all(), [0, 3, 2]);
        assert!(matches!(shards.get(ShardId(3)), Err(ShardError::Unknown(ShardId(3)))));
    }
}
