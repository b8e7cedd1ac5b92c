//! What happens to orders, by the file and one by one, beside orders sent in the same way to the same shards.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use forebay_api::Stats;
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::Recipe;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Pair, Side, in_turns};
use crate::load::requests::{Orders, Posts};
use crate::load::{Arrivals, Connection, drive};
use crate::progress::number;
use crate::rows::writes::post::{CONNECTIONS, span};
use crate::rows::writes::replay::{recipe, recipe_of_a_day, replay};
use crate::usage::Cost;
use crate::world::World;

const ROW: &str = "events";
/// As many events as orders: one in N of those that orders have.
const ONE_IN: usize = 5;
/// So often it is waited for twenty seconds.
const WAITS_MAX: u32 = 30;
const TARGET: Target = Target::RatioAtLeast(0.8);

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    Ok(vec![by_file(bench).await?, one_by_one(bench).await?])
}

async fn by_file(bench: &mut Bench) -> Result<Line> {
    let recipe = recipe(bench, true);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let mut place = 0;
    let is_chosen = |_: &[u8]| {
        place += 1;
        place % ONE_IN == 0
    };
    let events = dataset.events(bench.servers.path("events.ndjson"), recipe.orders, is_chosen)?;
    let (mut pair, mut cost) = (Pair::default(), Cost::default());
    for _ in 0..bench.scale.rounds {
        let world = World::start(&bench.servers, &plan).await?;
        pair.limit.push(replay(bench, &world, &dataset).await?.per_second);
        bench.servers.settle().await?;
        let begun = Instant::now();
        let sent = async {
            world.replay_events(&bench.servers, &events.file).await?;
            drained(&world).await
        };
        let (end, took) = bench.metered(&world, sent).await?;
        pair.value.push(events.lines as f64 / (end - begun).as_secs_f64());
        cost += took;
        ensure!(stored(&world).await? == events.lines, "not every event is stored");
        world.end(&bench.servers).await?;
    }
    let what = format!("{} events by replay to committed rows, of as many orders, all lanes", events.lines);
    let line = Line::new(ROW, what, Unit::RowsPerSecond, pair.value);
    let line = line.beside("their orders by replay", pair.limit).target(TARGET);
    Ok(line.cost(cost).note("their orders always come first"))
}

async fn one_by_one(bench: &mut Bench) -> Result<Line> {
    let recipe = recipe_of_a_day(bench, true);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let events = dataset.events(bench.servers.path("events-of-a-day.ndjson"), u64::MAX, |_| true)?;
    let events = Orders::new(events.read()?);
    let others = bench.dataset(Recipe { seed: 2, ..recipe })?;
    let orders = Orders::new(others.lines()?);
    let world = World::start(&bench.servers, &plan).await?;
    replay(bench, &world, &dataset).await?;
    bench.servers.settle().await?;
    let port = world.port(ServiceName::Ingest);
    let mut cost = Cost::default();
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        let clients = match side {
            Side::Value => Posts::of_events(port, CONNECTIONS, &events).await?,
            Side::Limit => Posts::to(port, CONNECTIONS, &orders).await?,
        };
        let (outcome, took) = bench.metered(&world, drive(clients, Arrivals::Closed, span(bench))).await?;
        drained(&world).await?;
        if side == Side::Value {
            cost += took;
        }
        Ok(outcome.per_second)
    });
    let pair = pair.await?;
    world.end(&bench.servers).await?;
    let what = format!("single POST of events of stored orders, all lanes, {CONNECTIONS} connections, closed loop");
    let line = Line::new(ROW, what, Unit::RequestsPerSecond, pair.value);
    Ok(line.beside("single orders, all lanes", pair.limit).target(TARGET).cost(cost))
}

/// Waits until all that is logged is stored, and what follows from it, and gives when that was seen.
async fn drained(world: &World) -> Result<Instant> {
    let mut connection = Connection::open(world.port(ServiceName::Query)).await?;
    for _ in 0..WAITS_MAX {
        let answer = connection.get("/v1/stats?wait_ms=20000").await?;
        let stats: Stats = serde_json::from_slice(&answer.body)?;
        if stats.drained {
            return Ok(Instant::now());
        }
    }
    bail!("it is not drained after {WAITS_MAX} times twenty seconds")
}

/// How many events are stored.
async fn stored(world: &World) -> Result<u64> {
    let mut sum = 0;
    for url in &world.urls {
        sum += u64::try_from(number(url, "select count(*) from order_events").await?)?;
    }
    Ok(sum)
}
