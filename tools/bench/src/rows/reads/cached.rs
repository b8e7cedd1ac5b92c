//! A customer's list from memory and from Redis, beside the same server answering a constant of that size.

use std::sync::Arc;

use anyhow::Result;
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::process;
use crate::load::requests::{Gets, Paths};
use crate::load::{Arrivals, Connection, drive};
use crate::rows::reads::{ask_until, customers_of_shard_0, world};
use crate::rows::writes::post::{CONNECTIONS, span};
use crate::rows::writes::replay::recipe;
use crate::usage::Cost;
use crate::world::World;

const ROW: &str = "cached";
/// How many customers are asked for in turn.
const CUSTOMERS: usize = 200;

/// A kind of answer that is measured.
struct Kind {
    what: &'static str,
    /// What the first answers, one after the other, must come from.
    cache: &'static str,
    /// What later ones may come from: where many ask for the same, some share an answer.
    caches: &'static [&'static str],
    least: f64,
}

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let mut world = world(bench, recipe).await?;
    let customers = customers_of_shard_0(recipe)?;
    let paths: Vec<String> = customers.iter().take(CUSTOMERS).map(|id| format!("/v1/customers/{id}/orders")).collect();
    let memory = Kind { what: "customer read (50 orders), in memory", cache: "l1", caches: &["l1"], least: 0.7 };
    let memory = line(bench, &world, &paths, &memory).await?;
    // A process that keeps nothing itself finds everything in Redis.
    world.add_service(&bench.servers, ServiceName::Query, &[("FOREBAY_CACHE_BYTES", "0")]).await?;
    let redis =
        Kind { what: "customer read (50 orders), in Redis", cache: "redis", caches: &["redis", "l1"], least: 0.35 };
    let redis = line(bench, &world, &paths, &redis).await?;
    world.stop_last(ServiceName::Query).await;
    bench.keep(recipe, world).await?;
    Ok(vec![memory, redis])
}

async fn line(bench: &Bench, world: &World, paths: &[String], kind: &Kind) -> Result<Line> {
    let mut connection = Connection::open(world.port(ServiceName::Query)).await?;
    let mut bytes = 0;
    for path in paths {
        bytes += ask_until(&mut connection, path, kind.cache).await?.body.len();
    }
    let bytes = bytes / paths.len();
    let (constant, constant_port) = process::constant(&bench.servers, bytes).await?;
    let paths = paths.to_vec();
    let lists: Paths = Arc::new(move |number| paths[number as usize % paths.len()].clone());
    let same: Paths = Arc::new(|_| "/constant".to_owned());
    let mut cost = Cost::default();
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        if side == Side::Limit {
            let clients = Gets::from(constant_port, CONNECTIONS, &same, &[]).await?;
            return Ok(drive(clients, Arrivals::Closed, span(bench)).await?.per_second);
        }
        let clients = Gets::from(world.port(ServiceName::Query), CONNECTIONS, &lists, kind.caches).await?;
        let (outcome, took) = bench.metered(world, drive(clients, Arrivals::Closed, span(bench))).await?;
        cost += took;
        Ok(outcome.per_second)
    });
    let pair = pair.await?;
    constant.stop().await;
    let line =
        Line::new(ROW, kind.what, Unit::RequestsPerSecond, pair.value).beside("a constant of that size", pair.limit);
    Ok(line.target(Target::RatioAtLeast(kind.least)).cost(cost).note(format!("{bytes} bytes")))
}
