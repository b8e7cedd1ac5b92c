//! Streams that stand still because their log is not the one that had been read so far. The writer says which they are; how to go
//! on somebody has to decide, so that waiting for such a stream is for nothing.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use forebay_api::Streams;
use forebay_api::streams::{DrainState, StreamReport};

/// Streams that stand still.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) struct Halted(pub(super) Vec<StreamReport>);

impl fmt::Display for Halted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let streams = self.0.iter().map(|report| report.stream.on(report.shard).to_string());
        write!(f, "these streams stand still: {}", streams.collect::<Vec<_>>().join(", "))
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
        Ok(Self { http, url: format!("{url}/v1/streams"), token })
    }

    /// The streams that stand still.
    ///
    /// # Errors
    /// When the writer does not tell.
    pub(super) async fn halted(&self) -> Result<Vec<StreamReport>> {
        let mut question = self.http.get(&self.url);
        if let Some(token) = &self.token {
            question = question.bearer_auth(token);
        }
        let answer = question.send().await.context("the writer does not answer")?;
        let (status, text) = (answer.status(), answer.text().await?);
        ensure!(status.is_success(), "the writer answers GET {} with {status}: {text}", self.url);
        let Streams { streams } = serde_json::from_str(&text).context("the writer does not tell its streams")?;
        Ok(streams.into_iter().filter(|stream| stream.state == DrainState::Halted).collect())
    }
}
