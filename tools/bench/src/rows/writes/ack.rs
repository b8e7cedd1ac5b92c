//! Single orders over one connection, one at a time, beside one synced publish of the same size by a bare NATS client.

use anyhow::Result;
use forebay_model::Lane;
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::publish;
use crate::load::requests::{Orders, Posts};
use crate::load::{Arrivals, drive};
use crate::progress::Progress;
use crate::rows::writes::post::span;
use crate::rows::writes::replay::recipe_of_a_day;
use crate::world::World;

const BESIDE: &str = "one synced JetStream publish of that size";

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let all = "acknowledgement with client id and seller view, one connection, one order at a time, p50";
    let orders = "acknowledgement, lane orders only, one connection, one order at a time, p50";
    let all = line(bench, all, true).await?;
    Ok(vec![line(bench, orders, false).await?, all])
}

async fn line(bench: &mut Bench, what: &str, all_lanes: bool) -> Result<Line> {
    let recipe = recipe_of_a_day(bench, all_lanes);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let (orders, bytes, span) = (Orders::new(dataset.lines()?), tuple_bytes(&dataset), span(bench));
    let world = World::start(&bench.servers, &plan).await?;
    let mut last = None;
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        if side == Side::Limit {
            return publish::median_ms(&bench.servers, bytes, span.warm_up, span.lasts).await;
        }
        let client = Posts::to(world.port(ServiceName::Ingest), 1, &orders).await?;
        let outcome = drive(client, Arrivals::Closed, span).await?;
        Progress::connect(&world.urls).await?.wait_until_drained().await?;
        Ok(last.insert(outcome).quantile_ms(0.5))
    });
    let pair = pair.await?;
    world.end(&bench.servers).await?;
    if let Some(last) = &last {
        let name = if all_lanes { "one connection, all lanes" } else { "one connection, lane orders only" };
        bench.charts.latency(name, last);
    }
    let line = Line::new("ack", what, Unit::Milliseconds, pair.value).beside(BESIDE, pair.limit);
    Ok(line.target(Target::RatioAtMost(1.4)).note(format!("{bytes} bytes")))
}

/// The mean size of an order in the log.
fn tuple_bytes(dataset: &Dataset) -> usize {
    let batches = || dataset.shards.iter().flatten().filter(|batch| batch.lane == Lane::Orders);
    let rows: u64 = batches().map(|batch| batch.rows).sum();
    batches().map(|batch| batch.tuples.len()).sum::<usize>() / (rows.max(1) as usize)
}
