//! The rows of several shards as one list: a k-way merge that holds one piece of each shard, and drops what two shards
//! have both.

use std::sync::Arc;

use forebay_model::ShardId;
use forebay_shard::ShardError;
use forebay_shard::read::{Direction, KeyRef, OrderRow, Subject};
use futures::future::join_all;

use crate::error::ReadError;
use crate::list::scan::Scan;
use crate::list::source::Source;
use crate::position::patience::Patience;
use crate::replica::shards::Shards;

/// The merged rows of sources.
pub(crate) struct Merge {
    sources: Vec<Source>,
    direction: Direction,
    patience: Patience,
    /// Whether to go on without shards that are down.
    partial: bool,
    missing: Vec<ShardId>,
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
        let mut sources = Vec::with_capacity(reads.len());
        let mut unknown = Vec::new();
        for (shard, subject) in reads {
            match shards.get(shard) {
                Ok(shard) => sources.extend(
                    scan.filter
                        .parts()
                        .map(|part| Source::new(shards.clone(), Arc::clone(&shard), subject.clone(), scan, part)),
                ),
                Err(error) => unknown.push(error),
            }
        }
        let mut merge =
            Self { sources, direction: scan.direction, patience, partial: scan.partial, missing: Vec::new() };
        merge.note_outages(&unknown)?;
        Ok(merge)
    }

    /// Reads the first rows of every source, for a walk that will want `wanted`.
    ///
    /// # Errors
    /// Where a shard is down, and the answer is not to be a partial one.
    pub(crate) async fn begin(&mut self, wanted: usize) -> Result<(), ReadError> {
        self.fill(wanted).await
    }

    pub(crate) fn direction(&self) -> Direction {
        self.direction
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// The sources as they stand.
    pub(crate) fn into_sources(self) -> Vec<Source> {
        self.sources
    }

    /// The shards that are left out, in order.
    pub(crate) fn missing(&self) -> &[ShardId] {
        &self.missing
    }

    /// The next row of the list. `wanted` says how many more will be asked for, this one included.
    pub(crate) async fn next(&mut self, wanted: usize) -> Result<Option<OrderRow>, ReadError> {
        self.fill(wanted).await?;
        let Some(first) = self.first() else { return Ok(None) };
        let row = self.sources[first].pop();
        // The same fact lies in two shards while its bucket moves.
        if let Some(row) = &row {
            for source in &mut self.sources {
                if source.head().is_some_and(|other| other.key() == row.key()) {
                    source.pop();
                }
            }
        }
        Ok(row)
    }

    /// Whether there is a further row.
    pub(crate) async fn has_more(&mut self) -> Result<bool, ReadError> {
        self.fill(1).await?;
        Ok(self.first().is_some())
    }

    /// The source whose next row comes first.
    fn first(&self) -> Option<usize> {
        first_of(self.sources.iter().map(|source| source.head().map(OrderRow::key)), self.direction)
    }

    /// Reads on, at the same time, where the next row is not known.
    async fn fill(&mut self, wanted: usize) -> Result<(), ReadError> {
        while self.sources.iter().any(Source::is_empty_handed) {
            let rows = rows_of_each(wanted, self.sources.len());
            let empty = self.sources.iter_mut().filter(|source| source.is_empty_handed());
            let patience = &self.patience;
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
        if outages.is_empty() || self.partial { Ok(()) } else { Err(ReadError::Missing(self.missing.clone())) }
    }
}

/// The place of the head that comes first, among those that there are.
pub(crate) fn first_of<'a>(heads: impl Iterator<Item = Option<KeyRef<'a>>>, direction: Direction) -> Option<usize> {
    let heads = heads.enumerate().filter_map(|(place, head)| Some((place, head?)));
    heads.reduce(|a, b| if direction.is_before(b.1, a.1) { b } else { a }).map(|(place, _)| place)
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
