//! The rows of a unit on two shards: first what they come to, per lane and day, and where that differs row by row.

use std::collections::BTreeMap;

use anyhow::Result;
use forebay_model::Lane;
use forebay_model::ShardId;
use forebay_model::ownership::Entry;
use forebay_shard::ShardPool;
use forebay_shard::owner::{UnitRow, UnitSnapshot, rows_of_days};

use crate::control::pool_of;

/// So many rows are named.
const NAMED_MAX: usize = 20;

/// How the rows of two shards compare.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// Whether anybody has looked.
    pub(super) is_compared: bool,
    /// What the target lacks.
    pub(super) missing: Vec<(Lane, UnitRow)>,
    /// What the target has, and the source has not, or otherwise; by name, at most so many.
    pub(super) differing: Vec<String>,
}

/// Compares them, as they are now: the sums are of before, so a row that came since is at most looked at in vain.
pub(super) async fn compare(
    pools: &[ShardPool],
    entry: &Entry,
    source: &UnitSnapshot,
    target: &UnitSnapshot,
) -> Result<Rows> {
    let mut days: BTreeMap<Lane, Vec<i32>> = BTreeMap::new();
    for (lane, day) in source.sums.differing(&target.sums) {
        days.entry(lane).or_default().push(day);
    }
    let mut rows = Rows { is_compared: true, ..Rows::default() };
    for (lane, days) in days {
        // The target first: whatever it has by then, the source has, too.
        let there = read(pools, entry.to, lane, entry, &days).await?;
        let here = read(pools, entry.from, lane, entry, &days).await?;
        for (identity, row) in &there {
            if here.get(identity).is_none_or(|other| other.hash != row.hash) && rows.differing.len() < NAMED_MAX {
                rows.differing.push(name(lane, identity));
            }
        }
        rows.missing
            .extend(here.into_iter().filter(|(identity, _)| !there.contains_key(identity)).map(|(_, row)| (lane, row)));
    }
    Ok(rows)
}

async fn read(
    pools: &[ShardPool],
    shard: ShardId,
    lane: Lane,
    entry: &Entry,
    days: &[i32],
) -> Result<BTreeMap<Vec<u8>, UnitRow>> {
    let mut lease = pool_of(pools, shard)?.acquire().await?;
    let rows = rows_of_days(&mut lease, lane, entry.unit.bucket(), days).await?;
    lease.done();
    Ok(rows)
}

/// The identity of a row, for people: its texts.
fn name(lane: Lane, identity: &[u8]) -> String {
    let (mut rest, mut texts) = (identity, Vec::new());
    while let Some((length, behind)) = rest.split_first_chunk() {
        let (field, behind) = behind.split_at(behind.len().min(u32::from_be_bytes(*length) as usize));
        texts.push(field);
        rest = behind;
    }
    let texts =
        lane.columns().iter().zip(texts).filter(|(column, _)| column.kind == forebay_model::lane::ColumnType::Text);
    let texts: Vec<_> = texts.map(|(_, text)| String::from_utf8_lossy(text)).filter(|text| !text.is_empty()).collect();
    format!("{lane} {}", texts.join(" "))
}
