//! The shards of the map, as it is now.

use std::sync::Arc;

use forebay_model::{ShardId, ShardMap};
use forebay_service::Service;
use forebay_shard::{AddressError, OfShards, ShardArgs, ShardError};

use crate::position::derivations::Derivations;
use crate::replica::shard::{ReadSettings, Shard};
use crate::replica::shard_watch::ShardWatch;
use crate::unit::Moved;

/// The shards, by number. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Shards {
    shards: OfShards<Arc<Shard>>,
    derivations: Arc<Derivations>,
    moved: Arc<Moved>,
}

impl Shards {
    /// None before the first map. Each is looked at for as long as it is where it is.
    pub(crate) fn new(args: ShardArgs, settings: ReadSettings, service: &Service) -> Self {
        let service = service.clone();
        let shards = OfShards::made_by(args, move |id, addresses| {
            let shard = Arc::new(Shard::new(id, addresses, settings));
            let watch = ShardWatch::new(&shard, &service);
            service.lifecycle.spawner().spawn(format!("shard {id}"), watch.run());
            shard
        });
        Self { shards, derivations: Arc::default(), moved: Arc::default() }
    }

    /// Takes over a map.
    ///
    /// # Errors
    /// Where it does not say where a shard is.
    pub(crate) fn follow_map(&self, map: &ShardMap) -> Result<(), AddressError> {
        self.shards.follow(map).map(drop)
    }

    /// # Errors
    /// [`ShardError::Unknown`] where the map does not have it.
    pub(crate) fn get(&self, shard: ShardId) -> Result<Arc<Shard>, ShardError> {
        self.shards.get(shard)
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
