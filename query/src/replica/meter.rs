//! What is measured of the reads of one shard.

use std::time::Instant;

use forebay_model::ShardId;
use metrics::{Counter, Histogram, counter, histogram};

use crate::error::ShardError;

/// The kinds of reads, as metrics name them.
const READS: [&str; 8] = ["customer", "range", "view", "order", "search", "index", "position", "stats"];

/// The meters of one shard.
#[derive(Debug)]
pub(crate) struct Meter {
    shard: String,
    reads: Vec<(&'static str, Histogram, Counter)>,
}

impl Meter {
    pub(crate) fn new(shard: ShardId) -> Self {
        let shard = shard.to_string();
        let reads = READS.map(|read| {
            let labels = [("shard", shard.clone()), ("read", read.to_owned())];
            let seconds = histogram!("forebay_query_shard_seconds", &labels);
            (read, seconds, counter!("forebay_query_shard_rows_total", &labels))
        });
        Self { shard, reads: reads.into() }
    }

    /// Notes a statement that began then and gave so many rows.
    pub(crate) fn read(&self, read: &str, began: Instant, rows: usize) {
        if let Some((_, seconds, counter)) = self.reads.iter().find(|(name, ..)| *name == read) {
            seconds.record(began.elapsed());
            counter.increment(rows as u64);
        }
    }

    /// Notes a statement that failed.
    pub(crate) fn failed(&self, error: &ShardError) {
        let labels = [("shard", self.shard.clone()), ("class", error.class().to_owned())];
        counter!("forebay_query_shard_errors_total", &labels).increment(1);
    }
}
