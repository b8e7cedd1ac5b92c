//! The rows of a unit on two shards: first what they come to, per lane and day, and where that differs row by row.

use std::collections::BTreeMap;

use anyhow::Result;
use forebay_model::Lane;
use forebay_model::ShardId;
use forebay_model::ownership::{Compared, Unit};
use forebay_shard::ShardPool;
use forebay_shard::owner::{HashedRow, UnitRow, UnitSnapshot, rows_of_days};

use crate::control::lease_of;

/// The most rows that are named.
const NAMED_MAX: usize = 20;

/// How the rows of two shards compare.
#[derive(Debug, Default)]
pub(super) struct Rows {
    /// What the target lacks.
    pub(super) missing: Vec<(Lane, UnitRow)>,
    /// The first of those by name.
    pub(super) missing_named: Vec<String>,
    /// What the target has, and the source has not, or otherwise; the first by name.
    pub(super) differing: Vec<String>,
}

impl Rows {
    /// What that means for a move, where the source has these.
    pub(super) fn compared(&self, source: &UnitSnapshot) -> Compared {
        if !self.differing.is_empty() {
            Compared::Different
        } else if self.missing.is_empty() {
            Compared::Equal(source.sums.total())
        } else {
            Compared::Missing
        }
    }
}

/// Compares the rows of a unit on two shards, as they are now: the sums are of before, so a row that came since is at most looked at in vain.
pub(super) async fn compare(
    pools: &[ShardPool],
    unit: Unit,
    (from, source): (ShardId, &UnitSnapshot),
    (to, target): (ShardId, &UnitSnapshot),
) -> Result<Rows> {
    let mut days: BTreeMap<Lane, Vec<i32>> = BTreeMap::new();
    for (lane, day) in source.sums.differing(&target.sums) {
        days.entry(lane).or_default().push(day);
    }
    let mut rows = Rows::default();
    for (lane, days) in days {
        // The target first: whatever it has by then, the source has, too.
        let there = read(pools, to, lane, unit, &days).await?;
        let here = read(pools, from, lane, unit, &days).await?;
        for (identity, row) in &there {
            if here.get(identity).is_none_or(|other| other.hash != row.hash) && rows.differing.len() < NAMED_MAX {
                rows.differing.push(name(lane, identity));
            }
        }
        let missing =
            here.keys().filter(|identity| !there.contains_key(*identity)).map(|identity| name(lane, identity));
        rows.missing_named.extend(missing.take(NAMED_MAX.saturating_sub(rows.missing_named.len())));
        let missing = here.into_iter().filter(|(identity, _)| !there.contains_key(identity));
        rows.missing.extend(missing.map(|(_, other)| (lane, other.row)));
    }
    Ok(rows)
}

async fn read(
    pools: &[ShardPool],
    shard: ShardId,
    lane: Lane,
    unit: Unit,
    days: &[i32],
) -> Result<BTreeMap<Vec<u8>, HashedRow>> {
    let mut lease = lease_of(pools, shard).await?;
    let rows = rows_of_days(&mut lease, lane, unit.bucket(), days).await?;
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
