//! All units, each from one shard: what a read over several shards goes by.
//!
//! What the shards say of all units is remembered with their marks. Beside the rows of each statement stands the mark of that snapshot: as long as it is the one that was
//! gone by, the states are those in the snapshot of the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use forebay_model::{ShardId, ShardMap, StreamKind};
use forebay_shard::ShardError;
use forebay_shard::read::{Rows, ShardOwnership, Statement};
use futures::future::join_all;
use tokio::time::{Instant, sleep};

use crate::error::ReadError;
use crate::moved::UnitPlacement;
use crate::position::patience::Patience;
use crate::replica::shards::Shards;
use crate::replica::wait::RowsAfter;

/// How long shards are asked again that have not agreed.
const AGREE_MAX: Duration = Duration::from_secs(3);
/// So often in a row, without a row between, a read of several shards is begun, where units move meanwhile.
pub(crate) const MOVED_MAX: usize = 100;
const ASK_EVERY: Duration = Duration::from_millis(10);

/// Whether units have moved while shards were read together.
pub(crate) fn have_moved<T>(answers: &[(ShardId, Result<T, ReadError>)]) -> bool {
    answers.iter().any(|(_, answer)| matches!(answer, Err(ReadError::Moved)))
}

/// Before something is done that often for that units have moved: a replica may have to come as far as its primary.
pub(crate) async fn pause_before(time: usize) {
    if time > 1 {
        sleep(ASK_EVERY).await;
    }
}

/// What is picked, and the shards that could not be asked.
pub(crate) struct PickedFrom {
    pub(crate) picked: Arc<UnitPlacement>,
    pub(crate) outages: Vec<ShardError>,
}

impl PickedFrom {
    /// The shards that are to be read, those that could not be asked among them.
    pub(crate) fn shards(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.picked.shards().chain(self.outages.iter().map(ShardError::shard))
    }
}

impl Shards {
    /// Picks for each unit the shard that it is read from. `None` where nothing has ever moved: then it is the one that the map names.
    pub(crate) async fn pick(&self, stream: StreamKind) -> Result<Option<PickedFrom>, ReadError> {
        if !self.moved().is_any() {
            return Ok(None);
        }
        let until = Instant::now() + AGREE_MAX;
        let mut named = BTreeSet::new();
        loop {
            let map = self.moved().map()?;
            let shards: BTreeSet<ShardId> = map.shards().chain(named.iter().copied()).collect();
            let asked = shards.iter().map(async |&shard| (shard, self.said(stream, shard).await));
            let (mut said, mut outages) = (BTreeMap::new(), Vec::new());
            for (shard, answer) in join_all(asked).await {
                match answer {
                    Ok(answer) => drop(said.insert(shard, answer)),
                    Err(ReadError::Shard(error)) if error.is_outage() => outages.push(error),
                    Err(error) => return Err(error),
                }
            }
            match self.picked(stream, &map, &said, &outages) {
                Ok(picked) => return Ok(Some(PickedFrom { picked, outages })),
                Err(again) if Instant::now() < until => {
                    self.moved().forget(stream, again);
                    if !named.insert(again) {
                        sleep(ASK_EVERY).await;
                    }
                }
                Err(again) => return Err(ReadError::Missing(vec![again])),
            }
        }
    }

    /// Picks for the round of that number, from 0, of reading several shards together, and says what each of them has to hold. Another round follows where units have
    /// moved meanwhile: where any of the reads ends with [`ReadError::Moved`].
    ///
    /// # Errors
    /// [`ReadError::Moved`] where there were too many.
    pub(crate) async fn round(
        &self,
        kind: StreamKind,
        number: usize,
        patience: &Patience,
    ) -> Result<(Option<Arc<UnitPlacement>>, Patience), ReadError> {
        if number >= MOVED_MAX {
            return Err(ReadError::Moved);
        }
        pause_before(number).await;
        let settled = self.settle(kind, patience).await?;
        Ok((self.pick(kind).await?.map(|from| from.picked), settled))
    }

    /// Runs a statement on a shard as one of several that are read together.
    pub(crate) async fn read_picked(
        &self,
        shard: ShardId,
        statement: &Statement<'_>,
        patience: &Patience,
        picked: Option<&UnitPlacement>,
    ) -> Result<RowsAfter, ReadError> {
        let after = self.read_after(&*self.get(shard)?, statement, patience).await?;
        self.check_picked(statement.stream(), shard, &after.rows, picked)?;
        Ok(after)
    }

    /// Checks that rows are of a snapshot in which the shard says of all units what was gone by; by none, where nothing has moved.
    ///
    /// # Errors
    /// [`ReadError::Moved`], whereupon the units have to be picked again.
    pub(crate) fn check_picked(
        &self,
        stream: StreamKind,
        shard: ShardId,
        rows: &Rows,
        picked: Option<&UnitPlacement>,
    ) -> Result<(), ReadError> {
        self.check_mark(stream, shard, rows.said.mark, picked)
    }

    /// The same, of that mark.
    ///
    /// # Errors
    /// As [`Shards::check_picked`].
    pub(crate) fn check_mark(
        &self,
        stream: StreamKind,
        shard: ShardId,
        mark: i64,
        picked: Option<&UnitPlacement>,
    ) -> Result<(), ReadError> {
        self.moved().note(mark);
        let expected = picked.map_or(0, |picked| picked.mark(shard));
        if mark == expected {
            return Ok(());
        }
        self.moved().forget(stream, shard);
        Err(ReadError::Moved)
    }

    /// Picks from snapshots of these marks, each of whatever moment: what the shards say in just these snapshots. Those of `outages` could not be read.
    ///
    /// # Errors
    /// [`ReadError::Moved`] where that is not known any more, or they do not go together: then they have to be read again.
    pub(crate) async fn pick_of(
        &self,
        stream: StreamKind,
        marks: &[(ShardId, i64)],
        outages: &[ShardError],
    ) -> Result<Arc<UnitPlacement>, ReadError> {
        let map = self.moved().map()?;
        let mut said = BTreeMap::new();
        for &(shard, mark) in marks {
            said.insert(shard, self.said_at(stream, shard, mark).await?);
        }
        self.picked(stream, &map, &said, outages).map_err(|again| {
            self.moved().forget(stream, again);
            ReadError::Moved
        })
    }

    /// Checks that in a snapshot of that mark a shard still says of what it has released what it said when that was picked: then its rows are the same, too.
    ///
    /// # Errors
    /// [`ReadError::Moved`] where it does not, or that is not known any more.
    pub(crate) async fn check_released(
        &self,
        stream: StreamKind,
        shard: ShardId,
        mark: i64,
        picked: &UnitPlacement,
    ) -> Result<(), ReadError> {
        let (map, now) = (self.moved().map()?, self.said_at(stream, shard, mark).await?);
        if picked.is_still(stream, &map, shard, &now) { Ok(()) } else { Err(ReadError::Moved) }
    }

    /// What a shard says of all units in a snapshot of that mark.
    ///
    /// # Errors
    /// [`ReadError::Moved`] where it says something else by now.
    async fn said_at(&self, stream: StreamKind, shard: ShardId, mark: i64) -> Result<Arc<ShardOwnership>, ReadError> {
        self.moved().note(mark);
        let mut said = self.said(stream, shard).await?;
        if said.mark != mark {
            self.moved().forget(stream, shard);
            said = self.said(stream, shard).await?;
        }
        if said.mark == mark { Ok(said) } else { Err(ReadError::Moved) }
    }

    async fn said(&self, stream: StreamKind, shard: ShardId) -> Result<Arc<ShardOwnership>, ReadError> {
        match self.moved().said(stream, shard) {
            Some(said) => Ok(said),
            None => Ok(self.moved().remember(stream, shard, self.said_now(stream, shard).await?)),
        }
    }

    /// # Errors
    /// The shard that has to be asked again.
    fn picked(
        &self,
        stream: StreamKind,
        map: &ShardMap,
        said: &BTreeMap<ShardId, Arc<ShardOwnership>>,
        outages: &[ShardError],
    ) -> Result<Arc<UnitPlacement>, ShardId> {
        if let Some(last) = self.moved().last_placement(stream).filter(|last| last.is_of(said)) {
            return Ok(last);
        }
        let picked = Arc::new(UnitPlacement::of(stream, map, said, outages)?);
        if outages.is_empty() {
            self.moved().set_placement(stream, &picked);
        }
        Ok(picked)
    }
}
