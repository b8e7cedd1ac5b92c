//! A file to 1, 3, 6 and 12 shards: databases on the same three servers, on the same cores.

use anyhow::Result;

use crate::bench::Bench;
use crate::dataset::Recipe;
use crate::figure::Figure;
use crate::figure::line::{Line, Target, Unit};
use crate::rows::writes::replay::{recipe, replay};
use crate::usage::Cost;
use crate::world::{Plan, World};

const SHARDS: [usize; 4] = [1, 3, 6, 12];
const ROUNDS: usize = 2;

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    // Eight times a file: a shorter one will do.
    let whole = recipe(bench, true);
    let recipe = Recipe { orders: whole.orders / 3, ..whole };
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let cores = std::thread::available_parallelism()?.get() as f64;
    let mut figures = SHARDS.map(|_| (Figure::default(), Cost::default()));
    for round in 0..ROUNDS {
        let mut turn: Vec<usize> = (0..SHARDS.len()).collect();
        if round % 2 == 1 {
            turn.reverse();
        }
        for place in turn {
            let world = World::start(&bench.servers, &Plan { shards: SHARDS[place], ..plan.clone() }).await?;
            let replayed = replay(bench, &world, &dataset).await?;
            world.end(&bench.servers).await?;
            figures[place].0.push(replayed.per_second / cores);
            figures[place].1 += replayed.cost;
        }
    }
    let [(one, _), more @ ..] = figures;
    let lines = SHARDS[1..].iter().zip(more).map(|(shards, (value, cost))| {
        let what = format!("orders a second and core, {shards} shards on the same three servers, all lanes");
        let line = Line::new("shards", what, Unit::OrdersPerSecond, value).beside("1 shard", one.clone()).cost(cost);
        if *shards == 12 { line.target(Target::RatioAtLeast(0.8)) } else { line }
    });
    Ok(lines.collect())
}
