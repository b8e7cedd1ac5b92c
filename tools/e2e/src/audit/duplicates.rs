//! How many rows must have been found stored already: as many as were logged once more.

use std::collections::HashMap;

use forebay_model::Lane;

use super::known::{Again, Known};
use super::stored::Stored;
use crate::load::ledger::Entry;

/// What is wrong with the counters of duplicates, as sentences.
///
/// An order that was accepted twice lies in the log twice. One whose answer was lost may do so, and index and views are
/// logged before the order, so they may lie there although the order was refused.
pub(crate) fn compare(entries: &HashMap<String, Entry>, shards: &[Stored], known: &Known) -> Vec<String> {
    let mut faults = Vec::new();
    for lane in Lane::ALL {
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

/// An order is itself, an index entry unless its id is assigned, and a view for each seller.
fn logged_again(entry: &Entry, lane: Lane) -> Again {
    let times = entry.times;
    let (rows, perhaps) = match lane {
        Lane::Orders => (1, times.unknown),
        Lane::Index => (u64::from(entry.made.order_id.is_some()), times.unknown + times.refused),
        Lane::Views => (entry.made.sellers().len() as u64, times.unknown + times.refused),
    };
    Again { min: times.accepted.saturating_sub(1) * rows, max: (times.accepted + perhaps).saturating_sub(1) * rows }
}
