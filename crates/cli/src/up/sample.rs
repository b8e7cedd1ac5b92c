//! The sample: orders of the last week, made once and replayed at every start.
//!
//! It is kept as a file, because orders of "the last week" would be others tomorrow; replayed again, they are duplicates,
//! which is harmless and worth seeing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use forebay_model::Timestamp;
use forebay_replay::generate::{self, Orders, Recipe};
use forebay_replay::{Ending, Format, RecordKind, Settings, Summary};
use forebay_service::Shutdown;
use forebay_shard::Tally;
use serde::Deserialize;

use crate::replay::Screen;

const DAY_MS: u64 = 86_400_000;
const DAYS: u64 = 7;

/// What replaying the sample came to.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) path: PathBuf,
    pub(super) orders: u64,
    pub(super) took: Duration,
    /// Rows of the lane `orders`, over all shards, that the sample added.
    pub(super) added: Tally,
    /// The last order of the file.
    pub(super) last: Last,
}

/// What is needed of an order to find it again.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Last {
    pub(super) order_id: String,
    pub(super) customer_id: String,
    pub(super) timestamp: String,
}

/// Makes the sample's file if there is none.
///
/// # Errors
/// When it cannot be written.
pub(super) fn make(home: &Path, orders: u64) -> Result<PathBuf> {
    let path = home.join("sample.ndjson");
    if path.is_file() {
        return Ok(path);
    }
    let now = Timestamp::now();
    let from = now.plus_us(-((DAYS * DAY_MS * 1000).cast_signed()));
    let recipe = Recipe {
        orders,
        customers: 500,
        sellers: 40,
        skew: 0.8,
        seed: 1,
        with_ids: true,
        from,
        span_ms: DAYS * DAY_MS,
        returns: 0.1,
    };
    // A file that a killed run has left half written must not count as the sample.
    let unfinished = home.join("sample.ndjson.new");
    let write = || {
        generate::write(Orders::new(recipe), File::create(&unfinished)?)?;
        std::fs::rename(&unfinished, &path)
    };
    write().with_context(|| format!("cannot write the sample {}", path.display()))?;
    Ok(path)
}

/// Sends the sample to ingest. Gives the number of orders that were accepted, and how long that took.
///
/// # Errors
/// When something was not delivered.
pub(super) async fn send(home: &Path, path: &Path, ingest: String, token: Option<String>) -> Result<(u64, Duration)> {
    let started = Instant::now();
    let settings = Settings {
        format: Some(Format::Ndjson),
        token,
        give_up: Duration::from_secs(30),
        state_dir: Some(home.join("replay")),
        ..Settings::new(vec![path.to_owned()], ingest)
    };
    let screen = Screen::new(RecordKind::Orders);
    // Signals are watched by the one who waits for this.
    let summary = forebay_replay::run(settings, screen.tell(), Shutdown::new()).await;
    screen.close();
    let Summary { ending, total, .. } = summary.context("the sample")?;
    ensure!(matches!(ending, Ending::Accepted | Ending::RejectedOrDead), "the sample: not every order was delivered");
    Ok((total.accepted, started.elapsed()))
}

/// The last order of the sample.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn last(path: &Path) -> Result<Last> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let line = text.lines().next_back().unwrap_or_default();
    serde_json::from_str(line).with_context(|| format!("the sample {} does not end with an order", path.display()))
}
