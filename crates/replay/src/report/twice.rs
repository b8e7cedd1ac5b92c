//! Records that stand in the files more than once: with the same content they are one, with another they are a conflict.

use std::io;

use forebay_model::order::Draft;
use forebay_model::{Event, Timestamp};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_128};

use super::faults::{FaultExample, FoundFault};
use super::runs::{Runs, Seen};
use crate::check::Checked;

/// How many records wait in memory: twelve megabytes.
const IN_MEMORY: usize = 1 << 18;
/// How many places are told.
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
}

/// Records that were seen, however many: those that memory does not hold are in a temporary file.
#[derive(Default)]
pub(super) struct Twice {
    newest: Vec<Seen>,
    runs: Runs,
}

/// Records that are met in their order.
#[derive(Default)]
struct Met {
    /// The first one of those that are the same.
    first: Option<Seen>,
    same: u64,
    conflicts: u64,
    examples: Vec<FoundFault>,
}

impl Twice {
    pub(super) fn note(&mut self, checked: &Checked<'_>, file: usize, line: u64) {
        let hashes = match checked {
            Checked::Order(draft) => of_order(draft),
            Checked::Event(event) => Some(of_event(event)),
        };
        self.newest.extend(hashes.map(|(key, content)| Seen { key, file: file as u64, line, content }));
    }

    /// Takes in what was seen in a part of the files.
    ///
    /// # Errors
    /// When the temporary file cannot be written.
    pub(super) fn add(&mut self, other: &Self) -> io::Result<()> {
        if self.newest.len() + other.newest.len() > IN_MEMORY {
            self.runs.push(std::mem::take(&mut self.newest))?;
        }
        self.newest.extend(&other.newest);
        Ok(())
    }

    /// What was seen, in files of these names.
    ///
    /// # Errors
    /// When the temporary file cannot be read.
    pub(super) fn report(&self, files: &[String]) -> io::Result<TwiceReport> {
        let mut met = Met::default();
        self.runs.merge(self.newest.clone(), |seen| met.meet(seen))?;
        Ok(TwiceReport {
            same: met.same,
            conflicts: met.conflicts,
            examples: met.examples.iter().map(|found| found.told(files)).collect(),
        })
    }
}

impl Met {
    fn meet(&mut self, seen: Seen) {
        match self.first.filter(|first| first.key == seen.key) {
            None => self.first = Some(seen),
            Some(first) if first.content == seen.content => self.same += 1,
            Some(first) => {
                self.conflicts += 1;
                let detail = format!("it stands with another content on line {}", first.line);
                self.examples.push(FoundFault { file: seen.file as usize, line: seen.line, detail });
                self.examples.sort();
                self.examples.truncate(PLACES_MAX);
            }
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a list of all of them says.
    fn listed(mut all: Vec<Seen>) -> (u64, u64) {
        all.sort_by_key(|seen| (seen.file, seen.line));
        let (mut firsts, mut same, mut conflicts) = (Vec::<Seen>::new(), 0, 0);
        for seen in all {
            match firsts.iter().find(|first| first.key == seen.key) {
                None => firsts.push(seen),
                Some(first) if first.content == seen.content => same += 1,
                Some(_) => conflicts += 1,
            }
        }
        (same, conflicts)
    }

    proptest! {
        #[test]
        fn runs_in_a_file_tell_what_a_list_in_memory_tells(
            parts in proptest::collection::vec(proptest::collection::vec((0_u128..40, 0_u64..3), 0..300), 0..6),
        ) {
            let (mut twice, mut all) = (Twice::default(), Vec::new());
            for (file, part) in parts.into_iter().rev().enumerate() {
                let seen = |(line, (key, content)): (usize, (u128, u64))| {
                    Seen { key: key << 70 | key, file: file as u64, line: line as u64, content }
                };
                let seen: Vec<Seen> = part.into_iter().enumerate().map(seen).collect();
                all.extend(&seen);
                match file % 2 {
                    0 => twice.runs.push(seen).unwrap(),
                    _ => twice.add(&Twice { newest: seen, ..Twice::default() }).unwrap(),
                }
            }
            let report = twice.report(&[]).unwrap();
            prop_assert_eq!((report.same, report.conflicts), listed(all));
        }
    }
}
