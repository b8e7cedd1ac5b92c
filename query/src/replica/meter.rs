//! What is measured of the reads of one shard.

use std::time::Instant;

use forebay_shard::{ShardError, ShardPool, ShardServer};
use metrics::{Counter, Histogram, counter, histogram};

use crate::metrics::{SERVER_READS, SHARD_ERRORS, SHARD_ROWS, SHARD_SECONDS};

/// The kinds of reads, as metrics name them.
const READS: [&str; 10] =
    ["customer", "range", "view", "order", "search", "index", "times", "position", "derived", "stats"];

/// The meters of one shard.
#[derive(Debug)]
pub(crate) struct Meter {
    shard: String,
    reads: Vec<(&'static str, Histogram, Counter)>,
    /// For each server, how many statements it has answered.
    answers: Vec<Counter>,
}

impl Meter {
    pub(super) fn new(pool: &ShardPool) -> Self {
        let shard = pool.shard().to_string();
        let reads = READS.map(|read| {
            let labels = [("shard", shard.clone()), ("read", read.to_owned())];
            let seconds = histogram!(SHARD_SECONDS.name, &labels);
            (read, seconds, counter!(SHARD_ROWS.name, &labels))
        });
        let answers = pool.servers().iter().map(|server| {
            let labels = [("shard", shard.clone()), ("server", server.name().to_owned())];
            counter!(SERVER_READS.name, &labels)
        });
        let meter = Self { answers: answers.collect(), shard, reads: reads.into() };
        // Otherwise the first increase of each could not be seen.
        ShardError::classes().for_each(|class| meter.count_failed(class, 0));
        meter
    }

    /// Notes a statement that began then and gave this many rows.
    pub(super) fn read(&self, read: &str, began: Instant, rows: usize) {
        if let Some((_, seconds, counter)) = self.reads.iter().find(|(name, ..)| *name == read) {
            seconds.record(began.elapsed());
            counter.increment(rows as u64);
        }
    }

    /// Notes that a server has answered.
    pub(super) fn answered(&self, server: &ShardServer) {
        self.answers[server.number()].increment(1);
    }

    /// Notes a statement that failed.
    pub(super) fn failed(&self, error: &ShardError) {
        self.count_failed(error.class(), 1);
    }

    fn count_failed(&self, class: &'static str, statements: u64) {
        let labels = [("shard", self.shard.clone()), ("class", class.to_owned())];
        counter!(SHARD_ERRORS.name, &labels).increment(statements);
    }
}
