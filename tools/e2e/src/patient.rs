//! A client that comes again when it is told to.

use std::time::Duration;

use anyhow::{Context, Result};
use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use tokio::time::Instant;

/// How long anything may take that is waited for.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// The first answer that is more than "not now": 503 with `Retry-After` is what every service may say while it or what it
/// needs is too busy, so a test that wants to know what an answer holds asks again. It waits a tenth of what the service asks for.
///
/// # Errors
/// Where there is no answer, or only such ones for a minute: then what the last one says.
pub async fn answer_of(request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
    let end = Instant::now() + DEADLINE;
    loop {
        let again = request.try_clone().context("what is sent is a stream")?;
        let answer = again.send().await?;
        let Some(after) = comes_again_after(&answer) else { return Ok(answer) };
        anyhow::ensure!(Instant::now() < end, "503 for a minute: {}", answer.text().await.unwrap_or_default());
        tokio::time::sleep(after / 10).await;
    }
}

fn comes_again_after(answer: &reqwest::Response) -> Option<Duration> {
    let after = answer.headers().get(RETRY_AFTER).filter(|_| answer.status() == StatusCode::SERVICE_UNAVAILABLE)?;
    after.to_str().ok()?.parse().ok().map(Duration::from_secs)
}
