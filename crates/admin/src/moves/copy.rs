//! Rows to the log of the shard that is to own them, as copies.

use anyhow::Result;
use bytes::Bytes;
use forebay_log::{Frame, FrameKind};
use forebay_model::ownership::{Copied, CopiedPlace, MoveEntry};
use forebay_model::{Lane, Position};
use forebay_shard::owner::{UnitDay, UnitRow, days_of, rows_between};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use tokio::time::{Duration, Instant};

use super::Hands;
use crate::control::{lease_of, pool_of};

/// A frame has no more bytes of tuples than this, but for a row that has more by itself.
const BYTES_MAX: usize = 60 << 10;
/// Frames that are published at the same time.
const TOGETHER: usize = 8;
/// Rows and bytes that are read at a time, but for a day that has more.
const READ_ROWS: u64 = 10_000;
const READ_BYTES: u64 = 4 << 20;
/// How long the rows of one unit are copied at a time, before others have their turn.
const TURN: Duration = Duration::from_millis(200);

/// The first copying of a unit, of which the target has nothing yet.
#[derive(Debug)]
pub(super) struct Whole {
    /// What is still to be copied, the next last.
    rest: Vec<(Lane, (i32, i32))>,
    /// Rows that were copied; `None` where somebody else has begun, who knows how many.
    pub(super) rows: Option<u64>,
}

impl Whole {
    /// What there is to copy.
    pub(super) async fn begin(hands: Hands<'_>, entry: &MoveEntry) -> Result<Self> {
        let mut lease = lease_of(hands.pools, entry.from).await?;
        let days = days_of(&mut lease, entry.unit.stream(), entry.unit.bucket()).await?;
        lease.done();
        let mut rest = pieces(&days);
        rest.reverse();
        Ok(Self { rest, rows: Some(0) })
    }

    /// Somebody else has copied some of it: what is missing is found by comparing.
    pub(super) fn begun_by_others() -> Self {
        Self { rest: Vec::new(), rows: None }
    }

    /// Whether nothing is left of it.
    pub(super) fn is_done(&self) -> bool {
        self.rest.is_empty()
    }

    /// Copies the next rows, for as long as its turn is. Gives how many, and where the last of them lies.
    pub(super) async fn go_on(&mut self, hands: Hands<'_>, entry: &MoveEntry) -> Result<(usize, Option<Position>)> {
        let (begun, mut rows, mut last) = (Instant::now(), 0, None);
        while let Some(&(lane, days)) = self.rest.last()
            && begun.elapsed() < TURN
        {
            let mut lease = lease_of(hands.pools, entry.from).await?;
            let read = rows_between(&mut lease, lane, entry.unit.bucket(), days).await?;
            lease.done();
            let read: Vec<(Lane, UnitRow)> = read.into_iter().map(|row| (lane, row)).collect();
            last = copy(hands, entry, &read).await?.or(last);
            rows += read.len();
            self.rows = self.rows.map(|rows| rows + read.len() as u64);
            self.rest.pop();
        }
        Ok((rows, last))
    }
}

/// Days that are read together.
fn pieces(days: &[UnitDay]) -> Vec<(Lane, (i32, i32))> {
    let mut pieces: Vec<(Lane, (i32, i32))> = Vec::new();
    let (mut rows, mut bytes) = (0, 0);
    for day in days {
        let fits = rows + day.rows <= READ_ROWS && bytes + day.bytes <= READ_BYTES;
        match pieces.last_mut() {
            Some((lane, (_, last))) if *lane == day.lane && fits => {
                *last = day.day;
                (rows, bytes) = (rows + day.rows, bytes + day.bytes);
            }
            _ => {
                pieces.push((day.lane, (day.day, day.day)));
                (rows, bytes) = (day.rows, day.bytes);
            }
        }
    }
    pieces
}

/// Copies rows, and gives where the last of them lies.
pub(super) async fn copy(hands: Hands<'_>, entry: &MoveEntry, rows: &[(Lane, UnitRow)]) -> Result<Option<Position>> {
    let (flow, pool) = (hands.flow(entry)?, pool_of(hands.pools, entry.to)?);
    let sending: Vec<BoxFuture<'_, Result<Position>>> = frames(entry, rows)
        .into_iter()
        .map(|frame| {
            async move {
                hands.pacer.wait(frame.rows, hands.rows_per_s).await;
                flow.send(hands.log, pool, frame).await
            }
            .boxed()
        })
        .collect();
    let positions: Vec<Position> = stream::iter(sending).buffer_unordered(TOGETHER).try_collect().await?;
    Ok(positions.into_iter().max_by_key(|at| (at.incarnation, at.seq)))
}

fn frames(entry: &MoveEntry, rows: &[(Lane, UnitRow)]) -> Vec<Frame> {
    let (mut frames, mut rest) = (Vec::new(), rows);
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |row: &&(Lane, UnitRow)| {
            bytes += row.1.tuple.len() + size_of::<u64>();
            is_alike(first, row) && (bytes <= BYTES_MAX || std::ptr::eq(*row, first))
        };
        let (now, behind) = rest.split_at(rest.iter().take_while(fits).count());
        frames.push(frame(entry, now));
        rest = behind;
    }
    frames
}

/// Whether two rows can be in one frame: they are of one lane, and were first stored from one log.
fn is_alike((lane, row): &(Lane, UnitRow), (other_lane, other): &(Lane, UnitRow)) -> bool {
    let log = |row: &UnitRow| row.place.map(|(shard, at)| (shard, at.incarnation));
    lane == other_lane && log(row) == log(other)
}

fn frame(entry: &MoveEntry, rows: &[(Lane, UnitRow)]) -> Frame {
    let (lane, first) = (rows[0].0, &rows[0].1);
    let seqs = rows.iter().filter_map(|(_, row)| row.place.map(|(_, at)| at.seq)).collect();
    let place = first.place.map(|(shard, at)| CopiedPlace { shard, incarnation: at.incarnation, seqs });
    let tuples = rows.iter().map(|(_, row)| &row.tuple[..]).collect::<Vec<_>>().concat();
    let payload = Copied { of: entry.of, place }.encode(&tuples);
    Frame::new(FrameKind::Copies(lane), rows.len() as u32, entry.epoch, Bytes::from(payload))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Each day with its lane is in one piece, in order, and no piece is large but for a large day.
        #[test]
        fn days_are_read_in_pieces(sizes in proptest::collection::vec((0usize..2, 1u64..9000), 0..60)) {
            let lanes = [Lane::Orders, Lane::Events];
            let mut days: Vec<UnitDay> = (0..).zip(sizes).map(|(day, (lane, rows))| UnitDay { lane: lanes[lane], day, rows, bytes: rows * 300 }).collect();
            days.sort_by_key(|day| (day.lane, day.day));
            let pieces = pieces(&days);
            let mut rest = &days[..];
            for (lane, (first, last)) in pieces {
                let of_piece = rest.iter().take_while(|day| day.lane == lane && (first..=last).contains(&day.day)).count();
                let (now, behind) = rest.split_at(of_piece);
                prop_assert!(of_piece > 0 && (now[0].day, now[of_piece - 1].day) == (first, last));
                let rows: u64 = now.iter().map(|day| day.rows).sum();
                prop_assert!(rows <= READ_ROWS || of_piece == 1);
                rest = behind;
            }
            prop_assert!(rest.is_empty());
        }
    }
}
