//! Every shard that the settings name.

use std::sync::Arc;

use forebay_model::ShardId;
use forebay_shard::{ShardError, ShardList};

use crate::replica::shard::{ReadSettings, Shard};

/// The shards, by number.
#[derive(Debug)]
pub(crate) struct Shards(Vec<Arc<Shard>>);

impl Shards {
    pub(crate) fn new(list: &ShardList, settings: ReadSettings) -> Self {
        let shards = list.iter().map(|(id, addresses)| Arc::new(Shard::new(id, addresses, settings)));
        Self(shards.collect())
    }

    /// # Errors
    /// [`ShardError::Unknown`] where the shard map knows more shards than the settings.
    pub(crate) fn get(&self, shard: ShardId) -> Result<&Arc<Shard>, ShardError> {
        self.0.get(usize::from(shard.0)).ok_or(ShardError::Unknown(shard))
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.0.iter()
    }
}
