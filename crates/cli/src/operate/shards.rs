//! `forebay shards`.

use std::process::ExitCode;

use anyhow::Result;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use forebay_admin::shards::{Figures, LaneFigures, ShardFigures, read};
use forebay_admin::system::System;
use forebay_model::Hash;

use super::system::SystemArgs;
use crate::text::grouped;

const UNKNOWN: &str = "–";

/// What `forebay shards` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints the map and the figures. The exit code is 1 where a shard cannot be reached.
pub(crate) async fn run(args: Args) -> Result<ExitCode> {
    let system = System::from(args.system);
    let figures = read(&system.connect_log().await?, &system).await?;
    println!("{}", if args.json { serde_json::to_string_pretty(&figures)? } else { table(&figures) });
    let problems = figures.problems();
    for problem in &problems {
        eprintln!("forebay: {problem}");
    }
    Ok(if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A line about the map, and a table with a row for each lane of each shard.
fn table(figures: &Figures) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["shard", "address", "buckets", "lane", "stored", "duplicate", "dead", "position", "lag", "log"]);
    for column in [2, 4, 5, 6, 7, 8, 9] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for shard in &figures.shards {
        for (place, lane) in shard.lanes.iter().enumerate() {
            table.add_row(row(shard, lane, place == 0));
        }
    }
    let hash = match figures.hash {
        Hash::Md5 => "MD5",
        Hash::Modulo => "modulo for integers, else MD5",
    };
    let shards = figures.shards.len();
    format!("Shard map of epoch {}: 4096 buckets on {shards} shards, routed by {hash}.\n{table}", figures.epoch)
}

fn row(shard: &ShardFigures, lane: &LaneFigures, is_first: bool) -> Vec<String> {
    let first = |text: String| if is_first { text } else { String::new() };
    let number = |number: Option<u64>| number.map_or_else(|| UNKNOWN.to_owned(), grouped);
    let position =
        lane.position.as_deref().and_then(|position| position.split_once('.')).map(|(_, seq)| seq.to_owned());
    let state = if shard.unreachable.is_some() { "unreachable" } else { UNKNOWN };
    vec![
        first(shard.shard.to_string()),
        first(shard.addresses.clone()),
        first(grouped(shard.buckets as u64)),
        lane.lane.to_string(),
        lane.stored.map_or_else(|| state.to_owned(), grouped),
        number(lane.duplicate),
        number(lane.dead),
        position.unwrap_or_else(|| UNKNOWN.to_owned()),
        number(lane.lag_frames),
        lane.log_bytes.map_or_else(|| UNKNOWN.to_owned(), |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0)),
    ]
}

#[cfg(test)]
mod tests {
    use forebay_model::{Lane, ShardId};

    use super::*;

    #[test]
    fn snapshot_of_shards() {
        let lane = |lane, stored: Option<u64>| LaneFigures {
            lane,
            stored,
            duplicate: stored.map(|_| 3),
            dead: stored.map(|_| 0),
            position: stored.map(|_| "1751286600000000.460".to_owned()),
            committed_at: None,
            lag_frames: stored.map(|_| 13),
            log_last: Some(473),
            log_frames: Some(473),
            log_bytes: Some(12 << 20),
            fault: None,
        };
        let shard = |shard, unreachable: Option<&str>, stored| ShardFigures {
            shard: ShardId(shard),
            addresses: format!("127.0.0.1:544{shard}/forebay"),
            buckets: 2048,
            buckets_read_only: 0,
            unreachable: unreachable.map(str::to_owned),
            lanes: Lane::ALL.map(|of| lane(of, stored)).into(),
        };
        let shards = vec![shard(0, None, Some(1_234_567)), shard(1, Some("does not answer"), None)];
        insta::assert_snapshot!(table(&Figures { epoch: 1, hash: Hash::Md5, shards }));
    }
}
