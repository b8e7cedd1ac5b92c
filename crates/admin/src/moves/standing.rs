//! Why moves stand still, as the processes see it that do the work: they are asked over the log, and each answers at once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;
use forebay_log::Log;
use forebay_model::ShardId;
use futures::StreamExt;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, timeout_at};

/// What is talked of, and how it is asked.
const TOPIC: &str = "moves";
const QUESTION: &[u8] = b"?";
/// How long answers are waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Something is wrong with a shard, as a writer sees it. Sent as JSON, in lists; a list that is not understood is passed over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Standing {
    /// With which.
    pub shard: ShardId,
    /// What: part of a sentence.
    pub why: String,
    /// Since when: an instant (RFC 3339).
    pub since: String,
}

/// Asks all writers, and gives what those say that answer within half a second. What several say, or one of several parts, is there once, as old as
/// the oldest of these.
///
/// # Errors
/// Where the connection to the log is closed for good.
pub(super) async fn ask(log: &Log) -> Result<Vec<Standing>> {
    let (say, heard) = log.talk(TOPIC).await?;
    let mut heard = std::pin::pin!(heard);
    say(QUESTION.to_vec()).await;
    let (mut told, until) = (BTreeSet::new(), Instant::now() + PATIENCE);
    while let Ok(Some(text)) = timeout_at(until, heard.next()).await {
        told.extend(serde_json::from_slice::<Vec<Standing>>(&text).unwrap_or_default());
    }
    let mut told: Vec<Standing> = told.into_iter().collect();
    told.dedup_by(|next, first| (next.shard, &next.why) == (first.shard, &first.why));
    Ok(told)
}

/// Answers each request, for as long as it runs.
///
/// # Errors
/// Where the connection to the log is closed for good.
pub async fn answer(log: &Log, standing: impl Fn() -> Vec<Standing>) -> Result<()> {
    let (say, heard) = log.talk(TOPIC).await?;
    let mut heard = std::pin::pin!(heard);
    while let Some(text) = heard.next().await {
        if text == QUESTION {
            say(serde_json::to_vec(&standing())?).await;
        }
    }
    Ok(())
}
