//! A file of orders by `replay`, from the first request to the last stored row, beside COPY of the same tuples.

use std::sync::Arc;
use std::time::Instant;

use anyhow::Result;

use crate::bench::Bench;
use crate::dataset::{Dataset, Recipe};
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::copy;
use crate::progress::{Progress, RowsSeen, Until};
use crate::usage::Cost;
use crate::world::{Plan, World};

pub(crate) const COPY: &str = "COPY of the same tuples, three sessions";
/// An order of a customer in a hundred.
const ORDERS_OF_A_CUSTOMER: u64 = 100;
const DAYS: u32 = 30;

/// The orders of a file, as most rows send it.
pub(crate) fn recipe(bench: &Bench, all_lanes: bool) -> Recipe {
    let orders = bench.scale.orders;
    Recipe { orders, customers: (orders / ORDERS_OF_A_CUSTOMER) as u32, days: DAYS, all_lanes, seed: 1 }
}

/// The orders that are sent one by one: of one day, as they are when they come from people.
pub(crate) fn recipe_of_a_day(bench: &Bench, all_lanes: bool) -> Recipe {
    Recipe { days: 1, ..recipe(bench, all_lanes) }
}

/// What came of a file.
pub(crate) struct Replayed {
    pub(crate) per_second: f64,
    pub(crate) began: Instant,
    pub(crate) seen: Vec<RowsSeen>,
    pub(crate) cost: Cost,
}

/// Replays a file, and waits until all of its rows are stored, in all lanes.
pub(crate) async fn replay(bench: &Bench, world: &World, dataset: &Dataset) -> Result<Replayed> {
    let mut progress = Progress::connect(&world.urls).await?;
    let until = Until::Stored(progress.stored().await? + dataset.rows);
    replay_until(bench, world, dataset, progress, until).await
}

/// Replays a file that was replayed before, and waits until all of its rows are known as duplicates, in all lanes.
pub(crate) async fn replay_again(bench: &Bench, world: &World, dataset: &Dataset) -> Result<Replayed> {
    let mut progress = Progress::connect(&world.urls).await?;
    let until = Until::Committed(progress.committed().await? + dataset.rows);
    replay_until(bench, world, dataset, progress, until).await
}

async fn replay_until(
    bench: &Bench,
    world: &World,
    dataset: &Dataset,
    mut progress: Progress,
    until: Until,
) -> Result<Replayed> {
    let began = Instant::now();
    let both = async { tokio::try_join!(world.replay(&bench.servers, &dataset.file), progress.wait_for(until)) };
    let ((_, seen), cost) = bench.metered(world, both).await?;
    let end = seen.last().map_or(began, |seen| seen.at);
    Ok(Replayed { per_second: dataset.recipe.orders as f64 / (end - began).as_secs_f64(), began, seen, cost })
}

pub(crate) async fn orders_only(bench: &mut Bench) -> Result<Vec<Line>> {
    let what = "file by replay to committed rows, lane orders only (ids assigned)";
    Ok(vec![line(bench, "replay-orders", what, false).await?])
}

pub(crate) async fn all_lanes(bench: &mut Bench) -> Result<Vec<Line>> {
    let what = "the same with client ids (index lane) and the seller view";
    Ok(vec![line(bench, "replay", what, true).await?])
}

async fn line(bench: &mut Bench, row: &'static str, what: &str, all_lanes: bool) -> Result<Line> {
    let recipe = recipe(bench, all_lanes);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let mut cost = Cost::default();
    let mut last = None;
    let rounds = bench.scale.rounds;
    let pair = in_turns(rounds, async |side| match side {
        Side::Limit => copy::into_empty(&bench.servers, &plan, &dataset).await,
        Side::Value => {
            let replayed = into_empty(bench, &plan, &dataset).await?;
            cost += replayed.cost.clone();
            Ok(last.insert(replayed).per_second)
        }
    });
    let pair = pair.await?;
    if let Some(last) = last {
        let part = recipe.orders as f64 / dataset.rows as f64;
        bench.charts.throughput(row, last.began, &last.seen, part);
        bench.charts.limit(row, pair.limit.median());
    }
    let line = Line::new(row, format!("{} orders: {what}", recipe.orders), Unit::OrdersPerSecond, pair.value);
    Ok(line.beside(COPY, pair.limit).target(Target::RatioAtLeast(0.6)).cost(cost))
}

async fn into_empty(bench: &Bench, plan: &Plan, dataset: &Arc<Dataset>) -> Result<Replayed> {
    let world = World::start(&bench.servers, plan).await?;
    let replayed = replay(bench, &world, dataset).await?;
    world.end(&bench.servers).await?;
    Ok(replayed)
}
