//! Letters of every shard, newest first, and how many there are of what.

use std::cmp::Reverse;

use anyhow::{Context, Result};
use forebay_model::Lane;
use forebay_shard::dead_letter::LetterCount;
use forebay_shard::{DeadLetter, Reason, ShardPool};
use futures::future::join_all;
use serde::Serialize;

use super::letter::{LetterReport, reason};
use super::pool::pool_settings;
use super::selection::Filters;
use crate::system::System;

/// What is listed.
#[derive(Debug, Default, Serialize)]
pub struct Listing {
    /// The newest letters.
    pub letters: Vec<LetterReport>,
    /// How many there are of what, listed or not.
    pub counts: Vec<Count>,
    /// Shards whose letters could not be read, and why: a sentence each. What is listed lacks theirs.
    pub unread: Vec<String>,
}

/// How many letters of a lane died of a reason, over all shards.
#[derive(Debug, Serialize)]
pub struct Count {
    /// The lane.
    pub lane: Lane,
    /// The reason.
    #[serde(serialize_with = "reason")]
    pub reason: Reason,
    /// Letters.
    pub letters: u64,
    /// Rows of the log that they stand for.
    pub rows: u64,
    /// Letters that were put into the log again.
    pub requeued: u64,
}

/// Lists letters, at most `limit`. All are counted.
///
/// # Errors
/// Where there is no such shard.
pub async fn list(system: &System, filters: &Filters, limit: u32) -> Result<Listing> {
    let pools = system.pools(filters.shard, &pool_settings())?;
    let mut listing = Listing::default();
    let mut letters = Vec::new();
    let answers = join_all(pools.iter().map(|pool| read(pool, filters, limit))).await;
    for (pool, answer) in pools.iter().zip(answers) {
        let (found, counts) = match answer {
            Ok(read) => read,
            Err(error) => {
                listing.unread.push(format!("the dead letters of shard {} are not here: {error:#}", pool.shard()));
                continue;
            }
        };
        letters.extend(found.into_iter().map(|letter| (pool.shard(), letter)));
        for count in &counts {
            listing.count(count);
        }
    }
    letters.sort_by_key(|(shard, letter)| (Reverse(letter.died_at), *shard, letter.id));
    letters.truncate(limit as usize);
    listing.letters = letters.iter().map(|(shard, letter)| LetterReport::brief(*shard, letter)).collect();
    listing.counts.sort_by_key(|count| (count.lane, count.reason));
    Ok(listing)
}

async fn read(pool: &ShardPool, filters: &Filters, limit: u32) -> Result<(Vec<DeadLetter>, Vec<LetterCount>)> {
    let filter = filters.filter();
    let mut connection = pool.acquire().await?;
    let letters = DeadLetter::newest(&mut connection, &filter, limit.into()).await.context("they cannot be read")?;
    let counts = DeadLetter::counts(&mut connection, &filter).await.context("they cannot be counted")?;
    Ok((letters, counts))
}

impl Listing {
    fn count(&mut self, more: &LetterCount) {
        let LetterCount { lane, reason, letters, rows, requeued } = *more;
        match self.counts.iter_mut().find(|count| (count.lane, count.reason) == (lane, reason)) {
            Some(count) => {
                count.letters += letters;
                count.rows += rows;
                count.requeued += requeued;
            }
            None => self.counts.push(Count { lane, reason, letters, rows, requeued }),
        }
    }
}
