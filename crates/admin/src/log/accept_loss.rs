//! Lets a stream go on whose log is not the one that had been read so far, or has a damaged frame.
//!
//! A position must mean the same content for ever, because caches and receipts go by it. A stream that was made anew has
//! another incarnation by itself; one that has lost its tail gives its sequence numbers out again, so it is renewed: it
//! becomes another incarnation with the frames that it holds. Then the position is moved by compare-and-swap, and what was
//! decided is kept in the shard's table `log_loss`. A writer that has halted looks again every few seconds and goes on.
//!
//! What a derived stream has lost follows from stored orders. It is renewed whatever it has lost, so that the writers of the
//! logged streams find it another one than they know, and derive everything for it again.

use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use forebay_log::{Log, LogError};
use forebay_model::{Position, ShardId, StreamKind};
use forebay_shard::{AcceptedLoss, PoolSettings, ShardPool, StreamPosition, ViewsInForce};
use serde::Serialize;
use serde_json::json;

use super::loss::{Loss, LossKind};
use crate::audit::recorded;
use crate::system::System;

/// How a stream's position stands to its log.
#[derive(Debug, Serialize)]
pub struct LossReport {
    /// Which stream,
    pub stream: StreamKind,
    /// of which shard.
    pub shard: ShardId,
    /// Up to where it has been read.
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
    pub log: LogReport,
    /// What the writer says of it.
    #[serde(skip)]
    pub reason: String,
    /// What is gone for certain, and what becomes of the rest: sentences.
    pub detail: Vec<String>,
    /// Whether it was accepted.
    pub accepted: bool,
    /// Behind which position the stream is read on.
    pub after: Option<String>,
}

/// What a stream of the log holds.
#[derive(Debug, Serialize)]
pub struct LogReport {
    /// Which.
    pub incarnation: u64,
    /// The first frame that it holds.
    pub first_seq: u64,
    /// The last one.
    pub last_seq: u64,
    /// How many frames it holds.
    pub frames: u64,
}

/// Looks what a stream has lost, and accepts it where that is asked for.
///
/// # Errors
/// Where nothing was read yet, the stream is not there, or something cannot be reached.
pub async fn accept_loss(system: &System, stream: StreamKind, shard: ShardId, yes: bool) -> Result<LossReport> {
    let pools = system.pools(Some(shard), &pool_settings())?;
    let pool = pools.first().context("there is no such shard")?;
    let log = system.connect_log().await?;
    let Some(stored) = StreamPosition::of(&mut *pool.acquire().await?, stream).await? else {
        bail!("nothing of {} was ever read: its writer begins with the first frame", stream.on(shard));
    };
    let position = stored.position.to_string();
    let found = Loss::find(&log, shard, stored).await.map_err(|error| match error.downcast_ref() {
        Some(LogError::NoStream(stream)) => anyhow!(missing(stream)),
        _ => error,
    });
    let Some(loss) = found? else { return Ok(LossReport { stream, shard, position, loss: None, known: None }) };
    let after = if yes {
        let asked = json!({"stream": stream.as_str(), "shard": shard, "position": &position, "loss": loss.reason});
        let done = |after: &Position| json!({"after": after.to_string()});
        Some(recorded(system, Some(shard), ("log accept-loss", asked), done, accept(&log, pool, &loss)).await?)
    } else {
        None
    };
    Ok(LossReport { stream, shard, position, loss: Some(loss.kind), known: Some(KnownLoss::new(&loss, after)) })
}

impl KnownLoss {
    fn new(loss: &Loss, after: Option<Position>) -> Self {
        let state = &loss.state;
        let (incarnation, frames) = (state.incarnation.get(), state.frames);
        Self {
            committed_at: loss.stored.committed_at.to_string(),
            log: LogReport { incarnation, first_seq: state.first_seq, last_seq: state.last_seq, frames },
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

/// Moves the position to where the stream can be read on.
async fn accept(log: &Log, pool: &ShardPool, loss: &Loss) -> Result<Position> {
    let stream = loss.stored.stream.on(pool.shard());
    let seq = match loss.kind {
        LossKind::MadeAnew | LossKind::LostTail => loss.state.first_seq - 1,
        LossKind::Gap { next } => next - 1,
        LossKind::Damaged { seq } | LossKind::UnknownFormat { seq } => seq,
    };
    let incarnation = if loss.is_renewed() {
        // Should this end here, the stream counts as made anew, and the next run goes on from that.
        log.renew_stream(stream, loss.state.incarnation).await?
    } else {
        loss.state.incarnation
    };
    let after = Position { incarnation, seq };
    let mut connection = pool.acquire().await?;
    let detail = format!("{}\n{}", loss.reason, loss.account().join("\n"));
    // What is lost may have been a control frame.
    let map = log.read_map().await?;
    let views = ViewsInForce { epoch: map.epoch(), views: map.settings().views.in_force().clone() };
    let views = Some(&views).filter(|_| stream.kind == StreamKind::Logged);
    if !AcceptedLoss::accept(&mut connection, stream.kind, loss.stored.position, after, &detail, views).await? {
        bail!("the position of {stream} has moved meanwhile: look again");
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
