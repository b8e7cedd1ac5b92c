//! Stored orders of a stretch of a log, in the order of the log: the parts of several windows of time, merged.

use std::collections::VecDeque;

use forebay_model::Position;
use forebay_shard::read::stored_order::{OrderReader, StoredOrder};
use forebay_shard::read::stretch::{PlacedOrders, Stretch, StretchPart, TimeWindow};

use super::trouble::Trouble;

/// Stored orders that are read together, of all windows.
const ROWS: usize = 2000;
/// The least that are read of a window.
const WINDOW_ROWS: usize = 100;

/// Reads a stretch.
pub(super) struct StretchReader {
    stretch: Stretch,
    sides: Vec<(StretchPart, Side<StoredOrder>)>,
}

/// One of several that are merged by the numbers of frames.
#[derive(Debug)]
struct Side<T> {
    /// What is read of it and not given yet, in order.
    rows: VecDeque<(u64, T)>,
    /// The last frame that it is read to.
    read_to: u64,
    is_at_end: bool,
}

impl StretchReader {
    pub(super) fn new(stretch: Stretch, windows: &[TimeWindow]) -> Self {
        let side = |part| (part, Side { rows: VecDeque::new(), read_to: stretch.behind, is_at_end: false });
        let parts = windows.iter().copied().map(StretchPart::Orders).chain([StretchPart::Events]);
        Self { stretch, sides: parts.map(side).collect() }
    }

    /// Which stretch it reads.
    pub(super) fn stretch(&self) -> &Stretch {
        &self.stretch
    }

    /// The next orders, and the frame up to which all are given with them. `None` once they are. Each is read in a snapshot in which
    /// everything up to a position is decided.
    pub(super) async fn next(
        &mut self,
        orders: &OrderReader,
        upto: Position,
    ) -> Result<Option<(Vec<StoredOrder>, u64)>, Trouble> {
        let limit = (ROWS / self.sides.len().max(1)).max(WINDOW_ROWS);
        for (part, side) in &mut self.sides {
            while side.wants() {
                let stretch = Stretch { behind: side.read_to, ..self.stretch };
                let page = orders.stretch(upto, &stretch, part, limit).await?.ok_or(Trouble::SetBack)?;
                let PlacedOrders { orders, read_to, is_all } = page;
                side.take(orders.into_iter().map(|placed| (placed.seq, placed.order)).collect(), read_to, is_all);
            }
        }
        self.sides.retain(|(_, side)| !side.is_done());
        Ok(whole_frames(self.sides.iter_mut().map(|(_, side)| side)))
    }
}

impl<T> Side<T> {
    fn wants(&self) -> bool {
        self.rows.is_empty() && !self.is_at_end
    }

    fn is_done(&self) -> bool {
        self.rows.is_empty() && self.is_at_end
    }

    /// Takes what follows, of whole frames up to that one.
    fn take(&mut self, page: VecDeque<(u64, T)>, read_to: u64, is_at_end: bool) {
        (self.rows, self.read_to, self.is_at_end) = (page, read_to, is_at_end);
    }
}

/// Takes the rows of every frame that all sides are read to, and gives the last such frame. None of them wants more.
fn whole_frames<'a, T: 'a>(sides: impl Iterator<Item = &'a mut Side<T>>) -> Option<(Vec<T>, u64)> {
    let mut sides: Vec<_> = sides.collect();
    let open = sides.iter().filter(|side| !side.is_at_end).map(|side| side.read_to).min();
    let last = open.or_else(|| sides.iter().map(|side| side.read_to).max())?;
    let mut taken = Vec::new();
    for side in &mut sides {
        let count = side.rows.partition_point(|(seq, _)| *seq <= last);
        taken.extend(side.rows.drain(..count).map(|(_, row)| row));
    }
    Some((taken, last))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The rows behind a frame, at least `rows`, of whole frames.
    fn page(rows: &[(u64, u32)], behind: u64, limit: usize) -> VecDeque<(u64, u32)> {
        let rest = || rows.iter().copied().filter(move |(seq, _)| *seq > behind);
        let last = rest().take(limit).last().map_or(0, |(seq, _)| seq);
        rest().filter(|(seq, _)| *seq <= last).collect()
    }

    proptest! {
        #[test]
        fn every_row_is_given_once_and_each_frame_whole_and_in_order(
            rows in prop::collection::vec((1u64..40, 0usize..5), 0..120),
            limit in 1usize..12,
        ) {
            let mut windows = vec![Vec::new(); 5];
            let mut sorted = rows.clone();
            sorted.sort_unstable();
            for (row, (seq, window)) in (0u32..).zip(&sorted) {
                windows[*window].push((*seq, row));
            }
            let side = || Side { rows: VecDeque::new(), read_to: 0, is_at_end: false };
            let mut sides: Vec<_> = windows.iter().map(|rows| (rows, side())).collect();
            let (mut given, mut through) = (Vec::new(), 0);
            loop {
                for (rows, side) in sides.iter_mut().filter(|(_, side)| side.wants()) {
                    let page = page(rows, side.read_to, limit);
                    let read_to = page.back().map_or(side.read_to, |(seq, _)| *seq);
                    let is_at_end = page.len() < limit;
                    side.take(page, read_to, is_at_end);
                }
                sides.retain(|(_, side)| !side.is_done());
                let Some((mut some, last)) = whole_frames(sides.iter_mut().map(|(_, side)| side)) else { break };
                some.sort_unstable();
                let whole = (0u32..).zip(&sorted).filter(|(_, (seq, _))| (through + 1..=last).contains(seq));
                prop_assert_eq!(&some, &whole.map(|(row, _)| row).collect::<Vec<_>>());
                prop_assert!(!some.is_empty());
                given.append(&mut some);
                through = last;
            }
            prop_assert_eq!(given.len(), rows.len());
        }
    }
}
