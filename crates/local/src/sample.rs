//! The sample: orders of the last week and what happened to them, made once and replayed at every start.
//!
//! It is kept as two files, because orders of "the last week" would be others tomorrow; replayed again, they are duplicates,
//! which is harmless and worth seeing.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forebay_model::Timestamp;
use forebay_replay::generate::{self, Events, Lines, Orders, Recipe};
use forebay_replay::{Ending, Format, RecordKind, Settings, Summary};
use forebay_service::Shutdown;
use forebay_shard::Tally;
use forebay_terminal::Screen;
use serde::Deserialize;

const DAY_MS: u64 = 86_400_000;
const DAYS: u64 = 7;

/// What replaying the sample came to.
#[derive(Debug)]
pub(super) struct Sample {
    pub(super) files: Files,
    pub(super) orders: u64,
    pub(super) events: u64,
    pub(super) took: Duration,
    /// Rows of the lane `orders`, over all shards, that the sample added.
    pub(super) added: Tally,
    pub(super) ends: Ends,
}

/// Where the sample lies.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub(super) orders: PathBuf,
    pub(super) events: PathBuf,
}

/// The first order of the sample, to which most has happened, and the last one.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) first: Sampled,
    pub(super) last: Sampled,
}

/// What is needed of an order to find it again.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Sampled {
    pub(super) order_id: String,
    pub(super) customer_id: String,
    pub(super) timestamp: String,
}

impl Files {
    /// Where it lies in the home directory.
    pub(super) fn of(home: &Path) -> Self {
        Self { orders: home.join("sample.ndjson"), events: home.join("sample-events.ndjson") }
    }
}

/// Makes the sample's files where one is missing.
///
/// # Errors
/// When they cannot be written.
pub(super) fn make(home: &Path, orders: u64) -> Result<Files> {
    let files = Files::of(home);
    if files.orders.is_file() && files.events.is_file() {
        return Ok(files);
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
    write(&files.events, Events::new(recipe.clone()))?;
    write(&files.orders, Orders::new(recipe))?;
    Ok(files)
}

/// A file that a killed run has left half written must not count as the sample.
fn write(path: &Path, lines: impl Lines) -> Result<()> {
    let unfinished = path.with_added_extension("new");
    let write = || {
        generate::write(lines, File::create(&unfinished)?)?;
        std::fs::rename(&unfinished, path)
    };
    write().with_context(|| format!("cannot write the sample {}", path.display()))
}

/// Sends a file of the sample to ingest. Gives how many of its records were accepted.
///
/// # Errors
/// When something was not delivered.
pub(super) async fn send(
    home: &Path,
    kind: RecordKind,
    path: &Path,
    ingest: String,
    token: Option<String>,
) -> Result<u64> {
    let settings = Settings {
        kind,
        format: Some(Format::Ndjson),
        token,
        give_up: Duration::from_secs(30),
        state_dir: Some(home.join("replay")),
        ..Settings::new(vec![path.to_owned()], ingest)
    };
    let screen = Screen::new(kind);
    // Signals are watched by the one who waits for this.
    let summary = forebay_replay::run(settings, screen.tell(), Shutdown::new()).await;
    screen.close();
    let Summary { ending, total, .. } = summary.context("the sample")?;
    ensure!(matches!(ending, Ending::Accepted | Ending::RejectedOrDead), "the sample: not all of it was delivered");
    Ok(total.accepted)
}

/// The first and the last order of the sample.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn ends(path: &Path) -> Result<Ends> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let order = |line: Option<&str>| {
        serde_json::from_str(line.unwrap_or_default())
            .with_context(|| format!("the sample {} is not of orders", path.display()))
    };
    Ok(Ends { first: order(text.lines().next())?, last: order(text.lines().next_back())? })
}
