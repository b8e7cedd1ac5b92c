//! The rows of several feeds as one list, in order.

use forebay_shard::read::{Key, OrderRow};
use tokio::task::JoinSet;

use super::feed::{Feed, ROWS_MAX};
use super::limits::Limits;
use crate::error::ReadError;
use crate::list::merge::Merge;
use crate::list::picking::{Next, Picking};
use crate::moved::Said;
use crate::unit::pick::{MOVED_MAX, pause_before};

/// The merged rows of feeds.
pub(super) struct Feeds {
    merge: Merge,
    feeds: Vec<Feed>,
    picking: Picking,
    limits: Limits,
    /// The last row that was given.
    last: Option<Key>,
    /// They end with it.
    tasks: JoinSet<()>,
}

impl Feeds {
    /// Goes on from a merge whose sources have their first rows in hand.
    pub(super) fn start(merge: Merge, limits: Limits) -> Self {
        let picking = merge.new_picking();
        let mut feeds = Self { merge, feeds: Vec::new(), picking, limits, last: None, tasks: JoinSet::new() };
        feeds.go_on();
        feeds
    }

    fn go_on(&mut self) {
        self.tasks = JoinSet::new();
        let (patience, give_up) = (self.merge.settled().clone(), self.limits.give_up());
        self.feeds.clear();
        self.picking = self.merge.new_picking();
        for source in self.merge.take_sources() {
            let reads = source.export_reads();
            self.feeds.push(Feed::start(source, patience.clone(), reads, give_up, &mut self.tasks));
        }
    }

    /// The next row of the list; `None` is its end.
    pub(super) async fn next(&mut self) -> Result<Option<OrderRow>, ReadError> {
        for time in 0..MOVED_MAX {
            pause_before(time).await;
            match self.take().await {
                Err(ReadError::Moved) => {
                    self.merge.begin_behind(self.last.clone(), ROWS_MAX).await?;
                    self.go_on();
                }
                other => return other,
            }
        }
        Err(ReadError::Moved)
    }

    /// # Errors
    /// [`ReadError::Moved`] where the feeds have to begin anew behind the last row.
    async fn take(&mut self) -> Result<Option<OrderRow>, ReadError> {
        loop {
            self.fill_all().await?;
            let place = |said: &Said| self.merge.placement(said);
            match self.picking.next(self.feeds.iter_mut().map(Feed::hand), place)? {
                Next::Row(row) => {
                    self.last = Some(row.key().to_key());
                    return Ok(Some(row));
                }
                Next::End => return Ok(None),
                Next::Read => {}
                Next::Anew => return Err(ReadError::Moved),
            }
        }
    }

    /// Makes sure that something is in hand of each.
    async fn fill_all(&mut self) -> Result<(), ReadError> {
        for feed in &mut self.feeds {
            feed.fill().await?;
        }
        Ok(())
    }
}
