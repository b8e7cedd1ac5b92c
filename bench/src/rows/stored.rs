//! A file to tables that hold ten million orders, beside the same file to empty ones.

use std::sync::Arc;

use anyhow::Result;
use futures::future::try_join_all;

use super::replay::replay;
use crate::bench::Bench;
use crate::dataset::{Dataset, Recipe};
use crate::limit::copy;
use crate::line::{Line, Target, Unit};
use crate::progress::execute;
use crate::rounds::{Side, in_turns};
use crate::usage::Cost;
use crate::world::{Plan, World};

const MILLIONS: u64 = 10;
const DAYS: u32 = 120;
const ROUNDS: usize = 2;

pub(super) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = Recipe { orders: 1_000_000, customers: 100_000, days: DAYS, all_lanes: false, seed: 1 };
    let plan = Plan::of(bench, recipe).await?;
    let full = World::start(bench, &plan).await?;
    let path = bench.path("stored.ndjson");
    for million in 0..MILLIONS {
        let dataset = Arc::new(Dataset::make(Recipe { seed: 100 + million, ..recipe }, path.clone())?);
        copy::into(&full.urls, &dataset).await?;
    }
    // Ten million rows at once are a lot of work for autovacuum, which does not come with tables that have grown slowly.
    try_join_all(full.urls.iter().map(|url| execute(url, "vacuum (analyze) orders"))).await?;
    let mut cost = Cost::default();
    let mut seed = 200;
    let pair = in_turns(ROUNDS, async |side| {
        seed += 1;
        let dataset = Dataset::make(Recipe { seed, ..recipe }, path.clone())?;
        if side == Side::Value {
            bench.settle().await?;
            let replayed = replay(bench, &full, &dataset).await?;
            cost += replayed.cost;
            return Ok(replayed.per_second);
        }
        let empty = World::start(bench, &plan).await?;
        let replayed = replay(bench, &empty, &dataset).await?;
        empty.end(bench).await?;
        Ok(replayed.per_second)
    });
    let pair = pair.await?;
    full.end(bench).await?;
    let what = "a million orders by replay, lane orders only, to tables with 10 million orders";
    let line = Line::new("stored", what, Unit::OrdersPerSecond, pair.value).beside("to empty tables", pair.limit);
    Ok(vec![line.target(Target::RatioAtLeast(0.8)).cost(cost)])
}
