//! Records that stand in the files more than once: with the same content they are one, with another they are a conflict.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use forebay_model::order::Draft;
use forebay_model::{Event, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use super::faults::{FaultExample, FoundFault};
use crate::check::Checked;

/// So many records are remembered.
const RECORDS_MAX: usize = 1_000_000;
/// So many places are told.
const PLACES_MAX: usize = 3;

/// Records that have the id of another one: of an order of the same customer, of an event of the same order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TwiceReport {
    /// Those with the same content: they are stored once.
    pub same: u64,
    /// Those with another content: the first one is stored, and the others are dead letters.
    pub conflicts: u64,
    /// The first conflicts.
    pub examples: Vec<FaultExample>,
    /// Whether only a part of the records was compared, because there are too many to remember.
    pub is_partial: bool,
}

/// Records that were seen.
#[derive(Default)]
pub(super) struct Twice {
    /// By a hash of what makes it the same: a hash of the content, and where it stands.
    seen: HashMap<u128, (u64, usize, u64)>,
    same: u64,
    conflicts: u64,
    first: Vec<FoundFault>,
    is_partial: bool,
}

impl Twice {
    pub(super) fn note(&mut self, checked: &Checked<'_>, file: usize, line: u64) {
        let hashes = match checked {
            Checked::Order(draft) => of_order(draft),
            Checked::Event(event) => Some(of_event(event)),
        };
        if let Some((key, content)) = hashes {
            self.meet(key, (content, file, line));
        }
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
        let is_full = self.seen.len() >= RECORDS_MAX;
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
                let detail = format!("it stands with another content on line {}", before.2);
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

/// Hashes of what makes an order the same, and of its content; nothing where it has no id.
fn of_order(draft: &Draft<'_>) -> Option<(u128, u64)> {
    let key = [draft.customer_id.as_str(), draft.order_id.as_ref()?.as_str()].join("\0");
    let mut content = Xxh3::new();
    content.update(draft.items.as_bytes());
    content.update(draft.attributes.as_bytes());
    content.update(&draft.timestamp.map_or(0, Timestamp::unix_us).to_le_bytes());
    let content = content.digest() ^ xxh3_64(draft.currency.as_str().as_bytes());
    Some((xxh3_128(key.as_bytes()), content))
}

/// Hashes of what makes an event the same, and of its content.
fn of_event(event: &Event) -> (u128, u64) {
    let key = [event.customer_text(), event.order_id.as_str(), event.event_id.as_str()].join("\0");
    let mut content = Xxh3::new();
    content.update(event.content.as_bytes());
    content.update(&event.at.unix_us().to_le_bytes());
    (xxh3_128(key.as_bytes()), content.digest() ^ xxh3_64(event.kind.as_str().as_bytes()))
}
