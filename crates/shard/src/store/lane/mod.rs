//! What a store knows of one lane's table, and the lane's part in a transaction.

mod path;
pub(crate) mod sift;
pub(super) mod statements;

use std::sync::Arc;
use std::time::Duration;

use forebay_model::{Lane, Timestamp};
use sqlx::postgres::PgConnection;

use self::path::Path;
use self::sift::{RowRange, Sifted, sift};
use self::statements::Statements;
use crate::dead_letter::Letter;
use crate::frame::IndexedFrame;
use crate::owner::away::Away;
use crate::partition::{self, Granularity, Ranges, Span};
use crate::position::Tally;
use crate::step::{Step, StoreError, step, within};

/// Partitions for facts of many days take a while.
const PARTITIONS_MAX: Duration = Duration::from_mins(1);

/// One lane of a store.
#[derive(Debug)]
pub(crate) struct LaneState {
    pub(crate) lane: Lane,
    pub(crate) statements: Arc<Statements>,
    /// By what number rows name their log, where they keep their place.
    pub(crate) place_log: Option<i16>,
    ranges: Ranges,
    path: Path,
}

/// What a transaction is to do with one lane.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LanePart<'a> {
    pub(crate) lane: Lane,
    pub(crate) statements: &'a Statements,
    pub(crate) place_log: Option<i16>,
    /// The table's partitions, where the rows go straight into it; `None` where they go through staging.
    pub(crate) straight: Option<&'a Ranges>,
    pub(crate) ranges: &'a [RowRange<'a>],
    pub(crate) letters: &'a [Letter],
    /// How many rows of the log it is for: as many must have a fate.
    pub(crate) rows: u64,
    pub(crate) times: Option<(Timestamp, Timestamp)>,
    /// Those of its rows that are not decided here.
    pub(crate) away: Tally,
    /// Whether they are copies, which are stored as far as they are new, and nothing else.
    pub(crate) is_copied: bool,
}

impl LanePart<'_> {
    /// The same, of rows that a move brings.
    pub(crate) fn as_copies(&self) -> Self {
        Self { straight: None, letters: &[], is_copied: true, ..*self }
    }
}

impl LaneState {
    /// Reads which partitions there are.
    pub(crate) async fn read(control: &mut PgConnection, lane: Lane) -> Result<Self, StoreError> {
        let (statements, path) = (Arc::new(Statements::new(lane)), Path::default());
        let mut state = Self { lane, statements, place_log: None, ranges: Ranges::default(), path };
        state.read_partitions(control).await?;
        Ok(state)
    }

    pub(crate) async fn read_partitions(&mut self, control: &mut PgConnection) -> Result<(), StoreError> {
        if self.lane.is_partitioned_by_time() {
            self.ranges = step(Step::Partitions, partition::read_ranges(control, self.lane.table())).await?;
        }
        Ok(())
    }

    /// Makes the partitions of these slots, as far as they are missing.
    pub(crate) async fn make_slots(
        &mut self,
        control: &mut PgConnection,
        slots: impl Iterator<Item = Span>,
    ) -> Result<usize, StoreError> {
        if !self.lane.is_partitioned_by_time() {
            return Ok(0);
        }
        let wanted: Vec<Span> = slots.filter(|&slot| !self.ranges.gaps(slot).is_empty()).collect();
        self.make_partitions(control, &wanted).await
    }

    pub(crate) async fn make_partitions(
        &mut self,
        control: &mut PgConnection,
        wanted: &[Span],
    ) -> Result<usize, StoreError> {
        if wanted.is_empty() {
            return Ok(0);
        }
        let create = partition::create(control, self.lane.table(), wanted);
        let (ranges, created) = within(PARTITIONS_MAX, Step::Partitions, create).await?;
        self.ranges = ranges;
        Ok(created)
    }

    /// What of the lane's frames among these can be sent.
    pub(crate) fn sift<'a>(&self, frames: &'a [IndexedFrame], granularity: Granularity, away: &Away) -> Sifted<'a> {
        let of_lane = frames.iter().filter(|frame| frame.rows_of() == Some(self.lane));
        sift(of_lane, &self.ranges, granularity, away)
    }

    /// Its part in a transaction; `None` where it has none.
    pub(crate) fn part<'a>(&'a self, sifted: &'a Sifted<'_>) -> Option<LanePart<'a>> {
        (sifted.logged > 0).then(|| LanePart {
            lane: self.lane,
            statements: &self.statements,
            place_log: self.place_log,
            straight: self.path.is_straight().then_some(&self.ranges),
            ranges: &sifted.ranges,
            letters: &sifted.letters,
            rows: sifted.logged,
            times: sifted.times,
            away: sifted.away,
            is_copied: false,
        })
    }

    /// Its part was committed.
    pub(crate) fn committed(&mut self, rows: Tally, sifted: &Sifted<'_>) {
        if sifted.logged > 0 {
            self.path.committed(rows.stored == sifted.rows());
        }
    }

    /// Its rows were refused. Returns whether they went straight.
    pub(crate) fn refused(&mut self) -> bool {
        let was_straight = self.path.is_straight();
        if was_straight {
            self.path.refused();
        }
        was_straight
    }
}
