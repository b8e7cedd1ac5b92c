//! Every shard that the settings name.

use std::sync::Arc;

use forebay_model::{ShardId, ShardMap};
use forebay_shard::{ShardError, ShardList};

use crate::position::derivations::Derivations;
use crate::replica::shard::{ReadSettings, Shard};
use crate::unit::Moved;

/// The shards, by number. Cloning it is cheap.
#[derive(Clone, Debug)]
pub(crate) struct Shards(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    list: ShardList,
    shards: Vec<Arc<Shard>>,
    derivations: Arc<Derivations>,
    moved: Moved,
}

impl Shards {
    pub(crate) fn new(list: &ShardList, settings: ReadSettings) -> Self {
        let shards: Vec<_> = list.iter().map(|(id, addresses)| Arc::new(Shard::new(id, addresses, settings))).collect();
        let derivations = Arc::new(Derivations::new(shards.len()));
        Self(Arc::new(Inner { list: list.clone(), shards, derivations, moved: Moved::default() }))
    }

    /// # Errors
    /// [`ShardError::Unknown`] where the shard map knows more shards than the settings.
    pub(crate) fn get(&self, shard: ShardId) -> Result<&Arc<Shard>, ShardError> {
        self.0.shards.get(usize::from(shard.0)).ok_or(ShardError::Unknown(shard))
    }

    /// From now on no shard is read that is of another system than the map.
    pub(crate) fn set_system(&self, map: &ShardMap) {
        self.0.list.set_system(map);
    }

    /// What is known of units that move.
    pub(crate) fn moved(&self) -> &Moved {
        &self.0.moved
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.0.shards.iter()
    }

    /// How far what follows from each shard's orders is known to be derived for the others.
    pub(crate) fn derivations(&self) -> &Arc<Derivations> {
        &self.0.derivations
    }
}
