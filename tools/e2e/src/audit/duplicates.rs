//! How many rows must have been found stored already: as many as were logged once more.

use std::collections::HashMap;

use forebay_model::{Lane, StreamKind};

use super::known::{Again, Known};
use super::stored::Stored;
use crate::load::ledger::Entry;

/// What is wrong with the counters of duplicates, as sentences.
///
/// An order that was accepted twice lies in the log twice, and one whose answer was lost may do so. What follows from orders may be
/// derived any number of times, so that nothing is wrong with duplicates of derived facts.
pub(crate) fn compare(entries: &HashMap<String, Entry>, shards: &[Stored], known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for lane in StreamKind::Logged.lanes() {
        let tallies = shards.iter().flat_map(|shard| &shard.tallies).filter(|tally| tally.lane == lane);
        let found: u64 = tallies.map(|tally| tally.duplicate).sum();
        let mut wanted = known.again[lane];
        for entry in entries.values() {
            let one = logged_again(entry, lane);
            wanted = Again { min: wanted.min + one.min, max: wanted.max + one.max };
        }
        if !(wanted.min..=wanted.max).contains(&found) {
            let Again { min, max } = wanted;
            faults
                .push(format!("lane {lane} counts {found} duplicates, and {min} to {max} rows were logged once more"));
        }
    }
    faults
}

/// An order is one row of lane `orders`, and none of any other.
fn logged_again(entry: &Entry, lane: Lane) -> Again {
    let times = entry.times;
    let rows = u64::from(lane == Lane::Orders);
    let times_max = times.accepted + times.unknown;
    Again { min: times.accepted.saturating_sub(1) * rows, max: times_max.saturating_sub(1) * rows }
}
