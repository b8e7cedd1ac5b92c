//! Single orders over 64 connections, beside the same HTTP, checks and answer without the log.

use anyhow::Result;
use forebay_stack::ServiceName;

use crate::bench::Bench;
use crate::figure::Figure;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::process;
use crate::load::requests::{Orders, Posts};
use crate::load::{Arrivals, Outcome, Span, drive};
use crate::progress::Progress;
use crate::rows::writes::replay::recipe_of_a_day;
use crate::usage::Cost;
use crate::world::World;

const ROW: &str = "post";
pub(crate) const CONNECTIONS: usize = 64;

/// How long a row asks.
pub(crate) fn span(bench: &Bench) -> Span {
    Span { warm_up: bench.scale.warm_up(), lasts: bench.scale.lasts }
}

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let mut lines = of_lanes(bench, false, "lane orders only").await?;
    lines.extend(of_lanes(bench, true, "all lanes").await?);
    Ok(lines)
}

async fn of_lanes(bench: &mut Bench, all_lanes: bool, lanes: &str) -> Result<Vec<Line>> {
    let recipe = recipe_of_a_day(bench, all_lanes);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let orders = Orders::new(dataset.lines()?);
    let world = World::start(&bench.servers, &plan).await?;
    let (accepting, without_log) = process::accepting(&bench.servers).await?;
    let (mut cost, mut p99, mut last) = (Cost::default(), Figure::default(), None);
    let pair = in_turns(bench.scale.short_rounds, async |side| {
        if side == Side::Limit {
            return Ok(posts(bench, without_log, &orders, Arrivals::Closed).await?.per_second);
        }
        let asked = posts(bench, world.port(ServiceName::Ingest), &orders, Arrivals::Closed);
        let (outcome, took) = bench.metered(&world, asked).await?;
        Progress::connect(&world.urls).await?.wait_until_drained().await?;
        cost += took;
        p99.push(outcome.quantile_ms(0.99));
        Ok(last.insert(outcome).per_second)
    });
    let pair = pair.await?;
    accepting.stop().await;
    let half = pair.value.median() / 2.0;
    let open = posts(bench, world.port(ServiceName::Ingest), &orders, Arrivals::Open(half)).await?;
    world.end(&bench.servers).await?;
    if let Some(last) = &last {
        bench.charts.latency(&format!("64 connections, {lanes}, as fast as they can"), last);
    }
    bench.charts.latency(&format!("{lanes}, at half that rate, open loop"), &open);
    let what = format!("single POST /v1/orders, {lanes}, 64 connections, closed loop");
    let rate = Line::new(ROW, what, Unit::RequestsPerSecond, pair.value);
    let rate = rate.beside("the same answer without the log", pair.limit).target(Target::RatioAtLeast(0.6)).cost(cost);
    let p99 =
        Line::new(ROW, format!("{lanes}: its 99th percentile"), Unit::Milliseconds, p99).target(Target::AtMost(15.0));
    let open = Figure::from_iter([open.quantile_ms(0.99)]);
    let what = format!("{lanes}: 99th percentile at half that rate ({half:.0}/s), open loop");
    Ok(vec![rate, p99, Line::new(ROW, what, Unit::Milliseconds, open)])
}

pub(crate) async fn posts(bench: &Bench, port: u16, orders: &Orders, arrivals: Arrivals) -> Result<Outcome> {
    drive(Posts::to(port, CONNECTIONS, orders).await?, arrivals, span(bench)).await
}
