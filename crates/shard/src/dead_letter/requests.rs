//! What became of the rows of each request, beside what is stored: counted in the transaction of the rows, so that it is as true
//! as the position.
//!
//! Only exceptions are written. What a request has brought up to the position is stored, but for its duplicate and dead rows, so
//! an ordinary order costs nothing here.
//!
//! A row that is in the log once more, because its dead letter was requeued, has its new fate in place of the old one: its letter
//! is the request's no more, and it is dead no more, unless it dies again. Only once: where the letter is not the request's any
//! more, the row has been counted, and whatever becomes of it now is nobody's.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::request::FATES_KEPT_US;
use forebay_model::{Claimant, Lane, RequestId, Timestamp};
use sqlx::postgres::PgConnection;

use crate::dead_letter::Letter;
use crate::frame::{IndexedFrame, RowPosition};
use crate::step::{Step, StepError, step};

/// Beyond the time for which it is told: clocks differ.
const MARGIN_US: i64 = 86_400_000_000;

/// Whose the rows of a transaction are, and what becomes of them.
#[derive(Debug)]
pub(crate) struct Requests<'a> {
    /// In the order of the log.
    frames: &'a [IndexedFrame],
    /// Rows that are in the log once more, and count.
    again: BTreeSet<(u64, u32)>,
    fates: BTreeMap<RequestId, Fate>,
}

/// What is added to a request's counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Fate {
    duplicate: i64,
    dead: i64,
}

impl<'a> Requests<'a> {
    /// Takes the letters of rows that are in the log once more from their requests.
    pub(crate) async fn begin(connection: &mut PgConnection, frames: &'a [IndexedFrame]) -> Result<Self, StepError> {
        let mut requests = Self { frames, again: BTreeSet::new(), fates: BTreeMap::new() };
        let again: Vec<Again> = frames.iter().flat_map(Again::of_frame).collect();
        if !again.is_empty() {
            let mut taken: BTreeSet<i64> = step(Step::Letters, take_letters(connection, &again)).await?;
            for row in again.iter().filter(|row| taken.remove(&row.letter)) {
                requests.again.insert(row.place);
                requests.fate(row.request).dead -= 1;
            }
        }
        Ok(requests)
    }

    /// Whether any row of a lane is some request's.
    pub(crate) fn has_any_of(&self, lane: Lane) -> bool {
        self.frames.iter().any(|frame| frame.lane() == Some(lane) && !frame.frame().claims.is_empty())
    }

    /// The request that a row is counted for.
    pub(crate) fn of_row(&self, row: RowPosition) -> Option<RequestId> {
        let frame = self.frame(row.seq, row.row)?;
        let claimant = frame.frame().claims.of_row(row.row - frame.first_row())?;
        self.is_counted((row.seq, row.row), claimant).then_some(claimant.request)
    }

    /// The request that a letter is of. One that stands for several rows may be of several, and is nobody's.
    pub(crate) fn of_letter(&self, letter: &Letter) -> Option<RequestId> {
        let is_of_one_row = letter.rows == 1 && !self.is_unreadable(letter.position);
        is_of_one_row.then(|| self.of_row(letter.position)).flatten()
    }

    /// Whether a frame is dead as a whole, because its headers say that it cannot be read: then it counts as one row, however many
    /// were accepted.
    fn is_unreadable(&self, row: RowPosition) -> bool {
        self.frame(row.seq, row.row).is_some_and(|frame| frame.frame().fault.is_some())
    }

    /// A row was there before.
    pub(crate) fn note_duplicate(&mut self, row: RowPosition) {
        if let Some(request) = self.of_row(row) {
            self.fate(request).duplicate += 1;
        }
    }

    /// How many rows, from this one on, are dead.
    pub(crate) fn note_dead(&mut self, first: RowPosition, rows: u32) {
        let rows = if self.is_unreadable(first) { u32::MAX } else { rows };
        let Some(frame) = self.frame(first.seq, first.row) else { return };
        let behind = frame.first_row();
        for claim in frame.frame().claims.of_rows(first.row - behind, rows) {
            let counted = (claim.first..claim.first + claim.rows)
                .filter(|&row| self.is_counted((first.seq, behind + row), claim.of))
                .count();
            self.fate(claim.of.request).dead += counted as i64;
        }
    }

    /// Adds it all to what was counted.
    pub(crate) async fn write(&self, connection: &mut PgConnection) -> Result<(), StepError> {
        const SQL: &str = "insert into request_fate as known (request, rows_duplicate, rows_dead) \
            select * from unnest($1::bytea[], $2::int8[], $3::int8[]) \
            on conflict (request) do update set rows_duplicate = known.rows_duplicate + excluded.rows_duplicate, \
                rows_dead = known.rows_dead + excluded.rows_dead";
        let fates: Vec<_> = self.fates.iter().filter(|(_, fate)| **fate != Fate::default()).collect();
        if fates.is_empty() {
            return Ok(());
        }
        let insert = sqlx::query(SQL)
            .bind(fates.iter().map(|(request, _)| &request.as_bytes()[..]).collect::<Vec<_>>())
            .bind(fates.iter().map(|(_, fate)| fate.duplicate).collect::<Vec<_>>())
            .bind(fates.iter().map(|(_, fate)| fate.dead).collect::<Vec<_>>());
        step(Step::Letters, insert.execute(connection)).await?;
        Ok(())
    }

    fn frame(&self, seq: u64, row: u32) -> Option<&'a IndexedFrame> {
        let behind = self.frames.partition_point(|frame| (frame.frame().seq, frame.first_row()) <= (seq, row));
        self.frames[..behind].last().filter(|frame| frame.frame().seq == seq)
    }

    fn is_counted(&self, place: (u64, u32), claimant: Claimant) -> bool {
        claimant.letter.is_none() || self.again.contains(&place)
    }

    fn fate(&mut self, request: RequestId) -> &mut Fate {
        self.fates.entry(request).or_default()
    }
}

/// A row that is in the log once more.
#[derive(Debug)]
struct Again {
    place: (u64, u32),
    request: RequestId,
    letter: i64,
}

impl Again {
    fn of_frame(frame: &IndexedFrame) -> impl Iterator<Item = Self> + '_ {
        let seq = frame.frame().seq;
        frame.frame().claims.iter().filter_map(move |claim| {
            let letter = i64::try_from(claim.of.letter?).ok()?;
            Some(Self { place: (seq, claim.first), request: claim.of.request, letter })
        })
    }
}

/// Gives those that were their requests'. By its request a letter is told from one with the same number on another shard.
async fn take_letters(connection: &mut PgConnection, again: &[Again]) -> Result<BTreeSet<i64>, sqlx::Error> {
    const SQL: &str = "update dead_letter l set request = null from unnest($1::int8[], $2::bytea[]) as again(id, request) \
        where l.id = again.id and l.request = again.request returning l.id";
    let taken = sqlx::query_scalar(SQL)
        .bind(again.iter().map(|row| row.letter).collect::<Vec<_>>())
        .bind(again.iter().map(|row| &row.request.as_bytes()[..]).collect::<Vec<_>>());
    Ok(taken.fetch_all(connection).await?.into_iter().collect())
}

/// Forgets what became of requests so old that nobody is told any more.
pub(crate) async fn forget_old(connection: &mut PgConnection, now: Timestamp) -> Result<(), StepError> {
    let least = RequestId::first_at(now.plus_us(-(FATES_KEPT_US + MARGIN_US)));
    let delete = sqlx::query("delete from request_fate where request < $1").bind(&least.as_bytes()[..]);
    step(Step::Letters, delete.execute(connection)).await?;
    Ok(())
}
