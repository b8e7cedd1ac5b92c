//! Orders that stand in the files more than once: with the same content they are one, with another they are a conflict.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use forebay_model::order::Draft;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::faults::{FaultExample, FoundFault};

/// So many orders are remembered.
const ORDERS_MAX: usize = 1_000_000;
/// So many places are told.
const PLACES_MAX: usize = 3;

/// Orders whose id their customer has had before.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwiceReport {
    /// Those with the same content: they are stored once.
    pub same: u64,
    /// Those with another content: the first one is stored, and the others are dead letters.
    pub conflicts: u64,
    /// The first conflicts.
    pub examples: Vec<FaultExample>,
    /// Whether only a part of the orders was compared, because there are too many to remember.
    pub is_partial: bool,
}

/// Orders that were seen.
#[derive(Default)]
pub(super) struct Twice {
    /// By a hash of customer and id: a hash of the content, and where it stands.
    seen: HashMap<u128, (u64, usize, u64)>,
    same: u64,
    conflicts: u64,
    first: Vec<FoundFault>,
    is_partial: bool,
}

impl Twice {
    pub(super) fn note(&mut self, draft: &Draft<'_>, file: usize, line: u64) {
        let Some(order_id) = &draft.order_id else { return };
        let mut key = Xxh3::new();
        key.update(draft.customer_id.as_str().as_bytes());
        key.update(b"\0");
        key.update(order_id.as_str().as_bytes());
        let mut content = Xxh3::new();
        content.update(draft.items.as_bytes());
        content.update(draft.attributes.as_bytes());
        content.update(&draft.timestamp.map_or(0, forebay_model::Timestamp::unix_us).to_le_bytes());
        let content = content.digest() ^ xxh3_64(draft.currency.as_str().as_bytes());
        self.meet(key.digest128(), (content, file, line));
    }

    pub(super) fn add(&mut self, other: Self) {
        self.same += other.same;
        self.conflicts += other.conflicts;
        self.is_partial |= other.is_partial;
        self.first.extend(other.first);
        for (key, seen) in other.seen {
            self.meet(key, seen);
        }
        self.first.sort();
        self.first.truncate(PLACES_MAX);
    }

    fn meet(&mut self, key: u128, seen: (u64, usize, u64)) {
        let is_full = self.seen.len() >= ORDERS_MAX;
        match self.seen.entry(key) {
            Entry::Vacant(_) if is_full => self.is_partial = true,
            Entry::Vacant(entry) => {
                entry.insert(seen);
            }
            Entry::Occupied(entry) if entry.get().0 == seen.0 => self.same += 1,
            Entry::Occupied(mut entry) => {
                self.conflicts += 1;
                // Chunks are met in any order: what stands further up is the first.
                let mut both = [*entry.get(), seen];
                both.sort_by_key(|&(_, file, line)| (file, line));
                let [before, after] = both;
                entry.insert(before);
                let detail = format!("the order stands with another content on line {}", before.2);
                self.first.push(FoundFault { file: after.1, line: after.2, detail });
                self.first.sort();
                self.first.truncate(PLACES_MAX);
            }
        }
    }

    pub(super) fn report(&self, files: &[String]) -> TwiceReport {
        TwiceReport {
            same: self.same,
            conflicts: self.conflicts,
            examples: self.first.iter().map(|found| found.told(files)).collect(),
            is_partial: self.is_partial,
        }
    }
}
