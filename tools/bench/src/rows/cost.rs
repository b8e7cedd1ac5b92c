//! What an order costs, in all lanes: processor time by who uses it, bytes in the log, in the tables, in Postgres' own log and on the disk, and
//! messages of the log, each of which waits for the disk. Once for orders of a file, which come by the thousand, and once for single ones over
//! many connections.

use anyhow::{Context, Result};
use forebay_model::{PerKind, ShardId, StreamId, StreamKind};
use forebay_stack::{Server, ServiceName};

use crate::bench::Bench;
use crate::dataset::Dataset;
use crate::figure::Figure;
use crate::figure::line::{Line, Unit};
use crate::load::Arrivals;
use crate::load::requests::Orders;
use crate::progress::number;
use crate::rows::writes::post::posts;
use crate::rows::writes::replay::{recipe, recipe_of_a_day};
use crate::servers::SERVERS;
use crate::usage::{Cost, written_bytes};
use crate::world::World;

const ROW: &str = "cost";
const MICROSECONDS_PER_SECOND: f64 = 1e6;
/// How many times as long as other rows: what a checkpoint costs is to be shared by many orders, as it is on servers that are at work.
const POSTING: usize = 4;

/// What a world and its servers have come to so far: bytes, and frames.
#[derive(Clone, Debug)]
struct Spent {
    /// Frames of each kind of streams.
    frames: PerKind<f64>,
    /// What lies in the streams.
    log: f64,
    /// Tables and their indexes.
    tables: f64,
    /// What Postgres has logged for itself.
    wal: f64,
    /// What NATS has written to the disk.
    nats: f64,
    /// What Postgres has written to the disk.
    postgres: f64,
}

pub(super) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let mut lines = of_a_file(bench).await?;
    lines.extend(of_single_orders(bench).await?);
    Ok(lines)
}

async fn of_a_file(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let (dataset, plan) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let world = World::start(&bench.servers, &plan).await?;
    let lines = measured(bench, &world, "of a file", async |bench| {
        world.replay(&bench.servers, &dataset.file).await?;
        Ok(recipe.orders as f64)
    });
    let lines = lines.await?;
    world.end(&bench.servers).await?;
    Ok(lines)
}

async fn of_single_orders(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe_of_a_day(bench, true);
    let (dataset, plan): (std::sync::Arc<Dataset>, _) = (bench.dataset(recipe)?, bench.plan(recipe).await?);
    let world = World::start(&bench.servers, &plan).await?;
    let orders = Orders::new(dataset.lines()?);
    let lines = measured(bench, &world, "posted alone, 64 connections", async |bench| {
        let stored = orders_of(&world).await?;
        for _ in 0..POSTING {
            posts(bench, world.port(ServiceName::Ingest), &orders, Arrivals::Closed).await?;
        }
        drained(bench, &world).await?;
        Ok(orders_of(&world).await? - stored)
    });
    let lines = lines.await?;
    world.end(&bench.servers).await?;
    Ok(lines)
}

/// What some orders cost. `store` stores them, and says how many there were.
async fn measured(
    bench: &Bench,
    world: &World,
    which: &str,
    store: impl AsyncFnOnce(&Bench) -> Result<f64>,
) -> Result<Vec<Line>> {
    bench.servers.settle().await?;
    let before = Spent::of(bench, world).await?;
    let all = async {
        let orders = store(bench).await?;
        drained(bench, world).await?;
        // What lies in memory only is a cost, too.
        bench.servers.settle().await?;
        Ok(orders)
    };
    let (orders, took) = bench.metered(world, all).await?;
    let after = Spent::of(bench, world).await?;
    let per_order = |after: f64, before: f64| Figure::from_iter([(after - before) / orders]);
    let bytes = |what: &str, value| Line::new(ROW, format!("an order {which}: {what}"), Unit::Bytes, value);
    let frames = |kind, of: &str| {
        let value = Figure::from_iter([orders / (after.frames[kind] - before.frames[kind])]);
        Line::new(ROW, format!("orders {which}: for each frame of the {of} streams"), Unit::Orders, value)
    };
    Ok(vec![
        processor_time(which, orders, took),
        frames(StreamKind::Logged, "logged"),
        frames(StreamKind::Derived, "derived"),
        bytes("in the log, logged and derived", per_order(after.log, before.log)),
        bytes("in tables and indexes", per_order(after.tables, before.tables)),
        bytes("in the write-ahead log of Postgres", per_order(after.wal, before.wal)),
        bytes("written to the disk by NATS", per_order(after.nats, before.nats)),
        bytes("written to the disk by Postgres", per_order(after.postgres, before.postgres)),
    ])
}

/// Waits until all that is in the log is stored, and what follows from it, however slow the machine is: what is missing would cost nothing.
async fn drained(bench: &Bench, world: &World) -> Result<()> {
    world.command(&bench.servers, &["shards", "--wait"]).await.map(drop)
}

fn processor_time(which: &str, orders: f64, took: Cost) -> Line {
    let microseconds = |seconds: f64| seconds * MICROSECONDS_PER_SECOND / orders;
    let parts = took.iter().filter(|(_, seconds)| microseconds(*seconds) >= 0.05);
    let parts: Vec<String> = parts.map(|(who, seconds)| format!("{who} {:.1}", microseconds(seconds))).collect();
    let all = microseconds(took.without("load"));
    let what = format!("an order {which}: processor time without the load's");
    Line::new(ROW, what, Unit::Microseconds, Figure::from_iter([all])).note(parts.join(", ")).cost(took)
}

async fn orders_of(world: &World) -> Result<f64> {
    let mut orders = 0;
    for url in &world.urls {
        orders +=
            number(url, "select coalesce(sum(rows_stored), 0)::int8 from lane_tally where lane = 'orders'").await?;
    }
    Ok(orders as f64)
}

impl Spent {
    async fn of(bench: &Bench, world: &World) -> Result<Self> {
        let log = world.log(&bench.servers).await?;
        let mut frames = PerKind::default();
        for stream in (0..world.urls.len()).flat_map(|shard| StreamId::all_of(ShardId(shard as u16))) {
            frames[stream.kind] += log.stream_state(stream).await?.last_seq as f64;
        }
        let room = log.room().await.context("the log does not say how full it is")?.used;
        let (mut tables, mut wal) = (0, 0);
        for url in &world.urls {
            tables += number(url, "select pg_database_size(current_database())").await?;
            wal += number(url, "select (pg_current_wal_insert_lsn() - '0/0')::int8").await?;
        }
        let written = |server| bench.servers.stack.process(server).pid().map_or(0, written_bytes) as f64;
        Ok(Self {
            frames,
            log: room as f64,
            tables: tables as f64,
            wal: wal as f64,
            nats: written(Server::Nats),
            postgres: (0..SERVERS).map(|server| written(Server::Postgres(server))).sum(),
        })
    }
}
