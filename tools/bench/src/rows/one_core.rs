//! All services as one process on one core, beside the three processes on that core.

use std::fs;
use std::sync::Arc;

use anyhow::{Context, Result};
use forebay_stack::ServiceName;
use rustix::process::Pid;
use rustix::thread::{CpuSet, sched_setaffinity};

use crate::bench::Bench;
use crate::dataset::{Recipe, customer_id};
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Pair, Side, in_turns};
use crate::load::requests::{Gets, Orders, Paths};
use crate::load::{Arrivals, Connection, drive};
use crate::progress::Progress;
use crate::rows::reads::ask_until;
use crate::rows::writes::post::{CONNECTIONS, posts, span};
use crate::rows::writes::replay::{recipe_of_a_day, replay};
use crate::world::World;

const ROW: &str = "one-core";
const BESIDE: &str = "ingest, writer and query as three processes on that core";
/// How many customers are asked for in turn.
const CUSTOMERS: u32 = 200;
/// A round takes some seconds, and its two sides are close to each other.
const ROUNDS_MORE: usize = 3;
/// At least what the three do.
const TARGET: Target = Target::RatioAtLeast(1.0);

pub(super) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe_of_a_day(bench, true);
    let dataset = bench.dataset(recipe)?;
    // As many threads as a machine of one core has.
    let three = bench.plan(recipe).await?.with("TOKIO_WORKER_THREADS", "1");
    let one = three.clone().in_one_process();
    let worlds = [World::start(&bench.servers, &one).await?, World::start(&bench.servers, &three).await?];
    for world in &worlds {
        replay(bench, world, &dataset).await?;
        world.processes().try_for_each(|(_, process)| pin(process.pid().context("a service has ended")?))?;
    }
    let orders = Orders::new(bench.dataset(Recipe { seed: 2, ..recipe })?.lines()?);
    let rounds = bench.scale.short_rounds * ROUNDS_MORE;
    let of = |side| &worlds[usize::from(side == Side::Limit)];

    let posted = in_turns(rounds, async |side| {
        let outcome = posts(bench, of(side).port(ServiceName::Ingest), &orders, Arrivals::Closed).await?;
        Progress::connect(&of(side).urls).await?.wait_until_drained().await?;
        Ok(outcome.per_second)
    });
    let posted = posted.await?;
    let paths: Vec<String> = (0..CUSTOMERS).map(|n| format!("/v1/customers/{}/orders", customer_id(n))).collect();
    for world in &worlds {
        let mut connection = Connection::open(world.port(ServiceName::Query)).await?;
        for path in &paths {
            ask_until(&mut connection, path, "l1").await?;
        }
    }
    let paths: Paths = Arc::new(move |number| paths[number as usize % paths.len()].clone());
    let read = in_turns(rounds, async |side| {
        let clients = Gets::from(of(side).port(ServiceName::Query), CONNECTIONS, &paths, &["l1"]).await?;
        Ok(drive(clients, Arrivals::Closed, span(bench)).await?.per_second)
    });
    let read = read.await?;
    for world in worlds {
        world.end(&bench.servers).await?;
    }
    let line = |what: &str, pair: Pair| {
        let what = format!("forebay serve on one core: {what}, {CONNECTIONS} connections, closed loop");
        Line::new(ROW, what, Unit::RequestsPerSecond, pair.value).beside(BESIDE, pair.limit).target(TARGET)
    };
    Ok(vec![line("single POST /v1/orders, all lanes", posted), line("customer read (50 orders), in memory", read)])
}

/// Leaves a process the first core only, with every thread that it has or makes from now on.
fn pin(process: u32) -> Result<()> {
    let mut first = CpuSet::new();
    first.set(0);
    for thread in fs::read_dir(format!("/proc/{process}/task"))? {
        let thread = thread?.file_name().to_str().and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        sched_setaffinity(Some(thread.context("a thread without a number")?), &first)?;
    }
    Ok(())
}
