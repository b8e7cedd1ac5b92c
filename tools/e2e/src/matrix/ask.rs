//! What services say of themselves.

use anyhow::{Context, Result};
use forebay_api::Streams;
use forebay_api::health::{Dependencies, State};
use forebay_api::streams::StreamReport;
use forebay_stack::ServiceName;

use crate::system::System;

/// Asks `/readyz` for the state of a dependency.
pub(super) async fn dependency(system: &System, part: ServiceName, name: &str) -> Result<State, String> {
    let (_, body) = system.ask(part, "/readyz").await.map_err(|error| error.to_string())?;
    let told: Dependencies = serde_json::from_value(body).map_err(|error| error.to_string())?;
    let found = told.dependencies.get(name).map(|dependency| dependency.state);
    found.ok_or_else(|| format!("/readyz says nothing of {name}: {told:?}"))
}

/// Every stream as every writer says that it stands.
pub(super) async fn streams(system: &System) -> Result<Vec<StreamReport>> {
    let mut streams = Vec::new();
    for url in system.urls(ServiceName::Writer) {
        streams.extend(streams_of(system, &url).await?);
    }
    Ok(streams)
}

/// Every stream as the writer at that address says that it stands.
pub(super) async fn streams_of(system: &System, url: &str) -> Result<Vec<StreamReport>> {
    let (_, body) = system.ask_at(&format!("{url}/v1/streams")).await?;
    let Streams { streams } = serde_json::from_value(body).context("no streams")?;
    Ok(streams)
}

/// The sum of a metric over those of its lines that have this label; `None` where there is no such line.
pub(super) async fn figure(system: &System, url: &str, name: &str, label: &str) -> Result<Option<f64>> {
    let text = system.text_at(&format!("{url}/metrics")).await?;
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let lines = text.lines().filter(is_it).filter(|line| line.contains(label));
    let figures: Vec<f64> = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    Ok(if figures.is_empty() { None } else { Some(figures.iter().sum()) })
}
