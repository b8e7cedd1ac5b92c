//! What services say of themselves.

use anyhow::{Context, Result};
use forebay_api::Lanes;
use forebay_api::health::{Dependencies, State};
use forebay_api::lanes::LaneReport;
use forebay_stack::ServiceName;

use crate::system::System;

/// Asks `/readyz` for the state of a dependency.
pub(super) async fn dependency(system: &System, part: ServiceName, name: &str) -> Result<State, String> {
    let (_, body) = system.ask(part, "/readyz").await.map_err(|error| error.to_string())?;
    let told: Dependencies = serde_json::from_value(body).map_err(|error| error.to_string())?;
    let found = told.dependencies.get(name).map(|dependency| dependency.state);
    found.ok_or_else(|| format!("/readyz says nothing of {name}: {told:?}"))
}

/// Every lane as every writer says that it stands.
pub(super) async fn lanes(system: &System) -> Result<Vec<LaneReport>> {
    let mut lanes = Vec::new();
    for url in system.urls(ServiceName::Writer) {
        lanes.extend(lanes_of(system, &url).await?);
    }
    Ok(lanes)
}

/// Every lane as the writer at that address says that it stands.
pub(super) async fn lanes_of(system: &System, url: &str) -> Result<Vec<LaneReport>> {
    let (_, body) = system.ask_at(&format!("{url}/v1/lanes")).await?;
    let Lanes { lanes } = serde_json::from_value(body).context("no lanes")?;
    Ok(lanes)
}

/// The sum of a metric over those of its lines that have this label; `None` where there is no such line.
pub(super) async fn figure(system: &System, url: &str, name: &str, label: &str) -> Result<Option<f64>> {
    let text = system.text_at(&format!("{url}/metrics")).await?;
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let lines = text.lines().filter(is_it).filter(|line| line.contains(label));
    let figures: Vec<f64> = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    Ok(if figures.is_empty() { None } else { Some(figures.iter().sum()) })
}
