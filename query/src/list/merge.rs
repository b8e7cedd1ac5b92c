//! The rows of several shards as one list: a k-way merge that holds some pieces of each shard, of which [`picking`](crate::list::picking) takes the rows.

use std::sync::Arc;

use forebay_model::{ShardId, StreamKind, Tenant};
use forebay_shard::ShardError;
use forebay_shard::read::{Key, OrderRow, Subject};
use futures::future::join_all;

use crate::error::ReadError;
use crate::list::picking::{Next, Picking};
use crate::list::scan::Scan;
use crate::list::source::Source;
use crate::moved::{Said, UnitPlacement};
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::replica::shards::Shards;
use crate::unit::pick::{MOVED_MAX, pause_before};

/// The merged rows of sources.
pub(crate) struct Merge {
    shards: Shards,
    reads: Vec<(ShardId, Subject)>,
    scan: Scan,
    sources: Vec<Source>,
    picking: Picking,
    /// The next row, where it was taken already.
    head: Option<OrderRow>,
    /// What a request waits for.
    patience: Patience,
    /// What each source waits for.
    settled: Patience,
    missing: Vec<ShardId>,
    /// Whether the sources are there.
    is_open: bool,
    /// Whether they have given a row.
    has_given: bool,
    /// Where rows were read that sources gave which are no more.
    read_before: ReadAt,
}

impl Merge {
    /// Merges what the scan finds on these shards.
    ///
    /// # Errors
    /// Where a shard is not known, and the answer is not to be a partial one.
    pub(crate) fn new(
        shards: &Shards,
        reads: Vec<(ShardId, Subject)>,
        scan: &Scan,
        patience: Patience,
    ) -> Result<Self, ReadError> {
        let mut merge = Self {
            shards: shards.clone(),
            reads,
            scan: scan.clone(),
            sources: Vec::new(),
            picking: Picking::new(scan.direction, Tenant::none().clone()),
            head: None,
            settled: patience.clone(),
            patience,
            missing: Vec::new(),
            is_open: false,
            has_given: false,
            read_before: ReadAt::default(),
        };
        if merge.subject_of_all().is_none() || !shards.moved().is_any() {
            merge.open_with(&merge.reads.clone(), false)?;
        }
        Ok(merge)
    }

    /// The subject that is read from all shards.
    fn subject_of_all(&self) -> Option<Subject> {
        self.subject().filter(|subject| subject.unit().is_none()).cloned()
    }

    fn open_with(&mut self, reads: &[(ShardId, Subject)], has_moved: bool) -> Result<(), ReadError> {
        let (mut unknown, mut sources) = (Vec::new(), Vec::with_capacity(reads.len()));
        for (shard, subject) in reads.iter().filter(|(shard, _)| !self.missing.contains(shard)) {
            match self.shards.get(*shard) {
                Ok(shard) => sources.extend(self.scan.filter.parts().enumerate().map(|part| {
                    let of = (subject.clone(), has_moved);
                    Source::new(self.shards.clone(), Arc::clone(&shard), of, &self.scan, part)
                })),
                Err(error) => unknown.push(error),
            }
        }
        (self.sources, self.is_open) = (sources, true);
        self.picking = self.new_picking();
        self.note_outages(&unknown)
    }

    /// Begins anew behind the last row that was given, on the shards of the newest map.
    async fn open(&mut self) -> Result<(), ReadError> {
        if std::mem::take(&mut self.has_given) {
            self.read_before = self.read_at();
        }
        let Some(subject) = self.subject_of_all() else { return Err(ReadError::Moved) };
        let has_moved = self.shards.moved().is_any();
        self.settled = self.shards.settle(StreamKind::Logged, &self.patience).await?;
        let reads: Vec<_> = self.shards.moved().map()?.shards().map(|shard| (shard, subject.clone())).collect();
        self.open_with(&reads, has_moved)
    }

    /// Picks rows, of which none was given yet.
    pub(crate) fn new_picking(&self) -> Picking {
        let tenant = self.subject().map_or_else(|| Tenant::none().clone(), |subject| subject.tenant().clone());
        Picking::new(self.scan.direction, tenant)
    }

    /// From where each unit is read, by what the shards say that are read.
    pub(crate) fn placement(&self, said: &Said) -> Result<Arc<UnitPlacement>, ReadError> {
        self.shards.placement(StreamKind::Logged, said, &self.missing)
    }

    /// Reads the first rows of every source, for a walk that will want `wanted`.
    ///
    /// # Errors
    /// Where a shard is down, and the answer is not to be a partial one.
    pub(crate) async fn begin(&mut self, wanted: usize) -> Result<(), ReadError> {
        self.fill(wanted).await
    }

    /// The same list behind a row: units have moved since it was begun.
    ///
    /// # Errors
    /// As [`Merge::begin`].
    pub(crate) async fn begin_behind(&mut self, last: Option<Key>, wanted: usize) -> Result<(), ReadError> {
        self.scan.last = last.unwrap_or_else(|| self.scan.last.clone());
        self.is_open = false;
        self.fill(wanted).await
    }

    /// What its sources wait for.
    pub(crate) fn settled(&self) -> &Patience {
        &self.settled
    }

    /// The logs that its rows came by, or that would change them, each with the position before which everything is in it.
    pub(crate) fn read_at(&self) -> ReadAt {
        let mut read_at = self.read_before.clone();
        self.sources.iter().for_each(|source| read_at.note_all(source.read_at()));
        read_at
    }

    /// Whether there is such a position of each source: not before the first commit of a log.
    pub(crate) fn is_known(&self) -> bool {
        self.sources.iter().all(|source| !source.read_at().is_empty())
    }

    /// Whose orders it has; nothing where there are none.
    pub(crate) fn subject(&self) -> Option<&Subject> {
        self.reads.first().map(|(_, subject)| subject)
    }

    /// The sources as they stand, to be read by somebody else.
    pub(crate) fn take_sources(&mut self) -> Vec<Source> {
        std::mem::take(&mut self.sources)
    }

    /// The shards that are left out, in order.
    pub(crate) fn missing(&self) -> &[ShardId] {
        &self.missing
    }

    /// The next row of the list. `wanted` says how many more will be asked for, this one included.
    pub(crate) async fn next(&mut self, wanted: usize) -> Result<Option<OrderRow>, ReadError> {
        match self.head.take() {
            Some(row) => Ok(Some(row)),
            None => self.take(wanted).await,
        }
    }

    /// Whether there is a further row.
    pub(crate) async fn has_more(&mut self) -> Result<bool, ReadError> {
        if self.head.is_none() {
            self.head = self.take(1).await?;
        }
        Ok(self.head.is_some())
    }

    async fn take(&mut self, wanted: usize) -> Result<Option<OrderRow>, ReadError> {
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            loop {
                self.fill(wanted).await?;
                let (hands, missing) = (self.sources.iter_mut().map(Source::hand), &self.missing);
                let place = |said: &Said| self.shards.placement(StreamKind::Logged, said, missing);
                match self.picking.next(hands, place)? {
                    Next::Row(row) => {
                        self.scan.last = row.key().to_key();
                        self.has_given = true;
                        return Ok(Some(row));
                    }
                    Next::End => return Ok(None),
                    Next::Read => {}
                    Next::Anew => break,
                }
            }
            self.is_open = false;
        }
        Err(ReadError::Moved)
    }

    /// Makes sure that something is in hand of every source.
    async fn fill(&mut self, wanted: usize) -> Result<(), ReadError> {
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            if !self.is_open {
                self.open().await?;
            }
            match self.fill_all(wanted).await {
                Err(ReadError::Moved) => self.is_open = false,
                other => return other,
            }
        }
        Err(ReadError::Moved)
    }

    /// Reads on, at the same time, where it is not known what comes next.
    async fn fill_all(&mut self, wanted: usize) -> Result<(), ReadError> {
        while self.sources.iter().any(Source::is_empty_handed) {
            let rows = rows_of_each(wanted, self.sources.len());
            let empty = self.sources.iter_mut().filter(|source| source.is_empty_handed());
            let patience = &self.settled;
            let filled = join_all(empty.map(async |source| match source.fill(rows, patience).await {
                Err(ReadError::Shard(error)) if error.is_outage() => {
                    source.abandon();
                    Ok(Some(error))
                }
                other => other.map(|()| None),
            }));
            let outages: Vec<_> = filled.await.into_iter().filter_map(Result::transpose).collect::<Result<_, _>>()?;
            self.note_outages(&outages)?;
        }
        Ok(())
    }

    fn note_outages(&mut self, outages: &[ShardError]) -> Result<(), ReadError> {
        for outage in outages {
            outage.log();
            if let Err(place) = self.missing.binary_search(&outage.shard()) {
                self.missing.insert(place, outage.shard());
            }
        }
        if outages.is_empty() || self.scan.partial { Ok(()) } else { Err(ReadError::Missing(self.missing.clone())) }
    }
}

/// How many rows to ask each source for. Orders are spread evenly over the shards, so each will have about its share of the
/// rows, give or take; a source that has more is asked again.
fn rows_of_each(wanted: usize, sources: usize) -> usize {
    let share = wanted.div_ceil(sources.max(1));
    let spread = 2 * share.isqrt() + 2;
    (share + spread).min(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shard_is_asked_for_all_and_several_for_their_share() {
        assert_eq!(rows_of_each(51, 1), 51);
        assert_eq!(rows_of_each(101, 3), 34 + 12);
        assert_eq!(rows_of_each(1, 12), 1);
        assert_eq!(rows_of_each(1, 0), 1);
    }
}
