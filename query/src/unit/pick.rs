//! All units, each from one shard: what a read over several shards goes by.
//!
//! A statement over all units gives what its shard says of them, in the snapshot of the rows, but where that is what is known already. So what is read of several shards
//! tells by itself from which of them each unit is taken, whatever changes hands meanwhile. Only where two snapshots do not go together, because one is older than what
//! the other says, that shard is read again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_model::{ShardId, StreamKind};
use forebay_shard::ShardError;
use forebay_shard::read::Statement;
use futures::future::join_all;
use tokio::time::sleep;

use crate::error::ReadError;
use crate::moved::{Said, UnitPlacement};
use crate::position::patience::Patience;
use crate::replica::shard::Shard;
use crate::replica::shards::Shards;
use crate::replica::wait::RowsAfter;

/// So often in a row, without a row between, something is read again of several shards, because it does not go together.
pub(crate) const MOVED_MAX: usize = 100;
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Before something is done that often because units have moved: a replica may have to come as far as its primary.
pub(crate) async fn pause_before(time: usize) {
    if time > 1 {
        sleep(ASK_EVERY).await;
    }
}

/// What shards have answered that go together.
pub(crate) struct Together {
    /// That of each, or why it could not be asked.
    pub(crate) answers: BTreeMap<ShardId, Result<RowsAfter, ReadError>>,
    /// From where each unit is taken; nothing where nothing has moved.
    pub(crate) placement: Option<Arc<UnitPlacement>>,
}

/// What is to go together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// Of each unit one shard is to be known that has it.
    Known,
    /// No other is to have it, too.
    Once,
}

impl Shards {
    /// Runs a statement over all units on a shard. What the shard says of them comes with the rows. `has_moved` says whether what is waited for was settled for units that
    /// have moved.
    ///
    /// # Errors
    /// [`ReadError::Moved`] where it was not, and they have.
    pub(crate) async fn read_all(
        &self,
        shard: &Shard,
        statement: &Statement<'_>,
        patience: &Patience,
        has_moved: bool,
    ) -> Result<RowsAfter, ReadError> {
        let known = self.moved().said(statement.stream(), shard.id());
        let after = self.read_after(shard, &statement.knowing(known), patience).await?;
        self.moved().remember(statement.stream(), shard.id(), &after.rows.units);
        if after.rows.said.mark != 0 && !has_moved { Err(ReadError::Moved) } else { Ok(after) }
    }

    /// Reads shards together: those again whose snapshots are too old for what others say, until they agree. A shard of `missing` is not asked.
    ///
    /// # Errors
    /// What a shard says that can be asked. [`ReadError::Moved`] where they do not agree.
    pub(crate) async fn read_together(
        &self,
        shards: impl Iterator<Item = ShardId>,
        missing: &[ShardId],
        statement: &Statement<'_>,
        patience: &Patience,
        agreement: Agreement,
    ) -> Result<Together, ReadError> {
        let (all, stream): (BTreeSet<ShardId>, _) = (shards.collect(), statement.stream());
        let (mut answers, mut wanted, mut settled) = (BTreeMap::new(), all.clone(), None);
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            let (has_moved, patience) = match &settled {
                Some(settled) => (true, settled),
                None => {
                    let has_moved = self.moved().is_any();
                    let now = self.settle(stream, patience).await?;
                    if has_moved { (true, &*settled.insert(now)) } else { (false, patience) }
                }
            };
            wanted.retain(|shard| !missing.contains(shard));
            let reads = wanted.iter().map(async |&shard| {
                let read = async { self.read_all(&*self.get(shard)?, statement, patience, has_moved).await };
                (shard, read.await)
            });
            answers.extend(join_all(reads).await);
            let (mut said, mut out) = (Said::new(), missing.to_vec());
            let mut is_new = false;
            for (&shard, answer) in &answers {
                match answer {
                    Ok(after) => drop(said.insert(shard, Arc::clone(&after.rows.units))),
                    Err(ReadError::Moved) => is_new = true,
                    Err(_) => out.push(shard),
                }
            }
            if is_new {
                wanted.clone_from(&all);
                continue;
            }
            if said.values().all(|said| said.mark == 0) {
                return Ok(Together { answers, placement: None });
            }
            let placement = self.placement(stream, &said, &out)?;
            wanted.clone_from(placement.again());
            if agreement == Agreement::Once {
                wanted.extend(placement.doubled());
            }
            if wanted.is_empty() {
                return Ok(Together { answers, placement: Some(placement) });
            }
        }
        Err(ReadError::Moved)
    }

    /// Picks for each unit the shard that it is read from, by what shards have last said, and gives why some could not be asked. No placement where nothing has ever moved:
    /// then it is the shard that the map names. A shard of `missing` is not asked.
    pub(crate) async fn pick(
        &self,
        stream: StreamKind,
        missing: &[ShardId],
    ) -> Result<(Option<Arc<UnitPlacement>>, Vec<ShardError>), ReadError> {
        if !self.moved().is_any() {
            return Ok((None, Vec::new()));
        }
        let (mut said, mut outages) = (Said::new(), Vec::new());
        let map = self.moved().map()?;
        let asked = map.shards().filter(|shard| !missing.contains(shard)).map(async |shard| {
            let known = self.moved().said(stream, shard);
            let now = async { Ok(Arc::new(self.said_now(stream, shard).await?)) };
            (shard, if let Some(known) = known { Ok(known) } else { now.await })
        });
        for (shard, answer) in join_all(asked).await {
            match answer {
                Ok(units) => {
                    self.moved().remember(stream, shard, &units);
                    said.insert(shard, units);
                }
                Err(ReadError::Shard(error)) if error.is_outage() => outages.push(error),
                Err(error) => return Err(error),
            }
        }
        let out: Vec<_> = missing.iter().copied().chain(outages.iter().map(ShardError::shard)).collect();
        Ok((Some(self.placement(stream, &said, &out)?), outages))
    }

    /// From where each unit is taken, by what shards say, each in a snapshot. Those of `missing` could not be asked.
    ///
    /// # Errors
    /// Where there is no map.
    pub(crate) fn placement(
        &self,
        stream: StreamKind,
        said: &Said,
        missing: &[ShardId],
    ) -> Result<Arc<UnitPlacement>, ReadError> {
        let map = self.moved().map()?;
        if let Some(last) = self.moved().last_placement(stream).filter(|last| missing.is_empty() && last.is_of(said)) {
            return Ok(last);
        }
        let placement = Arc::new(UnitPlacement::of(stream, &map, said, missing));
        if missing.is_empty() {
            self.moved().set_placement(stream, &placement);
        }
        Ok(placement)
    }
}
