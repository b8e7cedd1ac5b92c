//! Where that lies which a receipt names: in the logs that it was sent to, and of what follows from it in those of all shards that it may be for.
//!
//! A receipt does not say of which units it is. As long as nothing has moved, only the shard that is read has something of the unit that is read; else what the receipt names may
//! have been logged elsewhere, and sent on.

use std::collections::BTreeMap;

use forebay_model::ownership::Logged;
use forebay_model::{Position, Receipt, ShardId, StreamKind};
use forebay_shard::read::ShardOwnership;
use futures::FutureExt;
use futures::future::try_join_all;
use tokio::time::{Instant, timeout};

use crate::error::ReadError;
use crate::position::patience::Patience;
use crate::replica::shards::Shards;
use crate::replica::wait::POLL_EVERY;

/// The places that a read of a unit has to hold, once they were found.
#[derive(Debug, Default)]
pub(crate) struct Places(Option<KnownPlaces>);

#[derive(Debug)]
struct KnownPlaces {
    /// Whether units have moved.
    of_moved: bool,
    /// Of each log at most one.
    logged: Vec<Logged>,
}

/// The last position in each log.
type Last = BTreeMap<ShardId, Position>;

impl Places {
    pub(super) fn as_slice(&self) -> &[Logged] {
        self.0.as_ref().map_or(&[], |found| &found.logged)
    }

    /// The last position in the log of a shard.
    pub(super) fn last(&self, shard: ShardId) -> Option<Position> {
        self.as_slice().iter().find(|logged| logged.shard == shard).map(|logged| logged.last)
    }

    /// Finds them for reads of a kind of streams that begin at `start`. What follows from orders is waited for until it is known where it lies.
    pub(super) async fn find(
        &mut self,
        shards: &Shards,
        kind: StreamKind,
        start: ShardId,
        patience: &Patience,
    ) -> Result<(), ReadError> {
        let of_moved = shards.moved().is_any();
        if patience.receipt.is_empty() || self.0.as_ref().is_some_and(|found| found.of_moved == of_moved) {
            return Ok(());
        }
        let of_one = patience.receipt.accepted().is_some_and(|accepted| accepted.orders == 1);
        let last = if of_moved {
            shards.places(kind, patience).await?
        } else {
            let target = shards.target(&*shards.get(start)?, kind.on(start), patience).await?;
            target.map(|target| (start, target)).into_iter().collect()
        };
        let logged = |(shard, last): (ShardId, Position)| {
            // A batch lies in frames up to this one.
            let first = if of_one && kind == StreamKind::Logged { last } else { Position { seq: 0, ..last } };
            Logged { shard, first, last }
        };
        self.0 = Some(KnownPlaces { of_moved, logged: last.into_iter().map(logged).collect() });
        Ok(())
    }
}

impl Shards {
    /// What reads of a kind of streams, of each shard by itself, have to hold: in place of the receipt, where units have moved.
    ///
    /// # Errors
    /// [`ReadError::NotYetVisible`] or [`ReadError::NotYetDerived`] when the time is over.
    pub(crate) async fn settle(&self, kind: StreamKind, patience: &Patience) -> Result<Patience, ReadError> {
        if patience.receipt.is_empty() || !self.moved().is_any() {
            return Ok(patience.clone());
        }
        let places = self.places(kind, patience).await?;
        let mut receipt = Receipt::default();
        for (shard, position) in self.decided(kind, places, patience.until).await? {
            receipt.note(kind.on(shard), position);
        }
        Ok(Patience { receipt, ..patience.clone() })
    }

    /// Where that lies which a receipt names, or what follows from it, in the logs of a kind.
    async fn places(&self, kind: StreamKind, patience: &Patience) -> Result<Last, ReadError> {
        let of = |kind: StreamKind| {
            let of_kind = patience.receipt.positions().filter(move |(stream, _)| stream.kind == kind);
            of_kind.map(|(stream, position)| (stream.shard, position)).collect::<Last>()
        };
        let direct = of(kind);
        if kind == StreamKind::Logged {
            return Ok(direct);
        }
        // The shard that has decided it has derived what follows, for shards of a map that is not known here.
        let sources = self.decided(StreamKind::Logged, of(StreamKind::Logged), patience.until).await?;
        let map = self.moved().map()?;
        let pairs = sources.into_iter().flat_map(|source| map.shards().map(move |target| (source, target)));
        let published = pairs.map(|((source, logged), target)| async move {
            let published = self.follow(source, logged, &*self.get(target)?, patience.until).await?;
            Ok::<_, ReadError>((target, published))
        });
        let mut last = direct;
        for (target, published) in try_join_all(published).await?.into_iter().filter(|(_, published)| published.seq > 0)
        {
            let known = last.entry(target).or_insert(published);
            *known = known.later(published);
        }
        Ok(last)
    }

    /// The shards that have decided what lies in these places, of whatever units: where it was logged, and where it was sent on to, transitively; each with a
    /// position at which none of it waits there any more.
    ///
    /// # Errors
    /// [`ReadError::NotYetVisible`] when the time is over.
    pub(crate) async fn decided(&self, kind: StreamKind, places: Last, until: Instant) -> Result<Last, ReadError> {
        let mut needs = places;
        loop {
            let map = self.moved().map()?;
            let looks = needs.iter().map(|(&shard, &needed)| async move {
                Ok::<_, ReadError>((shard, needed, self.said_now(kind, shard).await?))
            });
            let (mut more, mut decided, mut waits) = (needs.clone(), Last::new(), None);
            for (shard, needed, said) in try_join_all(looks).await? {
                match said.position.filter(|_| said.has_decided(needed)) {
                    Some(position) => drop(decided.insert(shard, position)),
                    None => waits = Some((shard, needed)),
                }
                // What was sent on to one that is gone has come to where it belongs.
                for (to, edge) in said.edges().into_iter().filter(|(to, _)| map.gone(*to).is_none()) {
                    let known = more.entry(to).or_insert(edge);
                    *known = known.later(edge);
                }
            }
            match waits {
                Some((shard, target)) => {
                    let now = Instant::now();
                    if now >= until {
                        return Err(ReadError::NotYetVisible { stream: kind.on(shard), target });
                    }
                    let mut known = self.get(shard)?.known().follow(kind);
                    let _ = timeout(POLL_EVERY.min(until - now), known.changed()).await;
                }
                None if more == needs => return Ok(decided),
                None => needs = more,
            }
        }
    }

    /// What a shard says of all units now.
    pub(super) async fn said_now(&self, kind: StreamKind, shard: ShardId) -> Result<ShardOwnership, ReadError> {
        let shard = self.get(shard)?;
        Ok(shard.with_connection("units", &|connection| ShardOwnership::read(connection, kind).boxed()).await?)
    }
}
