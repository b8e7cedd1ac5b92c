//! From the time that an order was to be posted to the answer that has it in the customer's list, or in a seller's, at half of the
//! rate that can be posted at most.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use forebay_api::AcceptedOrder;
use forebay_model::Timestamp;
use forebay_stack::ServiceName;
use hdrhistogram::Histogram;
use serde_json::Value;
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

/// One order in N is looked for: reading all of them would be another load.
const EVERY: u64 = 20;

/// Whose list an order is looked for in.
#[derive(Clone, Copy, Debug)]
enum Reader {
    Customer,
    Seller,
}

/// Posts orders, and looks for some of them.
struct Looker {
    reader: Reader,
    ingest: Connection,
    query: Connection,
    orders: Orders,
    readable_us: Arc<Mutex<Histogram<u64>>>,
}

impl Reader {
    /// The list, as long as it has to be to hold the order: a customer has a hundred orders, a seller those of that time.
    fn path(self, order: &[u8], accepted: &AcceptedOrder) -> Result<String> {
        let AcceptedOrder { customer_id, timestamp, receipt, .. } = accepted;
        let list = match self {
            Self::Customer => format!("/v1/customers/{customer_id}/orders?"),
            Self::Seller => {
                let order: Value = serde_json::from_slice(order)?;
                let seller = order["items"][0]["seller_id"].as_str().context("an order without a seller")?;
                let end = Timestamp::parse(timestamp)?.plus_us(1000);
                format!("/v1/sellers/{seller}/orders?from={timestamp}&to={end}&")
            }
        };
        Ok(format!("{list}limit=1000&wait_ms=30000&after={receipt}"))
    }
}

impl Client for Looker {
    async fn once(&mut self, number: u64, begun: Instant) -> Result<()> {
        let order = self.orders.next();
        let answer = self.ingest.post("/v1/orders", order.clone()).await?;
        ensure!(answer.status == 202, "an order was answered with {}: {:?}", answer.status, answer.body);
        if !number.is_multiple_of(EVERY) {
            return Ok(());
        }
        let accepted: AcceptedOrder = serde_json::from_slice(&answer.body)?;
        let path = self.reader.path(&order, &accepted)?;
        let answer = self.query.get(&path).await?;
        ensure!(answer.status == 200, "{path} was answered with {}: {:?}", answer.status, answer.body);
        let (text, id) = (String::from_utf8_lossy(&answer.body), &accepted.order_id);
        ensure!(text.contains(id), "{path} was answered without the order {id}");
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
    let rate = most / 2.0;
    let mut lines = Vec::new();
    for (reader, name, most_ms) in [(Reader::Customer, "customer", 150.0), (Reader::Seller, "seller", 250.0)] {
        let (mut p50, mut p99) = (Figure::default(), Figure::default());
        for _ in 0..bench.scale.short_rounds {
            let readable = look(bench, &world, &orders, reader, rate).await?;
            Progress::connect(&world.urls).await?.wait_until_drained().await?;
            p99.push(readable.value_at_quantile(0.99) as f64 / 1000.0);
            p50.push(readable.value_at_quantile(0.5) as f64 / 1000.0);
        }
        let what = format!("posted to readable by {name}, at half the maximum rate ({rate:.0}/s), open loop, p99");
        let line = Line::new("readable", what, Unit::Milliseconds, p99).target(Target::AtMost(most_ms));
        lines.push(line.note(format!("p50 {:.1} ms", p50.median())));
    }
    world.end(&bench.servers).await?;
    Ok(lines)
}

async fn look(bench: &Bench, world: &World, orders: &Orders, reader: Reader, rate: f64) -> Result<Histogram<u64>> {
    let readable_us = Arc::new(Mutex::new(histogram()?));
    let mut clients = Vec::new();
    for _ in 0..CONNECTIONS {
        let (ingest, query) = (
            Connection::open(world.port(ServiceName::Ingest)).await?,
            Connection::open(world.port(ServiceName::Query)).await?,
        );
        clients.push(Looker { reader, ingest, query, orders: orders.clone(), readable_us: Arc::clone(&readable_us) });
    }
    drive(clients, Arrivals::Open(rate), span(bench)).await?;
    let readable_us = Arc::into_inner(readable_us).context("a client is left")?;
    Ok(readable_us.into_inner().unwrap_or_else(PoisonError::into_inner))
}
