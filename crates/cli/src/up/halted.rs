//! Lanes that stand still because their log is not the one that they had read so far. The writer says which they are; how to go
//! on somebody has to decide, so that waiting for such a lane is for nothing.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forebay_model::{Lane, ShardId};
use serde::Deserialize;

/// A lane that stands still, as the writer tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct HaltedLane {
    pub(super) lane: Lane,
    pub(super) shard: ShardId,
    /// How its log does not fit.
    pub(super) reason: Option<String>,
}

/// Lanes that stand still.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) struct Halted(pub(super) Vec<HaltedLane>);

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = self.0.iter().map(|HaltedLane { lane, shard, .. }| format!("lane {lane} of shard {shard}"));
        write!(f, "these stand still: {}", lanes.collect::<Vec<_>>().join(", "))
    }
}

/// The writer, asked by HTTP.
#[derive(Debug)]
pub(super) struct Writer {
    http: reqwest::Client,
    url: String,
    token: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Answer {
    lanes: Vec<LaneState>,
}

#[derive(Debug, Deserialize)]
struct LaneState {
    state: String,
    #[serde(flatten)]
    lane: HaltedLane,
}

impl Writer {
    /// The writer at that address.
    ///
    /// # Errors
    /// When there is no HTTP client.
    pub(super) fn new(url: &str, token: Option<String>) -> Result<Self> {
        let http = reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(5)).build()?;
        Ok(Self { http, url: format!("{url}/v1/lanes"), token })
    }

    /// The lanes that stand still.
    ///
    /// # Errors
    /// When the writer does not tell.
    pub(super) async fn halted(&self) -> Result<Vec<HaltedLane>> {
        let mut question = self.http.get(&self.url);
        if let Some(token) = &self.token {
            question = question.bearer_auth(token);
        }
        let answer = question.send().await.context("the writer does not answer")?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the writer answers GET {} with {status}: {text}", self.url);
        let Answer { lanes } = serde_json::from_str(&text).context("the writer does not tell its lanes")?;
        Ok(lanes.into_iter().filter(|lane| lane.state == "halted").map(|lane| lane.lane).collect())
    }
}

/// Whether all that a service misses, by its answer of `/readyz`, are logs whose lanes stand still. A writer that answers so does
/// what it can, and would do no more if it were started again.
pub(super) fn are_only_halted(readyz: &str) -> bool {
    #[derive(Deserialize)]
    struct Dependency {
        state: String,
        required: bool,
    }
    #[derive(Deserialize)]
    struct Problem {
        dependencies: std::collections::BTreeMap<String, Dependency>,
    }
    let Ok(Problem { dependencies }) = serde_json::from_str(readyz) else { return false };
    let mut missing = dependencies.iter().filter(|(_, found)| found.required && found.state != "up").peekable();
    missing.peek().is_some() && missing.all(|(name, found)| name.starts_with("log ") && found.state == "down")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_that_misses_anything_but_a_log_is_not_up_yet() {
        let readyz = |nats: &str, log: &str| {
            let dependencies = serde_json::json!({
                "nats": {"state": nats, "required": true},
                "log orders-0": {"state": log, "required": true, "reason": "made anew"},
                "shard 1": {"state": "down", "required": false},
            });
            serde_json::json!({"code": "not_ready", "dependencies": dependencies}).to_string()
        };
        assert!(are_only_halted(&readyz("up", "down")));
        for (nats, log) in [("up", "up"), ("down", "down"), ("unknown", "down"), ("up", "unknown")] {
            assert!(!are_only_halted(&readyz(nats, log)), "{nats} {log}");
        }
        assert!(!are_only_halted("{}") && !are_only_halted(""));
    }
}
