//! Lets a lane go on whose log is not the one that it had read so far, or has a damaged frame.
//!
//! A position must mean the same content for ever, because caches and receipts go by it. A stream that was made anew has
//! another incarnation by itself; one that has lost its tail gives its sequence numbers out again, so it is renewed: it
//! becomes another incarnation with the frames that it holds. Then the position is moved by compare-and-swap, and what was
//! decided is kept in the shard's table `log_loss`. A writer that has halted looks again every few seconds and goes on.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use forebay_log::{Log, LogError};
use forebay_model::{Lane, Position, ShardId};
use forebay_shard::{AcceptedLoss, LanePosition, PoolSettings, ShardPool};
use serde::Serialize;

use super::loss::{Loss, LossKind};
use crate::system::System;

/// How a lane stands to its log.
#[derive(Debug, Serialize)]
pub struct LossReport {
    /// Which lane,
    pub lane: Lane,
    /// of which shard.
    pub shard: ShardId,
    /// Up to where it has read.
    pub position: String,
    /// How the log does not fit that; nothing where it does.
    pub loss: Option<LossKind>,
    /// What is known of the loss.
    #[serde(flatten)]
    pub known: Option<KnownLoss>,
}

/// What is known of a loss.
#[derive(Debug, Serialize)]
pub struct KnownLoss {
    /// When the position was committed.
    pub committed_at: String,
    /// The stream of now.
    pub log: StreamReport,
    /// What the writer says of it.
    #[serde(skip)]
    pub reason: String,
    /// What is gone for certain, and what becomes of the rest: sentences.
    pub detail: Vec<String>,
    /// Whether it was accepted.
    pub accepted: bool,
    /// Behind which position the lane goes on.
    pub after: Option<String>,
}

/// A stream of the log.
#[derive(Debug, Serialize)]
pub struct StreamReport {
    /// Which.
    pub incarnation: u64,
    /// The first frame that it holds.
    pub first_seq: u64,
    /// The last one.
    pub last_seq: u64,
    /// How many frames it holds.
    pub frames: u64,
}

/// Looks what the log of a lane has lost, and accepts it where that is asked for.
///
/// # Errors
/// Where the lane has read nothing yet, its stream is not there, or something cannot be reached.
pub async fn accept_loss(system: &System, lane: Lane, shard: ShardId, yes: bool) -> Result<LossReport> {
    let pools = system.pools(Some(shard), &pool_settings())?;
    let pool = pools.first().context("there is no such shard")?;
    let log = system.connect_log().await?;
    let Some(stored) = LanePosition::of(&mut *pool.acquire().await?, lane).await? else {
        bail!("lane {lane} of shard {shard} has never read anything: its writer begins with the first frame");
    };
    let position = stored.position.to_string();
    let found = Loss::find(&log, shard, stored).await.map_err(|error| match error.downcast_ref() {
        Some(LogError::NoStream(stream)) => anyhow!(missing(stream)),
        _ => error,
    });
    let Some(loss) = found? else { return Ok(LossReport { lane, shard, position, loss: None, known: None }) };
    let after = if yes { Some(accept(&log, pool, &loss).await?) } else { None };
    Ok(LossReport { lane, shard, position, loss: Some(loss.kind), known: Some(KnownLoss::new(&loss, after)) })
}

impl KnownLoss {
    fn new(loss: &Loss, after: Option<Position>) -> Self {
        let state = &loss.state;
        let (incarnation, frames) = (state.incarnation.get(), state.frames);
        Self {
            committed_at: loss.stored.committed_at.to_string(),
            log: StreamReport { incarnation, first_seq: state.first_seq, last_seq: state.last_seq, frames },
            reason: loss.reason.clone(),
            detail: loss.account(),
            accepted: after.is_some(),
            after: after.map(|after| after.to_string()),
        }
    }
}

fn missing(stream: &str) -> String {
    format!(
        "the stream {stream} is not there: make it with `forebay migrate`, with the settings that the writer has, and look again"
    )
}

/// Moves the position to where the lane can go on.
async fn accept(log: &Log, pool: &ShardPool, loss: &Loss) -> Result<Position> {
    let (lane, shard) = (loss.stored.lane, pool.shard());
    let before_first = loss.state.first_seq - 1;
    let after = match loss.kind {
        LossKind::MadeAnew => Position { incarnation: loss.state.incarnation, seq: before_first },
        LossKind::Gap { next } => Position { incarnation: loss.state.incarnation, seq: next - 1 },
        LossKind::Damaged { seq } => Position { incarnation: loss.state.incarnation, seq },
        // Should this end here, the stream counts as made anew, and the next run goes on from that.
        LossKind::LostTail => {
            let incarnation = log.renew_stream(lane.on(shard), loss.state.incarnation).await?;
            Position { incarnation, seq: before_first }
        }
    };
    let mut connection = pool.acquire().await?;
    let detail = format!("{}\n{}", loss.reason, loss.account().join("\n"));
    if !AcceptedLoss::accept(&mut connection, lane, loss.stored.position, after, &detail).await? {
        bail!("the position of lane {lane} of shard {shard} has moved meanwhile: look again");
    }
    Ok(after)
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-log".to_owned(),
        connections_max: 1,
        acquire_timeout: Duration::from_secs(3),
        ..PoolSettings::default()
    }
}
