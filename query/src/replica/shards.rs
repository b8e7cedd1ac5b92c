//! The shards of the map, as it is now.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Duration;

use forebay_model::{ShardId, ShardMap};
use forebay_service::Service;
use forebay_shard::{AddressError, OfShards, ShardArgs, ShardError};
use forebay_task::Spawner;

use crate::moved::Moved;
use crate::position::derivations::Derivations;
use crate::replica::shard::{ReadSettings, Shard};
use crate::replica::shard_watch::ShardWatch;

/// How long a shard that is gone can still be read: requests that began by the map before go on.
const READ_ON: Duration = Duration::from_secs(30);

/// The shards, by number. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    shards: OfShards<Arc<Shard>>,
    /// Those that are gone, for who goes by the map before.
    gone: Arc<RwLock<BTreeMap<ShardId, Arc<Shard>>>>,
    spawner: Spawner,
    derivations: Arc<Derivations>,
    moved: Arc<Moved>,
}

impl Shards {
    /// None before the first map. Each is looked at for as long as it is where it is.
    pub(crate) fn new(args: ShardArgs, settings: ReadSettings, service: &Service) -> Self {
        let (service, spawner) = (service.clone(), service.lifecycle.spawner());
        let moved = Arc::<Moved>::default();
        let newest = Arc::clone(&moved);
        let shards = OfShards::made_by(args, move |id, addresses| {
            let shard = Arc::new(Shard::new(id, addresses, settings));
            let watch = ShardWatch::new(&shard, &service, Arc::clone(&newest));
            service.lifecycle.spawner().spawn(format!("shard {id}"), watch.run());
            shard
        });
        Self { shards, gone: Arc::default(), spawner, derivations: Arc::default(), moved }
    }

    /// Takes over a map.
    ///
    /// # Errors
    /// Where it does not say where a shard is.
    pub(crate) fn follow_map(&self, map: &ShardMap) -> Result<(), AddressError> {
        let before = self.all();
        self.shards.follow(map)?;
        for shard in before.into_iter().filter(|shard| !map.has(shard.id())) {
            let (id, gone) = (shard.id(), Arc::clone(&self.gone));
            write(&gone).insert(id, shard);
            self.spawner.spawn(format!("shard {id} that is gone"), async move {
                tokio::time::sleep(READ_ON).await;
                write(&gone).remove(&id);
            });
        }
        Ok(())
    }

    /// # Errors
    /// [`ShardError::Unknown`] where the map does not have it.
    pub(crate) fn get(&self, shard: ShardId) -> Result<Arc<Shard>, ShardError> {
        self.shards.get(shard).or_else(|unknown| {
            let gone = self.gone.read().unwrap_or_else(PoisonError::into_inner);
            gone.get(&shard).cloned().ok_or(unknown)
        })
    }

    /// What is known of units that move.
    pub(crate) fn moved(&self) -> &Moved {
        &self.moved
    }

    pub(crate) fn all(&self) -> Vec<Arc<Shard>> {
        self.shards.all()
    }

    /// How far what follows from each shard's orders is known to be derived for the others.
    pub(crate) fn derivations(&self) -> &Arc<Derivations> {
        &self.derivations
    }
}

fn write(gone: &RwLock<BTreeMap<ShardId, Arc<Shard>>>) -> RwLockWriteGuard<'_, BTreeMap<ShardId, Arc<Shard>>> {
    gone.write().unwrap_or_else(PoisonError::into_inner)
}
