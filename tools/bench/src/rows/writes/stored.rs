//! A file to tables that hold ten million orders, beside the same file to empty ones.

use std::sync::Arc;

use anyhow::Result;
use futures::future::try_join_all;

use crate::bench::Bench;
use crate::dataset::{Dataset, Recipe};
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::copy;
use crate::progress::execute;
use crate::rows::writes::replay::replay;
use crate::usage::Cost;
use crate::world::World;

const MILLIONS: u64 = 10;
const DAYS: u32 = 120;
const ROUNDS: usize = 2;

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = Recipe { orders: 1_000_000, customers: 100_000, days: DAYS, all_lanes: false, seed: 1 };
    let plan = bench.plan(recipe).await?;
    let full = World::start(&bench.servers, &plan).await?;
    let path = bench.servers.path("stored.ndjson");
    let mut seeds = 100..;
    let mut next = |orders| {
        let seed = seeds.next().unwrap_or_default();
        Dataset::make(Recipe { orders, seed, ..recipe }, path.clone()).map(Arc::new)
    };
    let mut copied = Vec::new();
    for _ in 0..MILLIONS {
        let took = copy::into(&full.urls, &next(recipe.orders)?).await?;
        copied.push(recipe.orders as f64 / took.as_secs_f64());
    }
    // Ten million rows at once are a lot of work for autovacuum, which does not come with tables that have grown slowly.
    try_join_all(full.urls.iter().map(|url| execute(url, "vacuum (analyze) orders"))).await?;
    let mut cost = Cost::default();
    let pair = in_turns(ROUNDS, async |side| {
        if side == Side::Value {
            bench.servers.settle().await?;
            // What writes to a page first after a checkpoint logs all of it. That is little of what comes between two
            // checkpoints, and would be much of what is measured.
            copy::into(&full.urls, &next(recipe.orders / 3)?).await?;
            let replayed = replay(bench, &full, &*next(recipe.orders)?).await?;
            cost += replayed.cost;
            return Ok(replayed.per_second);
        }
        let dataset = next(recipe.orders)?;
        let empty = World::start(&bench.servers, &plan).await?;
        let replayed = replay(bench, &empty, &dataset).await?;
        empty.end(&bench.servers).await?;
        Ok(replayed.per_second)
    });
    let pair = pair.await?;
    full.end(&bench.servers).await?;
    let what = "a million orders by replay, lane orders only, to tables with 10 million orders";
    let line = Line::new("stored", what, Unit::OrdersPerSecond, pair.value).beside("to empty tables", pair.limit);
    let (first, last) = (copied.first().copied(), copied.last().copied());
    let what = "COPY into the same tables, three sessions: the tenth million";
    let copied = Line::new("stored", what, Unit::OrdersPerSecond, last.into_iter().collect());
    Ok(vec![line.target(Target::RatioAtLeast(0.8)).cost(cost), copied.beside("the first", first.into_iter().collect())])
}
