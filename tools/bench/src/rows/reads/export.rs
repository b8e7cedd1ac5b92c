//! A range of time as NDJSON, beside COPY of the same rows out of the three shards.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use forebay_stack::ServiceName;
use http_body_util::BodyExt;
use memchr::memchr_iter;

use crate::bench::Bench;
use crate::figure::line::{Line, Target, Unit};
use crate::figure::rounds::{Side, in_turns};
use crate::limit::copy;
use crate::load::Connection;
use crate::rows::reads::{END, world};
use crate::rows::writes::replay::recipe;
use crate::usage::Cost;

pub(crate) async fn lines(bench: &mut Bench) -> Result<Vec<Line>> {
    let recipe = recipe(bench, true);
    let world = world(bench, recipe).await?;
    let port = world.port(ServiceName::Query);
    let mut cost = Cost::default();
    let mut counts = Vec::new();
    let pair = in_turns(bench.scale.rounds, async |side| {
        if side == Side::Limit {
            let (rows, took) = copy::out(&world.urls).await?;
            counts.push(rows);
            return Ok(rows as f64 / took.as_secs_f64());
        }
        let begin = Instant::now();
        let (rows, took) = bench.metered(&world, export(port)).await?;
        cost += took;
        counts.push(rows);
        Ok(rows as f64 / begin.elapsed().as_secs_f64())
    });
    let pair = pair.await?;
    bench.keep(recipe, world).await?;
    let rows = counts.first().copied().unwrap_or_default();
    ensure!(rows > recipe.orders && counts.iter().all(|count| *count == rows), "the exports differ: {counts:?} rows");
    let line = Line::new("export", "range export as NDJSON", Unit::RowsPerSecond, pair.value);
    let line = line.beside("COPY … to stdout of the same rows, three sessions", pair.limit);
    Ok(vec![line.target(Target::RatioAtLeast(0.4)).cost(cost).note(format!("{rows} rows"))])
}

/// Reads an export of everything to its end, and counts its lines.
pub(crate) async fn export(port: u16) -> Result<u64> {
    let path = format!("/v1/orders?from=2025-01-01T00:00:00Z&to={END}T00:00:00Z");
    let mut connection = Connection::open(port).await?;
    let response = connection.stream(&path, "application/x-ndjson").await?;
    ensure!(response.status() == 200, "the export was answered with {}", response.status());
    let (mut rows, mut body) = (0, response.into_body());
    while let Some(frame) = body.frame().await {
        let frame = frame.context("the export is torn")?;
        let bytes = frame.data_ref().map_or(&[][..], |data| data);
        rows += memchr_iter(b'\n', bytes).count() as u64;
    }
    Ok(rows)
}
