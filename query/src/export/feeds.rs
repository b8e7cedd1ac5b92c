//! The rows of several feeds as one list, in order.

use forebay_shard::read::{Key, OrderRow};
use tokio::task::JoinSet;

use super::feed::{Feed, ROWS_MAX};
use super::limits::Limits;
use crate::error::ReadError;
use crate::list::merge::{Merge, first_of};
use crate::unit::pick::{MOVED_MAX, pause_before};

/// The merged rows of feeds.
pub(super) struct Feeds {
    merge: Merge,
    feeds: Vec<Feed>,
    limits: Limits,
    /// The last row that was given.
    last: Option<Key>,
    /// They end with it.
    tasks: JoinSet<()>,
}

impl Feeds {
    /// Goes on from a merge whose sources have their first rows in hand.
    pub(super) fn start(merge: Merge, limits: Limits) -> Self {
        let mut feeds = Self { merge, feeds: Vec::new(), limits, last: None, tasks: JoinSet::new() };
        feeds.go_on();
        feeds
    }

    fn go_on(&mut self) {
        self.tasks = JoinSet::new();
        let (patience, give_up) = (self.merge.settled().clone(), self.limits.give_up());
        self.feeds.clear();
        for source in self.merge.take_sources() {
            let reads = source.export_reads();
            self.feeds.push(Feed::start(source, patience.clone(), reads, give_up, &mut self.tasks));
        }
    }

    /// The next row of the list; `None` is its end.
    pub(super) async fn next(&mut self) -> Result<Option<OrderRow>, ReadError> {
        self.fill().await?;
        let heads = self.feeds.iter().map(|feed| feed.head().map(OrderRow::key));
        let Some(first) = first_of(heads, self.merge.direction()) else { return Ok(None) };
        let row = self.feeds[first].pop();
        // The same order may stand in two parts of a filter.
        if let Some(row) = &row {
            for feed in &mut self.feeds {
                if feed.head().is_some_and(|other| other.key() == row.key()) {
                    feed.pop();
                }
            }
            self.last = Some(row.key().to_key());
        }
        Ok(row)
    }

    /// Makes sure that the next row of each is in hand. Where units have moved, they begin anew behind the last row.
    async fn fill(&mut self) -> Result<(), ReadError> {
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            match self.fill_all().await {
                Err(ReadError::Moved) => {
                    self.merge.begin_behind(self.last.clone(), ROWS_MAX).await?;
                    self.go_on();
                }
                other => return other,
            }
        }
        Err(ReadError::Moved)
    }

    async fn fill_all(&mut self) -> Result<(), ReadError> {
        for feed in &mut self.feeds {
            feed.fill().await?;
        }
        Ok(())
    }
}
