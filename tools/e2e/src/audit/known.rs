//! What a fault has done to what is stored, as far as the ledger cannot know it.

use std::collections::HashSet;

use forebay_model::{Lane, PerLane};

use super::stored::{Dead, Stored};

/// What the comparison must find beyond what the clients have sent.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// Every dead letter that there must be; others must not be there.
    pub dead_letters: Vec<KnownDeadLetter>,
    /// Rows that were logged beyond what clients have sent.
    pub again: PerLane<Again>,
    /// Marks of accepted orders that may be gone.
    pub may_be_lost: HashSet<String>,
}

/// Rows that lie in the log once more than clients know.
#[derive(Clone, Copy, Debug, Default)]
pub struct Again {
    /// At least that many.
    pub min: u64,
    /// At most that many.
    pub max: u64,
}

/// A dead letter that there must be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct KnownDeadLetter {
    /// In which shard.
    pub shard: usize,
    /// Of which lane.
    pub lane: Lane,
    /// The frame that it stood in.
    pub seq: u64,
    /// Why it died.
    pub reason: String,
}

impl Known {
    /// Notes that exactly `rows` rows of a lane were logged once more.
    pub fn logged_again(&mut self, lane: Lane, rows: u64) {
        let again = &mut self.again[lane];
        *again = Again { min: again.min + rows, max: again.max + rows };
    }

    /// What is wrong with the dead letters, as sentences.
    pub(crate) fn compare_dead_letters(&self, shards: &[Stored]) -> Vec<String> {
        let letters = shards.iter().enumerate().flat_map(|(shard, stored)| {
            stored.dead.iter().map(move |dead| {
                let Dead { lane, seq, ref reason, ref detail, .. } = *dead;
                (KnownDeadLetter { shard, lane, seq, reason: reason.clone() }, detail)
            })
        });
        let mut missing = self.dead_letters.clone();
        let mut faults = Vec::new();
        for (letter, detail) in letters {
            match missing.iter().position(|known| *known == letter) {
                Some(place) => drop(missing.swap_remove(place)),
                None => faults.push(format!("a dead letter that there should not be: {letter:?}, {detail}")),
            }
        }
        faults.extend(missing.iter().map(|letter| format!("a dead letter is missing: {letter:?}")));
        faults
    }
}
