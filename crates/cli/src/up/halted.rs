//! Lanes that stand still because their log is not the one that they had read so far. The writer says which they are; how to go
//! on somebody has to decide, so that waiting for such a lane is for nothing.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forebay_api::Lanes;
use forebay_api::lanes::{LaneReport, LaneState};

/// Lanes that stand still.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) struct Halted(pub(super) Vec<LaneReport>);

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = self.0.iter().map(|LaneReport { lane, shard, .. }| format!("lane {lane} of shard {shard}"));
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
    pub(super) async fn halted(&self) -> Result<Vec<LaneReport>> {
        let mut question = self.http.get(&self.url);
        if let Some(token) = &self.token {
            question = question.bearer_auth(token);
        }
        let answer = question.send().await.context("the writer does not answer")?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the writer answers GET {} with {status}: {text}", self.url);
        let Lanes { lanes } = serde_json::from_str(&text).context("the writer does not tell its lanes")?;
        Ok(lanes.into_iter().filter(|lane| lane.state == LaneState::Halted).collect())
    }
}
