//! A customer's list where things have happened to each order, beside the same list of orders as they were placed.

use std::collections::HashSet;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::{Recipe, field};
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::load::requests::{Gets, Paths};
use crate::load::{Arrivals, Connection, drive};
use crate::progress::{Progress, execute};
use crate::rows::reads::{ask_until, customers_of_shard_0, uncached, world};
use crate::rows::writes::post::{CONNECTIONS, span};
use crate::rows::writes::replay::{recipe, replay};
use crate::usage::Cost;
use crate::world::World;

const ROW: &str = "status";
/// How many customers are asked for in turn.
const CUSTOMERS: usize = 200;
const TARGET: Target = Target::RatioAtLeast(0.8);

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let mut customers = customers_of_shard_0(recipe)?;
    customers.truncate(CUSTOMERS);
    let ids: HashSet<String> = customers.iter().map(ToString::to_string).collect();
    let placed = world(bench, recipe).await?;
    let eventful = eventful(bench, recipe, &ids).await?;
    let worlds = [&eventful, &placed];

    let kept: Vec<String> = customers.iter().map(|id| format!("/v1/customers/{id}/orders")).collect();
    let mut bytes = [0, 0];
    for (world, bytes) in worlds.into_iter().zip(&mut bytes) {
        let mut connection = Connection::open(world.port(ServiceName::Query)).await?;
        for path in &kept {
            *bytes += ask_until(&mut connection, path, "l1").await?.body.len() / kept.len();
        }
    }
    let kept: Paths = Arc::new(move |number| kept[number as usize % kept.len()].clone());
    let what = "customer read (50 orders with what has become of them), in memory";
    let memory = line(bench, worlds, what, (CONNECTIONS, &["l1"]), &kept).await?;
    let fresh: Paths = Arc::new(move |number| uncached::path(&customers[number as usize % customers.len()], number));
    let what = "customer read (50 orders with what has become of them), not cached";
    let fresh = line(bench, worlds, what, (uncached::CONNECTIONS, &["miss"]), &fresh).await?;

    eventful.end(&bench.servers).await?;
    bench.keep(recipe, placed).await?;
    Ok(vec![memory.note(format!("{} bytes, and {}", bytes[0], bytes[1])), fresh])
}

/// Measures both worlds; each request of a kind has a number of its own, over all rounds.
async fn line(
    bench: &Bench,
    [eventful, placed]: [&World; 2],
    what: &str,
    (connections, caches): (usize, &'static [&'static str]),
    paths: &Paths,
) -> Result<Line> {
    let (mut cost, mut offset) = (Cost::default(), 0);
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        let world = if side == Side::Value { eventful } else { placed };
        offset += 100_000;
        let (paths, begin) = (Arc::clone(paths), offset);
        let paths: Paths = Arc::new(move |number| paths(begin + number));
        let clients = Gets::from(world.port(ServiceName::Query), connections, &paths, caches).await?;
        let (outcome, took) = bench.metered(world, drive(clients, Arrivals::Closed, span(bench))).await?;
        if side == Side::Value {
            cost += took;
        }
        Ok(outcome.per_second)
    });
    let pair = pair.await?;
    let line = Line::new(ROW, what, Unit::RequestsPerSecond, pair.value);
    Ok(line.beside("the same of orders without events", pair.limit).target(TARGET).cost(cost))
}

/// A world with these orders, and all events of those of some customers.
async fn eventful(bench: &mut Bench, recipe: Recipe, customers: &HashSet<String>) -> Result<World> {
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let is_theirs = |event: &[u8]| field(event, "customer_id").is_some_and(|customer| customers.contains(customer));
    let events = dataset.events(bench.servers.path("events.ndjson"), u64::MAX, is_theirs)?;
    let world = World::start(&bench.servers, &plan).await?;
    replay(bench, &world, &dataset).await?;
    world.replay_events(&bench.servers, &events.file).await?;
    Progress::connect(&world.urls).await?.wait_until_drained().await?;
    for url in &world.urls {
        execute(url, "vacuum (analyze) orders, order_time, order_index, order_views, order_events, view_events")
            .await?;
    }
    bench.servers.settle().await?;
    let customer = customers.iter().next().context("no customer has orders on shard 0")?;
    let mut connection = Connection::open(world.port(ServiceName::Query)).await?;
    let answer = connection.get(&format!("/v1/customers/{customer}/orders")).await?;
    let text = String::from_utf8_lossy(&answer.body);
    ensure!(text.contains("\"status\":\"delivered\""), "nothing has happened to the orders of {customer}: {text}");
    Ok(world)
}
