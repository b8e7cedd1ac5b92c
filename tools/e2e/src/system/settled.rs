//! Whether everything is drained and derived, asked of the log and of the shards themselves.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use async_nats::jetstream;
use forebay_model::{ShardId, StreamId, StreamKind};

use super::System;
use crate::patient::DEADLINE;

/// The key of a stream's metadata that says since when it counts as another one.
const INCARNATION: &str = "forebay-incarnation";
/// Where a stream's reader has come to.
const POSITION: &str = "select incarnation || '.' || stream_seq from stream_position where stream = ";
/// How far what follows from a shard's orders is derived, for each target.
const DERIVED: &str = "select target || ' ' || incarnation || '.' || stream_seq from derived_through order by target";

impl System {
    /// What is not drained, or not derived, if anything: a sentence. Where nothing is logged meanwhile and nothing is wrong with a
    /// stream, all that will ever be stored is stored then.
    ///
    /// # Errors
    /// Where the log or a shard cannot be asked.
    pub async fn unsettled(&self) -> Result<Option<String>> {
        let client = async_nats::connect(self.stack.nats_url()).await.context("cannot reach NATS")?;
        let jetstream = jetstream::new(client);
        // In the order in which facts go: what was derived late is seen at the end of the derived streams.
        let shards: Vec<ShardId> = self.stored_map().await?.shards().collect();
        let mut logged = Vec::new();
        for &shard in &shards {
            let end = end_of(&jetstream, StreamKind::Logged.on(shard)).await?;
            if let Some(rest) = self.undrained(StreamKind::Logged.on(shard), &end).await? {
                return Ok(Some(rest));
            }
            logged.push(end);
        }
        for (&shard, end) in shards.iter().zip(&logged) {
            let notes = self.sql(usize::from(shard.0), DERIVED).await?;
            let wanted: Vec<String> = shards.iter().map(|target| format!("{target} {end}")).collect();
            if notes.trim() != wanted.join("\n") {
                return Ok(Some(format!("{} is at {end} and derived up to {notes:?}", StreamKind::Logged.on(shard))));
            }
        }
        for &shard in &shards {
            let stream = StreamKind::Derived.on(shard);
            let end = end_of(&jetstream, stream).await?;
            if let Some(rest) = self.undrained(stream, &end).await? {
                return Ok(Some(rest));
            }
        }
        Ok(None)
    }

    /// Waits until everything is drained and derived. Nothing may be logged meanwhile.
    ///
    /// # Errors
    /// What is not at the deadline.
    pub async fn wait_until_settled(&self) -> Result<()> {
        let begin = Instant::now();
        while let Some(rest) = self.unsettled().await? {
            ensure!(begin.elapsed() < DEADLINE, "not within {DEADLINE:?}: {rest}");
            tokio::time::sleep(super::POLL).await;
        }
        Ok(())
    }

    async fn undrained(&self, stream: StreamId, end: &str) -> Result<Option<String>> {
        let position = self.sql(usize::from(stream.shard.0), &format!("{POSITION}'{}'", stream.kind)).await?;
        let position = position.trim();
        Ok((position != end).then(|| format!("{stream} ends at {end} and is stored up to {position:?}")))
    }
}

/// The name of a stream of the system in the log.
pub fn stream_name(stream: StreamId) -> String {
    format!("forebay-{stream}")
}

/// A stream's incarnation and last frame.
async fn end_of(jetstream: &jetstream::Context, stream: StreamId) -> Result<String> {
    let stream = jetstream.get_stream(stream_name(stream)).await?;
    let info = stream.cached_info();
    let created = u64::try_from(info.created.unix_timestamp_nanos() / 1000)?;
    let renewed = info.config.metadata.get(INCARNATION).and_then(|us| us.parse().ok()).unwrap_or_default();
    Ok(format!("{}.{}", created.max(renewed), info.state.last_sequence))
}
