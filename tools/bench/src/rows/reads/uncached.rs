//! A customer's list that no cache has, beside the same statement, prepared, by pgbench on that shard.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;

use anyhow::Result;
use forebay_model::{CustomerId, Tenant};
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::pgbench::{self, Script, orders_at_position};
use crate::load::requests::{Gets, Paths};
use crate::load::{Arrivals, drive};
use crate::rows::reads::{END, customers_of_shard_0, map, world};
use crate::rows::writes::post::span;
use crate::rows::writes::replay::recipe;
use crate::usage::Cost;

/// As many as the query service has connections to a shard.
pub(super) const CONNECTIONS: usize = 8;
/// How many customers are asked for in turn; pgbench finds each by comparing, so they must be few.
const CUSTOMERS: usize = 32;

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let world = world(bench, recipe).await?;
    let mut customers = customers_of_shard_0(recipe)?;
    customers.truncate(CUSTOMERS);
    let script = script(&customers)?;
    let lists: Paths = Arc::new(move |number| path(&customers[number as usize % customers.len()], number));
    let mut cost = Cost::default();
    let (mut offset, span) = (0, span(bench));
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        if side == Side::Limit {
            let lasts = span.warm_up + span.lasts;
            return Ok(pgbench::run(&bench.servers, &world.urls[0], &script, CONNECTIONS, lasts).await?.per_second);
        }
        offset += 100_000;
        let (lists, begin) = (Arc::clone(&lists), offset);
        let fresh: Paths = Arc::new(move |number| lists(begin + number));
        let clients = Gets::from(world.port(ServiceName::Query), CONNECTIONS, &fresh, &["miss"]).await?;
        let (outcome, took) = bench.metered(&world, drive(clients, Arrivals::Closed, span)).await?;
        cost += took;
        Ok(outcome.per_second)
    });
    let pair = pair.await?;
    bench.keep(recipe, world).await?;
    let line = Line::new("uncached", "customer read (50 orders), not cached", Unit::RequestsPerSecond, pair.value);
    let line = line.beside("the same prepared SQL by pgbench on that shard", pair.limit);
    Ok(vec![line.target(Target::RatioAtLeast(0.55)).cost(cost)])
}

/// Each request has another end, a microsecond later, so that no cache has its answer.
pub(super) fn path(customer: &CustomerId, number: u64) -> String {
    format!("/v1/customers/{customer}/orders?to={END}T00:00:00.{:06}Z", number % 1_000_000)
}

/// Takes one of the customers by chance, and asks what the service asks: one order more than a page has.
fn script(customers: &[CustomerId]) -> Result<Script> {
    let map = map()?;
    let mut commands = format!("\\set n random(0, {})\n", customers.len() - 1);
    for (place, customer) in customers.iter().enumerate() {
        let when = if place == 0 { "if" } else { "elif" };
        let bucket = map.bucket_of(Tenant::none(), customer).number();
        // Writing into a String cannot fail.
        let _ = writeln!(commands, "\\{when} :n = {place}\n\\set bucket {bucket}\n\\set customer {customer}");
    }
    commands.push_str("\\endif\n");
    commands += &orders_at_position(
        "ordered_at < '2026-01-01 +00' and (ordered_at, order_id) < (:end, '') \
         and bucket = :bucket and tenant = '' and customer_id = :customer order by ordered_at desc, order_id desc limit :rows",
    );
    let rows = ("rows", "51".to_owned());
    let texts = BTreeMap::from([("end", format!("{END} +00")), rows]);
    Ok(Script { text: commands, texts, ..Script::default() })
}
