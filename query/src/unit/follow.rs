//! One unit: its reader begins at the shard that the newest map names, and goes where the states in the snapshots of the rows lead.

use std::time::Duration;

use forebay_model::ownership::{Ownership, Reading, Sighting, Unit, reader};
use forebay_model::{Incarnation, Position, ShardId};
use forebay_shard::read::{Rows, Statement};
use tokio::time::{Instant, timeout};

use super::Places;
use crate::error::ReadError;
use crate::position::patience::{Need, Patience};
use crate::replica::shards::Shards;
use crate::replica::wait::{POLL_EVERY, Waited};

/// How long a unit that changes hands is waited for, where it is not a receipt that waits: that takes moments.
const HANDS_CHANGE_MAX: Duration = Duration::from_secs(3);

/// The rows of a unit.
#[derive(Debug)]
pub(crate) struct UnitRows {
    /// Whose they are.
    pub(crate) shard: ShardId,
    pub(crate) rows: Rows,
    /// Each shard that was looked at, with the position in that snapshot: what would change the answer is told by all of them.
    pub(crate) seen: Vec<(ShardId, Option<Position>)>,
}

/// What was seen of a shard.
struct ShardRows {
    shard: ShardId,
    ownership: Ownership,
    rows: Rows,
}

/// How looking around has ended.
enum FollowOutcome {
    /// With an answer.
    Found(Box<UnitRows>),
    /// That shard has to come further; `for_receipt` where it would be an answer for who presents none.
    NotYet { shard: ShardId, for_receipt: bool },
}

impl Shards {
    /// Runs a statement about one unit where that unit is. The rows hold what the receipt names, or what follows from that; `places` are where that lies, once
    /// that is known, for further reads of the same.
    ///
    /// # Errors
    /// [`ReadError::NotYetVisible`] or [`ReadError::NotYetDerived`] when the time is over.
    pub(crate) async fn read_unit(
        &self,
        unit: Unit,
        statement: &Statement<'_>,
        patience: &Patience,
        places: &mut Places,
    ) -> Result<UnitRows, ReadError> {
        let hands_until = Instant::now() + HANDS_CHANGE_MAX;
        loop {
            let map = self.moved().map()?;
            let start = map.shard(unit.stream(), unit.bucket());
            places.find(self, unit.stream(), start, patience).await?;
            let (shard, until) = match self.look(unit, start, statement, patience, places).await? {
                FollowOutcome::Found(found) => return Ok(*found),
                FollowOutcome::NotYet { shard, for_receipt: true } => (shard, patience.until),
                FollowOutcome::NotYet { shard, for_receipt: false } => (shard, patience.until.max(hands_until)),
            };
            let now = Instant::now();
            if now >= until {
                let stream = unit.stream().on(shard);
                return Err(match places.last(shard) {
                    Some(target) => ReadError::NotYetVisible { stream, target },
                    None => ReadError::Missing(vec![shard]),
                });
            }
            let mut known = self.get(shard)?.known().follow(unit.stream());
            // Whatever is committed there may be what is waited for.
            let _ = timeout(POLL_EVERY.min(until - now), known.changed()).await;
        }
    }

    /// Looks at one shard after the other, each once.
    async fn look(
        &self,
        unit: Unit,
        start: ShardId,
        statement: &Statement<'_>,
        patience: &Patience,
        places: &Places,
    ) -> Result<FollowOutcome, ReadError> {
        let mut seen: Vec<ShardRows> = Vec::with_capacity(1);
        loop {
            let sightings: Vec<_> = seen.iter().map(ShardRows::sighting).collect();
            match reader::next(start, places.as_slice(), &sightings) {
                Reading::Look(shard) => match self.look_at(unit, shard, statement, patience, places).await? {
                    Some(look) => seen.push(look),
                    None => return Ok(FollowOutcome::NotYet { shard, for_receipt: true }),
                },
                Reading::Answer(shard) => {
                    let looks = seen.iter().map(|seen| (seen.shard, seen.rows.position)).collect();
                    let place = seen.iter().position(|seen| seen.shard == shard);
                    let Some(place) = place else { return Ok(FollowOutcome::NotYet { shard, for_receipt: false }) };
                    let rows = seen.swap_remove(place).rows;
                    return Ok(FollowOutcome::Found(Box::new(UnitRows { shard, rows, seen: looks })));
                }
                Reading::Wait(shard) => {
                    let for_receipt = matches!(reader::next(start, &[], &sightings), Reading::Answer(_));
                    return Ok(FollowOutcome::NotYet { shard, for_receipt });
                }
            }
        }
    }

    /// Looks at a shard, once its stream has come to where something of the receipt lies in it. `None` where it turns out to be another stream.
    async fn look_at(
        &self,
        unit: Unit,
        shard: ShardId,
        statement: &Statement<'_>,
        patience: &Patience,
        places: &Places,
    ) -> Result<Option<ShardRows>, ReadError> {
        let (known, stream) = (self.get(shard)?, unit.stream().on(shard));
        let target = places.last(shard);
        if let Some(target) = target
            && let Waited::Elsewhere = known.wait_for(stream.kind, target, patience.until).await?
        {
            return Ok(None);
        }
        let rows = known.read(statement, Need { target, floor: patience.floor.position(stream) }).await?;
        self.moved().note(rows.said.mark);
        let ownership = rows.said.ownership(&*self.moved().map()?, shard, unit, rows.position);
        Ok(Some(ShardRows { shard, ownership, rows }))
    }
}

impl ShardRows {
    fn sighting(&self) -> Sighting<'_> {
        let position = self.rows.position.unwrap_or(Position { incarnation: Incarnation::new(0), seq: 0 });
        let parked_from = self.rows.said.parked_from.map(|seq| Position { seq, ..position });
        Sighting { shard: self.shard, position, ownership: &self.ownership, parked_from }
    }
}
