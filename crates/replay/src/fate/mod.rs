//! What became of orders that were accepted: stored, duplicates, or dead.
//!
//! Each request's receipt is kept until query says what became of it; then it is folded into the figures of its file. So a run
//! holds a receipt for each request that is not decided yet, and nothing of the orders themselves: where some are dead, their lines
//! are found by reading the file once more.
//!
//! | module | concept |
//! |---|---|
//! | [`ask`] | query is asked about one receipt |
//! | [`known`] | what is known of a file's orders, and which receipts are open |
//! | [`lines`] | the lines of orders that are dead |

pub(crate) mod ask;
pub(crate) mod known;
pub(crate) mod lines;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::chunk::LineSpan;

/// What became of orders that were accepted, those of interrupted runs that this one goes on with included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fates {
    /// Orders that are stored.
    pub stored: u64,
    /// Orders that had been stored before.
    pub duplicates: u64,
    /// Orders that could not be stored.
    pub dead: u64,
    /// The same by reason. Those whose letters are gone have the reason `purged`.
    pub dead_by_reason: BTreeMap<String, u64>,
    /// The first ones of each reason.
    pub first_dead: Vec<DeadRecord>,
    /// Orders of which it is not known.
    pub undecided: u64,
}

/// An order that could not be stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadRecord {
    /// Its file.
    pub file: String,
    /// Every place of its request at which an order with its id stands; none where the file cannot be read again.
    pub places: Vec<LineSpan>,
    /// Its id, where it can be read.
    pub order_id: Option<String>,
    /// Why it is dead.
    pub reason: String,
    /// The address of its dead letter.
    pub letter: String,
}

impl Fates {
    /// With those of another file.
    pub(crate) fn add(&mut self, other: &Self) {
        self.stored += other.stored;
        self.duplicates += other.duplicates;
        self.dead += other.dead;
        self.undecided += other.undecided;
        for (reason, orders) in &other.dead_by_reason {
            *self.dead_by_reason.entry(reason.clone()).or_default() += orders;
        }
        self.first_dead.extend(other.first_dead.iter().cloned());
    }
}
