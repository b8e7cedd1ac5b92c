//! Whether everything that came as small frames is stored, by `verify --full`, beside COPY into staging and a join of the same rows.

use std::time::Instant;

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::compare;
use crate::load::frames;
use crate::progress::{Progress, Until};
use crate::rows::writes::replay::recipe;
use crate::usage::Cost;
use crate::world::World;

const BESIDE: &str = "COPY into staging and a join with what is stored, three sessions";

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, false);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let world = World::start(&bench.servers, &plan).await?;
    let published = frames::publish(&world.log(&bench.servers).await?, &dataset).await?;
    Progress::connect(&world.urls).await?.wait_for(Until::Stored(dataset.rows)).await?;
    bench.servers.settle().await?;
    let mut cost = Cost::default();
    let pair = in_turns(bench.scale.rounds, async |side| {
        if side == Side::Limit {
            return compare::stored(&world.urls, &dataset).await;
        }
        let begin = Instant::now();
        let (report, took) = bench.metered(&world, world.command(&bench.servers, &["verify", "--full"])).await?;
        let seconds = begin.elapsed().as_secs_f64();
        cost += took;
        let compared: u64 =
            report["lanes"].as_array().into_iter().flatten().filter_map(|lane| lane["frames_compared"].as_u64()).sum();
        ensure!(compared == published, "{compared} of {published} frames were compared");
        ensure!(report["orders_checked"] == recipe.orders, "{} orders were checked", report["orders_checked"]);
        Ok(recipe.orders as f64 / seconds)
    });
    let pair = pair.await?;
    world.end(&bench.servers).await?;
    let what = format!("verify --full of {} orders, lane orders only, that came in {published} frames", recipe.orders);
    let line = Line::new("verify", what, Unit::OrdersPerSecond, pair.value).beside(BESIDE, pair.limit);
    Ok(vec![line.target(Target::AtLeast(50_000.0)).cost(cost)])
}
