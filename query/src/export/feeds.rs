//! The rows of several feeds as one list, in order, and what two shards have both once.

use forebay_shard::read::{Direction, OrderRow};
use tokio::task::JoinSet;

use super::feed::Feed;
use super::limits::Limits;
use crate::error::ReadError;
use crate::list::merge::first_of;
use crate::list::source::Source;
use crate::position::patience::Patience;

/// The merged rows of feeds.
pub(super) struct Feeds {
    feeds: Vec<Feed>,
    direction: Direction,
}

impl Feeds {
    /// Goes on from sources that have their first rows in hand.
    pub(super) fn start(
        sources: Vec<Source>,
        direction: Direction,
        patience: &Patience,
        limits: &Limits,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let start = |source: Source| {
            let reads = source.export_reads();
            Feed::start(source, patience.clone(), reads, limits.give_up(), tasks)
        };
        Self { feeds: sources.into_iter().map(start).collect(), direction }
    }

    /// The next row of the list; `None` is its end.
    pub(super) async fn next(&mut self) -> Result<Option<OrderRow>, ReadError> {
        for feed in &mut self.feeds {
            feed.fill().await?;
        }
        let heads = self.feeds.iter().map(|feed| feed.head().map(OrderRow::key));
        let Some(first) = first_of(heads, self.direction) else { return Ok(None) };
        let row = self.feeds[first].pop();
        if let Some(row) = &row {
            for feed in &mut self.feeds {
                if feed.head().is_some_and(|other| other.key() == row.key()) {
                    feed.pop();
                }
            }
        }
        Ok(row)
    }
}
