//! Single orders, one by one over many connections: in all lanes beside lane `orders` only and beside plain inserts, and lane
//! `orders` only beside the same HTTP, checks and answer without the log.

use anyhow::Result;
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::dataset::Recipe;
use crate::figure::Figure;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::{pgbench, process};
use crate::load::requests::{Orders, Posts};
use crate::load::{Arrivals, Outcome, Span, drive};
use crate::progress::Progress;
use crate::rows::writes::replay::recipe_of_a_day;
use crate::usage::Cost;
use crate::world::{World, databases, drop_databases, url};

const ROW: &str = "post";
pub(crate) const CONNECTIONS: usize = 64;
/// As many as there are where every order comes from somebody else.
const MANY_CONNECTIONS: usize = 1024;
/// Enough that the log is never idle.
const BUSY_CONNECTIONS: usize = 256;

/// A world, and the orders that are posted to it.
struct Posting {
    world: World,
    orders: Orders,
    /// Databases as the world's were in the beginning.
    template: String,
}

/// What came of posting to a place, over all rounds.
#[derive(Default)]
struct Posted {
    cost: Cost,
    p99: Figure,
    last: Option<Outcome>,
}

/// How long a row asks.
pub(crate) fn span(bench: &Bench) -> Span {
    Span { warm_up: bench.scale.warm_up(), lasts: bench.scale.lasts }
}

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let (all, orders_only) = (Posting::new(bench, true).await?, Posting::new(bench, false).await?);
    let mut lines = beside_orders_only(bench, &all, &orders_only, CONNECTIONS).await?;
    lines.push(beside_inserts(bench, &all).await?);
    lines.extend(beside_orders_only(bench, &all, &orders_only, MANY_CONNECTIONS).await?);
    lines.extend(beside_no_log(bench, &orders_only).await?);
    for place in [all, orders_only] {
        place.world.end(&bench.servers).await?;
    }
    Ok(lines)
}

/// All lanes, beside lane `orders` only over as many connections.
async fn beside_orders_only(
    bench: &mut Bench,
    all: &Posting,
    orders_only: &Posting,
    connections: usize,
) -> Result<Vec<Line>> {
    let mut posted = Posted::default();
    let pair = in_turns(bench.scale.short_rounds, async |side| match side {
        Side::Limit => orders_only.post(bench, connections, &mut Posted::default()).await,
        Side::Value => all.post(bench, connections, &mut posted).await,
    });
    let pair = pair.await?;
    if let Some(last) = &posted.last {
        bench.charts.latency(&format!("{connections} connections, all lanes, as fast as they can"), last);
    }
    let what = format!("single POST /v1/orders, all lanes, {connections} connections, closed loop");
    let half = pair.value.median() / 2.0;
    let rate = Line::new(ROW, what, Unit::RequestsPerSecond, pair.value);
    let rate = rate.beside("lane orders only", pair.limit).target(Target::RatioAtLeast(0.75)).cost(posted.cost);
    if connections != CONNECTIONS {
        return Ok(vec![rate]);
    }
    let p99 = Line::new(ROW, "all lanes: its 99th percentile", Unit::Milliseconds, posted.p99);
    let open = posts(bench, all.world.port(ServiceName::Ingest), &all.orders, Arrivals::Open(half)).await?;
    all.drained().await?;
    bench.charts.latency("all lanes, at half that rate, open loop", &open);
    let what = format!("all lanes: 99th percentile at half that rate ({half:.0}/s), open loop");
    let open = Line::new(ROW, what, Unit::Milliseconds, Figure::from_iter([open.quantile_ms(0.99)]));
    Ok(vec![rate, p99.target(Target::AtMost(20.0)), open])
}

/// All lanes, beside somebody who inserts the orders into one table of a single server.
async fn beside_inserts(bench: &Bench, all: &Posting) -> Result<Line> {
    let servers = &bench.servers;
    let copies = databases(servers, &servers.new_name(), &all.template, 1).await?;
    let (script, plain) = (pgbench::inserts(), url(servers, copies[0].0, &copies[0].1));
    let mut posted = Posted::default();
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        if side == Side::Value {
            return all.post(bench, CONNECTIONS, &mut posted).await;
        }
        let Span { warm_up, lasts } = span(bench);
        let measured = pgbench::run(servers, &plain, &script, CONNECTIONS, warm_up + lasts).await?;
        servers.settle().await?;
        Ok(measured.per_second)
    });
    let pair = pair.await?;
    drop_databases(servers, &copies).await?;
    let what = format!("single POST /v1/orders, all lanes, {CONNECTIONS} connections");
    let line = Line::new(ROW, what, Unit::RequestsPerSecond, pair.value);
    let beside = "prepared inserts of such orders into one Postgres by pgbench, 64 clients";
    Ok(line.beside(beside, pair.limit).target(Target::RatioAtLeast(1.2)))
}

/// Lane `orders` only, beside a service that does all but wait for the log.
async fn beside_no_log(bench: &mut Bench, orders_only: &Posting) -> Result<Vec<Line>> {
    let (accepting, without_log) = process::accepting(&bench.servers).await?;
    let mut lines = Vec::new();
    for (connections, target) in [(CONNECTIONS, Target::None), (BUSY_CONNECTIONS, Target::RatioAtLeast(0.45))] {
        let mut posted = Posted::default();
        let pair = in_turns(bench.scale.short_rounds, async |side| {
            if side == Side::Value {
                return orders_only.post(bench, connections, &mut posted).await;
            }
            let clients = Posts::to(without_log, connections, &orders_only.orders).await?;
            Ok(drive(clients, Arrivals::Closed, span(bench)).await?.per_second)
        });
        let pair = pair.await?;
        let what = format!("single POST /v1/orders, lane orders only, {connections} connections, closed loop");
        let line = Line::new(ROW, what, Unit::RequestsPerSecond, pair.value).cost(posted.cost);
        lines.push(line.beside("the same answer without the log", pair.limit).target(target));
    }
    accepting.stop().await;
    Ok(lines)
}

impl Posting {
    async fn new(bench: &mut Bench, all_lanes: bool) -> Result<Self> {
        let recipe: Recipe = recipe_of_a_day(bench, all_lanes);
        let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
        let orders = Orders::new(dataset.lines()?);
        Ok(Self { world: World::start(&bench.servers, &plan).await?, orders, template: plan.template })
    }

    /// Posts for some time, waits until all of it is stored, and gives how many a second were accepted.
    async fn post(&self, bench: &Bench, connections: usize, posted: &mut Posted) -> Result<f64> {
        let clients = Posts::to(self.world.port(ServiceName::Ingest), connections, &self.orders).await?;
        let asked = drive(clients, Arrivals::Closed, span(bench));
        let (outcome, took) = bench.metered(&self.world, asked).await?;
        self.drained().await?;
        posted.cost += took;
        posted.p99.push(outcome.quantile_ms(0.99));
        Ok(posted.last.insert(outcome).per_second)
    }

    async fn drained(&self) -> Result<()> {
        Progress::connect(&self.world.urls).await?.wait_until_drained().await
    }
}

pub(crate) async fn posts(bench: &Bench, port: u16, orders: &Orders, arrivals: Arrivals) -> Result<Outcome> {
    drive(Posts::to(port, CONNECTIONS, orders).await?, arrivals, span(bench)).await
}
