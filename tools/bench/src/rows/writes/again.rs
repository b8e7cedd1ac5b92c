//! A file for the second time: every row is a duplicate.

use anyhow::{Result, ensure};

use crate::bench::Bench;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::Pair;
use crate::progress::Progress;
use crate::rows::writes::replay::{recipe, replay, replay_again};
use crate::usage::Cost;
use crate::world::World;

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let (mut pair, mut cost) = (Pair::default(), Cost::default());
    for _ in 0..bench.scale.rounds - 1 {
        let world = World::start(&bench.servers, &plan).await?;
        pair.limit.push(replay(bench, &world, &dataset).await?.per_second);
        bench.servers.settle().await?;
        let second = replay_again(bench, &world, &dataset).await?;
        pair.value.push(second.per_second);
        cost += second.cost;
        let stored = Progress::connect(&world.urls).await?.stored().await?;
        ensure!(stored == dataset.rows, "{stored} rows are stored instead of {}", dataset.rows);
        world.end(&bench.servers).await?;
    }
    let what = format!("a file of {} orders replayed a second time, all lanes", recipe.orders);
    let line = Line::new("again", what, Unit::OrdersPerSecond, pair.value);
    let line = line.beside("the first time", pair.limit).target(Target::RatioAtLeast(0.5));
    Ok(vec![line.cost(cost).note("the first time always comes first")])
}
