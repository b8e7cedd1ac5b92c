//! A page of everybody's orders over many partitions, beside the slowest shard's own statement by pgbench.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::Recipe;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::pgbench::{self, Script, orders_at_position};
use crate::load::requests::{Gets, Paths};
use crate::load::{Arrivals, drive};
use crate::rows::reads::world;
use crate::rows::writes::post::span;
use crate::usage::Cost;

/// A million on each shard.
const ORDERS: u64 = 3_000_000;
const DAYS: u32 = 400;

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = Recipe { orders: ORDERS, customers: 30_000, days: DAYS, all_lanes: false, seed: 1 };
    let world = world(bench, recipe).await?;
    let (script, span) = (script(), span(bench));
    let (mut offset, mut cost) = (0, Cost::default());
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        if side == Side::Limit {
            let mut slowest: f64 = 0.0;
            for url in &world.urls {
                let lasts = span.lasts / 2;
                slowest = slowest.max(pgbench::run(&bench.servers, url, &script, 1, lasts).await?.mean_ms);
            }
            return Ok(slowest);
        }
        offset += 100_000;
        let begin = offset;
        let pages: Paths = Arc::new(move |number| path(begin + number));
        let client = Gets::from(world.port(ServiceName::Query), 1, &pages, &["miss"]).await?;
        let (outcome, took) = bench.metered(&world, drive(client, Arrivals::Closed, span)).await?;
        cost += took;
        Ok(outcome.mean_ms())
    });
    let pair = pair.await?;
    world.end(&bench.servers).await?;
    let what = "page of 100 of a time range, 3 shards, a million orders each, 400 daily partitions, one client, mean";
    let line = Line::new("page", what, Unit::Milliseconds, pair.value);
    let line = line.beside("the range as one statement on the slowest shard by pgbench, mean", pair.limit);
    Ok(vec![line.target(Target::RatioAtMost(2.0)).cost(cost)])
}

/// Each request begins a microsecond later, so that no cache has its answer.
fn path(number: u64) -> String {
    format!("/v1/orders?from=2025-06-01T00:00:00.{:06}Z&to=2025-06-20T00:00:00Z&limit=100", number % 1_000_000)
}

/// The range as one statement, for one order more than the page has.
fn script() -> Script {
    let statement = orders_at_position(
        "ordered_at >= '2025-06-01 +00' and ordered_at < '2025-06-20 +00' \
         order by ordered_at desc, order_id desc, customer_id desc limit :rows",
    );
    Script { text: statement, texts: BTreeMap::from([("rows", "101".to_owned())]), ..Script::default() }
}
