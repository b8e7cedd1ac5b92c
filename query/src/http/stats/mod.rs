//! `GET /v1/stats`: what each shard holds, how far it is behind the log, and how the cache does. A shard or a log that is
//! down is part of the answer, and no error.

mod lag;
mod shard;

use std::time::Duration;

use axum::response::{IntoResponse, Response};
use forebay_api::stats::{LaneStats, ShardState, ShardStats};
use forebay_api::{Route, Stats};
use forebay_service::Problem;
use forebay_shard::read::Unbound;
use futures::future::join_all;
use http::{Uri, header};
use tokio::time::{Instant, sleep_until};

use crate::answer::totals::Sums;
use crate::app::App;
use crate::http::request::query_string::QueryString;
use crate::reader::Overview;

/// How often it is looked again whether everything is drained.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The statistics of all shards. With `wait_ms`, as soon as everything is drained; when the time is over, as they are then.
pub(crate) async fn get_stats(Overview { app, unbound }: Overview, uri: Uri) -> Result<Response, Problem> {
    let until = Instant::now() + QueryString::read(&uri, Route::GetStats)?.wait()?.unwrap_or_default();
    let mut stats = read(&app, unbound).await;
    while !stats.drained && Instant::now() < until {
        sleep_until(until.min(Instant::now() + LOOK_EVERY)).await;
        stats = read(&app, unbound).await;
    }
    let body = serde_json::to_vec(&stats).map_err(|error| Problem::internal(error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn read(app: &App, unbound: Unbound) -> Stats {
    let derivations = app.shards().derivations();
    let shards = app.shards().all();
    let shards = shards.into_iter().map(|shard| shard::read(shard, unbound, app.log(), derivations));
    let shards = join_all(shards).await;
    let mut sums = Sums::default();
    for total in shards.iter().flat_map(ShardStats::totals) {
        sums.add_total(total);
    }
    let sum = |of: fn(&LaneStats) -> u64| shards.iter().map(|shard| shard.of_orders(of)).sum();
    let totals = sums.into_totals();
    let is_missing = |shard: &&ShardStats| !matches!(shard.state, ShardState::Up { .. });
    Stats {
        // What was stored on a shard that has left the system is in none of the counters.
        orders: totals.iter().map(|total| total.count).sum(),
        shards_missing: shards.iter().filter(is_missing).map(|shard| shard.shard).collect(),
        duplicates: sum(|lane| lane.duplicates),
        dead_letters: sum(|lane| lane.dead_letters),
        totals,
        cache: app.cache().figures(),
        epoch: app.map().ok().map(|map| map.epoch()),
        drained: shards.iter().all(ShardStats::is_drained),
        shards,
    }
}
