//! The memory of each service while a file is stored, single orders are posted, customers are read, and everything is
//! exported.

use std::sync::Arc;

use anyhow::{Context, Result};
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::{Dataset, Recipe};
use crate::figure::Figure;
use crate::figure::line::{Line, Target, Unit};
use crate::load::requests::{Gets, Orders, Paths};
use crate::load::{Arrivals, Span, drive};
use crate::rows::reads::export::export;
use crate::rows::reads::{customers_of_shard_0, world};
use crate::rows::writes::post::{posts, span};
use crate::rows::writes::replay::recipe;
use crate::usage::peak_megabytes;

const MOST_MEGABYTES: f64 = 128.0;
const READERS: usize = 32;

pub(super) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let world = world(bench, recipe).await?;
    let other = Dataset::make(Recipe { seed: 3, ..recipe }, bench.servers.path("memory.ndjson"))?;
    let customers = customers_of_shard_0(recipe)?;
    let lists: Paths = Arc::new(move |number| {
        let customer = &customers[number as usize % customers.len()];
        format!("/v1/customers/{customer}/orders?limit=1000")
    });
    let readers = Gets::from(world.port(ServiceName::Query), READERS, &lists, &[]).await?;
    let Span { warm_up, lasts } = span(bench);
    let reads = drive(readers, Arrivals::Closed, Span { warm_up, lasts: lasts * 2 });
    let orders = Orders::new(other.lines()?);
    let singles = posts(bench, world.port(ServiceName::Ingest), &orders, Arrivals::Closed);
    tokio::try_join!(
        world.replay(&bench.servers, &other.file),
        reads,
        singles,
        export(world.port(ServiceName::Query))
    )?;
    let mut lines = Vec::new();
    for (service, process) in world.processes() {
        let peak = process.pid().and_then(peak_megabytes).with_context(|| format!("{service} is gone"))?;
        let what = format!("resident memory under full load: {service}");
        let line = Line::new("memory", what, Unit::Megabytes, Figure::from_iter([peak]));
        lines.push(line.target(Target::AtMost(MOST_MEGABYTES)));
    }
    world.end(&bench.servers).await?;
    Ok(lines)
}
