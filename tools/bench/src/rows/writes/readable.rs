//! From the time that an order was to be posted to the answer that has it in the customer's list, at half of the rate that
//! can be posted at most.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use forebay_api::AcceptedOrder;
use forebay_stack::ServiceName;
use hdrhistogram::Histogram;
use tokio::time::Instant;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::figure::line::{Line, Target, Unit};
use crate::load::requests::Orders;
use crate::load::{Arrivals, Client, Connection, drive, histogram};
use crate::progress::Progress;
use crate::rows::writes::post::{CONNECTIONS, posts, span};
use crate::rows::writes::replay::recipe_of_a_day;
use crate::world::World;

/// Of so many orders one is looked for: reading all of them would be another load.
const EVERY: u64 = 20;

/// Posts orders, and looks for some of them.
struct Looker {
    ingest: Connection,
    query: Connection,
    orders: Orders,
    readable_us: Arc<Mutex<Histogram<u64>>>,
}

impl Client for Looker {
    async fn once(&mut self, number: u64, begun: Instant) -> Result<()> {
        let answer = self.ingest.post("/v1/orders", self.orders.next()).await?;
        ensure!(answer.status == 202, "an order was answered with {}: {:?}", answer.status, answer.body);
        if !number.is_multiple_of(EVERY) {
            return Ok(());
        }
        let AcceptedOrder { order_id, customer_id, receipt, .. } = serde_json::from_slice(&answer.body)?;
        // The order is one of the customer's, who has a hundred of them.
        let path = format!("/v1/customers/{customer_id}/orders?limit=1000&wait_ms=30000&after={receipt}");
        let answer = self.query.get(&path).await?;
        ensure!(answer.status == 200, "{path} was answered with {}: {:?}", answer.status, answer.body);
        let text = String::from_utf8_lossy(&answer.body);
        ensure!(text.contains(&order_id), "{path} was answered without the order {order_id}");
        let took = begun.elapsed().as_micros();
        let mut readable_us = self.readable_us.lock().unwrap_or_else(PoisonError::into_inner);
        readable_us.saturating_record(u64::try_from(took).unwrap_or(u64::MAX));
        Ok(())
    }
}

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe_of_a_day(bench, true);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let orders = Orders::new(dataset.lines()?);
    let world = World::start(&bench.servers, &plan).await?;
    let most = posts(bench, world.port(ServiceName::Ingest), &orders, Arrivals::Closed).await?.per_second;
    Progress::connect(&world.urls).await?.wait_until_drained().await?;
    let mut p99 = Figure::default();
    let mut p50 = Figure::default();
    for _ in 0..bench.scale.short_rounds {
        let readable = look(bench, &world, &orders, most / 2.0).await?;
        p99.push(readable.value_at_quantile(0.99) as f64 / 1000.0);
        p50.push(readable.value_at_quantile(0.5) as f64 / 1000.0);
    }
    world.end(&bench.servers).await?;
    let what =
        format!("posted to readable by customer, at half the maximum rate ({:.0}/s), open loop, p99", most / 2.0);
    let line = Line::new("readable", what, Unit::Milliseconds, p99).target(Target::AtMost(250.0));
    Ok(vec![line.note(format!("p50 {:.1} ms", p50.median()))])
}

async fn look(bench: &Bench, world: &World, orders: &Orders, rate: f64) -> Result<Histogram<u64>> {
    let readable_us = Arc::new(Mutex::new(histogram()?));
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let (ingest, query) = (
            Connection::open(world.port(ServiceName::Ingest)).await?,
            Connection::open(world.port(ServiceName::Query)).await?,
        );
        clients.push(Looker { ingest, query, orders: orders.clone(), readable_us: Arc::clone(&readable_us) });
    }
    drive(clients, Arrivals::Open(rate), span(bench)).await?;
    let readable_us = Arc::into_inner(readable_us).context("a client is left")?;
    Ok(readable_us.into_inner().unwrap_or_else(PoisonError::into_inner))
}
