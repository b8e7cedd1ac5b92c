//! `forebay dead list`: letters of every shard, newest first, and how many there are of what.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context, Result};
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use forebay_model::{Lane, ShardId};
use forebay_shard::dead_letter::LetterCount;
use forebay_shard::{DeadLetter, Reason, ShardPool};
use futures::future::try_join_all;
use serde_json::json;

use super::address::LetterAddress;
use super::letter::Shown;
use super::pool_settings;
use super::which::Filters;
use crate::grouped::grouped;
use crate::system::SystemSettings;

/// What `dead list` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// Which letters.
    #[command(flatten)]
    pub filters: Filters,

    /// The most letters to list; all are counted
    #[arg(long, value_name = "N", default_value_t = 50)]
    pub limit: u32,

    /// Print letters and counts as JSON
    #[arg(long)]
    pub json: bool,
}

/// What is listed.
#[derive(Debug, Default)]
struct Listing {
    letters: Vec<(ShardId, DeadLetter)>,
    counts: BTreeMap<(Lane, Reason), (u64, u64, u64)>,
}

/// Prints them.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let pools = settings.system.pools(settings.filters.shard, &pool_settings())?;
    let mut listing = Listing::default();
    for (shard, letters, counts) in try_join_all(pools.iter().map(|pool| read(pool, settings))).await? {
        listing.letters.extend(letters.into_iter().map(|letter| (shard, letter)));
        for LetterCount { lane, reason, letters, rows, requeued } in counts {
            let sum = listing.counts.entry((lane, reason)).or_default();
            *sum = (sum.0 + letters, sum.1 + rows, sum.2 + requeued);
        }
    }
    listing.letters.sort_by_key(|(shard, letter)| (std::cmp::Reverse(letter.died_at), *shard, letter.id));
    listing.letters.truncate(settings.limit as usize);
    let text = if settings.json { listing.json()? } else { listing.table(&settings.filters) };
    println!("{text}");
    Ok(ExitCode::SUCCESS)
}

async fn read(pool: &ShardPool, settings: &Settings) -> Result<(ShardId, Vec<DeadLetter>, Vec<LetterCount>)> {
    let shard = pool.shard();
    let filter = settings.filters.filter();
    let mut connection = pool.acquire().await?;
    let letters = DeadLetter::newest(&mut connection, &filter, settings.limit.into()).await;
    let letters = letters.with_context(|| format!("the dead letters of shard {shard} cannot be read"))?;
    let counts = DeadLetter::counts(&mut connection, &filter).await;
    Ok((shard, letters, counts.with_context(|| format!("the dead letters of shard {shard} cannot be counted"))?))
}

impl Listing {
    fn json(&self) -> Result<String> {
        let letters: Vec<Shown> = self.letters.iter().map(|(shard, letter)| Shown::brief(*shard, letter)).collect();
        let counts = self.counts.iter().map(|((lane, reason), (letters, rows, requeued))| {
            json!({"lane": lane, "reason": reason.as_str(), "letters": letters, "rows": rows, "requeued": requeued})
        });
        Ok(serde_json::to_string_pretty(&Output { letters, counts: counts.collect() })?)
    }

    fn table(&self, filters: &Filters) -> String {
        if self.counts.is_empty() {
            let none = if filters.is_empty() { "There are no dead letters." } else { "No dead letters match." };
            return none.to_owned();
        }
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(["letter", "died", "lane", "reason", "customer", "order", "what was wrong", "requeued"]);
        for (shard, letter) in &self.letters {
            table.add_row(row(*shard, letter));
        }
        let counts = self.counts.iter().map(|((lane, reason), (letters, rows, requeued))| {
            let (letters, rows, requeued) = (grouped(*letters), grouped(*rows), grouped(*requeued));
            format!("lane {lane}, {reason}: {letters} letters, {rows} rows, {requeued} requeued")
        });
        format!("{table}\n\n{}", counts.collect::<Vec<_>>().join("\n"))
    }
}

#[derive(serde::Serialize)]
struct Output {
    letters: Vec<Shown>,
    counts: Vec<serde_json::Value>,
}

fn row(shard: ShardId, letter: &DeadLetter) -> Vec<String> {
    let known = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    vec![
        LetterAddress { shard, id: letter.id }.to_string(),
        letter.died_at.to_string(),
        letter.lane.to_string(),
        letter.reason.to_string(),
        known(&letter.customer_id),
        known(&letter.order_id),
        letter.detail.lines().next().unwrap_or_default().to_owned(),
        letter.requeued_at.map_or_else(|| "no".to_owned(), |at| at.to_string()),
    ]
}

#[cfg(test)]
mod tests {
    use forebay_model::{Epoch, Incarnation, Position, Timestamp};

    use super::*;

    #[test]
    fn snapshot_of_letters() {
        let at = Timestamp::parse("2025-06-30T12:30:00Z").unwrap();
        let letter = |id, order_id: Option<&str>, requeued_at| DeadLetter {
            id,
            lane: Lane::Orders,
            position: Position { incarnation: Incarnation::new(1), seq: 460 },
            row: 0,
            rows: 1,
            reason: Reason::Conflict,
            sqlstate: None,
            detail: "its total is another\nand more".to_owned(),
            customer_id: order_id.map(|_| "CUST789".to_owned()),
            order_id: order_id.map(str::to_owned),
            ordered_at: None,
            tuple: Vec::new(),
            content: None,
            stored: None,
            epoch: Epoch(1),
            enqueued_at: None,
            died_at: at,
            requeued_at,
        };
        let filters = Filters { shard: None, lane: None, reason: None, from: None, to: None };
        let listing = Listing {
            letters: vec![(ShardId(1), letter(17, Some("ORD1"), Some(at))), (ShardId(0), letter(4, None, None))],
            counts: BTreeMap::from([((Lane::Orders, Reason::Conflict), (1200, 1200, 1))]),
        };
        insta::assert_snapshot!(listing.table(&filters));
        insta::assert_snapshot!(Listing::default().table(&filters), @"There are no dead letters.");
    }
}
