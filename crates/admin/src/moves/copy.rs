//! Rows to the log of the shard that is to own them, as copies.

use anyhow::Result;
use bytes::Bytes;
use forebay_log::{Frame, FrameKind, Log};
use forebay_model::ownership::{Copied, CopiedPlace, Entry};
use forebay_model::{Lane, Position};
use forebay_shard::owner::UnitRow;

use crate::publish::publish;

/// A frame has no more bytes of tuples than this, but for a row that has more by itself.
const BYTES_MAX: usize = 40 << 10;

/// Copies rows, and gives where the last of them lies.
pub(super) async fn copy(log: &Log, entry: &Entry, rows: &[(Lane, UnitRow)]) -> Result<Option<Position>> {
    let mut last = None;
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let mut bytes = 0;
        let fits = |row: &&(Lane, UnitRow)| {
            bytes += row.1.tuple.len() + size_of::<u64>();
            is_alike(first, row) && (bytes <= BYTES_MAX || std::ptr::eq(*row, first))
        };
        let (now, behind) = rest.split_at(rest.iter().take_while(fits).count());
        last = Some(publish(log, entry.to, frame(entry, now)).await?);
        rest = behind;
    }
    Ok(last)
}

/// Whether two rows can be in one frame: they are of one lane, and were first stored from one log.
fn is_alike((lane, row): &(Lane, UnitRow), (other_lane, other): &(Lane, UnitRow)) -> bool {
    let log = |row: &UnitRow| row.place.map(|(shard, at)| (shard, at.incarnation));
    lane == other_lane && log(row) == log(other)
}

fn frame(entry: &Entry, rows: &[(Lane, UnitRow)]) -> Frame {
    let (lane, first) = (rows[0].0, &rows[0].1);
    let seqs = rows.iter().filter_map(|(_, row)| row.place.map(|(_, at)| at.seq)).collect();
    let place = first.place.map(|(shard, at)| CopiedPlace { shard, incarnation: at.incarnation, seqs });
    let tuples: Vec<u8> = rows.iter().flat_map(|(_, row)| row.tuple.iter().copied()).collect();
    let payload = Copied { of: entry.of, place }.encode(&tuples);
    Frame::new(FrameKind::Copies(lane), rows.len() as u32, entry.epoch, Bytes::from(payload))
}
