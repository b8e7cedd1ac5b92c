//! What rows come to: how many, and a checksum that does not depend on their order, so that two shards can be compared without
//! sending rows from one to the other.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Lane;

/// What some rows come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sum {
    /// How many.
    pub rows: u64,
    /// Their hashes added up, modulo 2^64.
    pub checksum: u64,
}

/// What a unit's rows come to, per lane. A lane without rows is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sums(BTreeMap<Lane, Sum>);

/// What a unit's rows come to, per lane and day, to find out where two shards differ. Days are counted from 1970.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DailySums(BTreeMap<(Lane, i32), Sum>);

impl Sum {
    /// Counts a row with this hash of all that it says.
    pub fn add(&mut self, row_hash: u64) {
        self.plus(Self { rows: 1, checksum: row_hash });
    }

    fn plus(&mut self, other: Self) {
        self.rows += other.rows;
        self.checksum = self.checksum.wrapping_add(other.checksum);
    }
}

impl Sums {
    /// Counts a row of a lane, with this hash of all that it says.
    pub fn add(&mut self, lane: Lane, row_hash: u64) {
        self.0.entry(lane).or_default().add(row_hash);
    }

    /// How many rows, of all lanes.
    pub fn rows(&self) -> u64 {
        self.0.values().map(|sum| sum.rows).sum()
    }
}

impl DailySums {
    /// Counts what a lane has of a day.
    pub fn add(&mut self, lane: Lane, day: i32, sum: Sum) {
        if sum.rows > 0 {
            self.0.entry((lane, day)).or_default().plus(sum);
        }
    }

    /// All days together.
    pub fn total(&self) -> Sums {
        let mut total = Sums::default();
        for (&(lane, _), &sum) in &self.0 {
            total.0.entry(lane).or_default().plus(sum);
        }
        total
    }

    /// The lanes and days of which the two do not have the same.
    pub fn differing(&self, other: &Self) -> Vec<(Lane, i32)> {
        let mut places: Vec<_> = self.0.keys().chain(other.0.keys()).copied().collect();
        places.sort_unstable();
        places.dedup();
        places.retain(|place| self.0.get(place) != other.0.get(place));
        places
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows() -> impl Strategy<Value = Vec<(Lane, i32, u64)>> {
        let lane = proptest::sample::select(Lane::ALL.to_vec());
        proptest::collection::vec((lane, 0..3, any::<u64>()), 0..20)
    }

    fn daily(rows: &[(Lane, i32, u64)]) -> DailySums {
        let mut sums = DailySums::default();
        for &(lane, day, hash) in rows {
            sums.add(lane, day, Sum { rows: 1, checksum: hash });
        }
        sums
    }

    proptest! {
        #[test]
        fn the_order_of_rows_makes_no_difference(mut rows in rows()) {
            let sums = daily(&rows);
            let mut total = Sums::default();
            rows.reverse();
            for &(lane, _, hash) in &rows {
                total.add(lane, hash);
            }
            prop_assert_eq!((daily(&rows), sums.total()), (sums, total));
        }

        #[test]
        fn a_row_that_one_shard_lacks_is_found_by_lane_and_day(rows in rows(), lane in 0..5_usize, day in 0..3, hash in any::<u64>()) {
            let lane = Lane::ALL[lane];
            let more = [rows.clone(), vec![(lane, day, hash)]].concat();
            let (one, other) = (daily(&rows), daily(&more));
            prop_assert_eq!(one.differing(&other), vec![(lane, day)]);
            prop_assert_ne!(one.total(), other.total());
            prop_assert_eq!(other.differing(&other), vec![]);
        }
    }
}
