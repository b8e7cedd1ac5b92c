//! What lies in the log when the shards come back, drained by the writer, beside COPY of the same tuples.
//!
//! The writer is stopped while the log fills, which comes to the same as shards that are away, and the servers can go on
//! for the limit. It is measured from the first commit that is seen to the last; what follows from the orders is derived and drained
//! within that time.

use anyhow::{Context, Result};
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::copy;
use crate::progress::{Progress, RowsSeen, Until};
use crate::rows::writes::replay::{COPY, recipe};
use crate::usage::Cost;
use crate::world::{Plan, World};

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let mut cost = Cost::default();
    let mut last = Vec::new();
    let pair = in_turns(bench.scale.rounds, async |side| match side {
        Side::Limit => copy::into_empty(&bench.servers, &plan, &dataset).await,
        Side::Value => {
            let (seen, took) = drain(bench, &plan, &dataset).await?;
            cost += took;
            last = seen;
            let rows = rows_per_second(&last).context("the backlog was gone before it was looked at")?;
            Ok(rows * recipe.orders as f64 / dataset.rows as f64)
        }
    });
    let pair = pair.await?;
    if let Some(first) = last.iter().rfind(|seen| seen.rows == 0) {
        bench.charts.throughput("backlog", first.at, &last, recipe.orders as f64 / dataset.rows as f64);
    }
    let what = format!("backlog: {} orders in the log, all lanes, the writer drains", recipe.orders);
    let line = Line::new("backlog", what, Unit::OrdersPerSecond, pair.value);
    Ok(vec![line.beside(COPY, pair.limit).target(Target::RatioAtLeast(0.85)).cost(cost)])
}

async fn drain(bench: &Bench, plan: &Plan, dataset: &Dataset) -> Result<(Vec<RowsSeen>, Cost)> {
    let mut world = World::start(&bench.servers, plan).await?;
    world.stop_service(ServiceName::Writer).await;
    world.replay(&bench.servers, &dataset.file).await?;
    bench.servers.settle().await?;
    let mut progress = Progress::connect(&world.urls).await?;
    let before = bench.used(&world);
    let ((), seen) = tokio::try_join!(
        world.add_service(&bench.servers, ServiceName::Writer, &[]),
        progress.wait_for(Until::Stored(dataset.rows))
    )?;
    let cost = bench.used(&world) - before;
    world.end(&bench.servers).await?;
    Ok((seen, cost))
}

/// The rate from the first commit that was seen to the last, without the rows of the first.
fn rows_per_second(seen: &[RowsSeen]) -> Option<f64> {
    let first = seen.iter().find(|seen| seen.rows > 0)?;
    let last = seen.last().filter(|last| last.rows > first.rows)?;
    Some((last.rows - first.rows) as f64 / (last.at - first.at).as_secs_f64())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn neither_the_start_of_the_writer_nor_the_rows_before_the_clock_count() {
        let begin = Instant::now();
        let seen = |ms: u64, rows| RowsSeen { at: begin + Duration::from_millis(ms), rows };
        let all = [seen(0, 0), seen(900, 0), seen(1000, 50), seen(1500, 100), seen(2000, 250)];
        assert_eq!(rows_per_second(&all), Some(200.0));
        assert_eq!(rows_per_second(&all[..3]), None);
    }
}
