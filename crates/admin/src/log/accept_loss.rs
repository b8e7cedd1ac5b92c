//! `forebay log accept-loss`: lets a lane go on whose log is not the one that it had read so far.
//!
//! A position must mean the same content for ever, because caches and receipts go by it. A stream that was made anew has
//! another incarnation by itself; one that has lost its tail gives its sequence numbers out again, so it is renewed: it
//! becomes another incarnation with the frames that it holds. Then the position is moved by compare-and-swap, and what was
//! decided is kept in the shard's table `log_loss`. A writer that has halted looks again every few seconds and goes on.

use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use forebay_log::{Log, LogError};
use forebay_model::{Lane, Position, ShardId};
use forebay_shard::{AcceptedLoss, LanePosition, PoolSettings, ShardPool};
use serde_json::json;

use super::loss::{Kind, Loss};
use crate::system::{self, SystemSettings};

/// What `log accept-loss` can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemSettings,

    /// The lane: orders, index or views
    #[arg(value_name = "LANE")]
    pub lane: Lane,

    /// The shard
    #[arg(value_name = "SHARD", value_parser = system::shard)]
    pub shard: ShardId,

    /// Accept the loss: the lane goes on
    #[arg(long)]
    pub yes: bool,

    /// Print what is lost and what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// Shows the loss, and accepts it where that is asked for. The exit code is 1 where a loss stands.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    let Settings { lane, shard, .. } = *settings;
    let pools = settings.system.pools(Some(shard), &pool_settings())?;
    let pool = pools.first().context("there is no such shard")?;
    let log = settings.system.connect_log().await?;
    let Some(stored) = LanePosition::of(&mut *pool.acquire().await?, lane).await? else {
        bail!("lane {lane} of shard {shard} has never read anything: its writer begins with the first frame");
    };
    let found = Loss::find(&log, shard, stored.clone()).await.map_err(|error| match error.downcast_ref() {
        Some(LogError::NoStream(stream)) => anyhow!(missing(stream)),
        _ => error,
    });
    let Some(loss) = found? else {
        say(
            settings,
            &json!({"lane": lane, "shard": shard, "position": stored.position.to_string(), "loss": null}),
            || format!("Lane {lane} of shard {shard} is at {}, and the log fits: nothing is lost.", stored.position),
        );
        return Ok(ExitCode::SUCCESS);
    };
    let after = if settings.yes { Some(accept(&log, pool, &loss).await?) } else { None };
    say(settings, &report(settings, &loss, after), || text(settings, &loss, after));
    if after.is_none() {
        eprintln!("nothing was changed; --yes accepts this loss");
    }
    Ok(if after.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
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
        Kind::MadeAnew => Position { incarnation: loss.state.incarnation, seq: before_first },
        Kind::Gap { next } => Position { incarnation: loss.state.incarnation, seq: next - 1 },
        // Should this end here, the stream counts as made anew, and the next run goes on from that.
        Kind::LostTail => {
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

fn say(settings: &Settings, json: &serde_json::Value, text: impl FnOnce() -> String) {
    println!("{}", if settings.json { json.to_string() } else { text() });
}

fn report(settings: &Settings, loss: &Loss, after: Option<Position>) -> serde_json::Value {
    json!({
        "lane": settings.lane,
        "shard": settings.shard,
        "position": loss.stored.position.to_string(),
        "committed_at": loss.stored.committed_at.to_string(),
        "log": {
            "incarnation": loss.state.incarnation.get(),
            "first_seq": loss.state.first_seq,
            "last_seq": loss.state.last_seq,
            "frames": loss.state.frames,
        },
        "loss": match loss.kind {
            Kind::MadeAnew => "made_anew",
            Kind::LostTail => "lost_tail",
            Kind::Gap { .. } => "gap",
        },
        "detail": loss.account(),
        "accepted": after.is_some(),
        "after": after.map(|after| after.to_string()),
    })
}

fn text(settings: &Settings, loss: &Loss, after: Option<Position>) -> String {
    let Settings { lane, shard, .. } = settings;
    let mut lines = vec![
        format!("Lane {lane} of shard {shard}: {}.", loss.reason),
        format!("Position  {}, committed at {}", loss.stored.position, loss.stored.committed_at),
        format!(
            "Log       incarnation {}, frames {} to {}",
            loss.state.incarnation, loss.state.first_seq, loss.state.last_seq
        ),
    ];
    lines.extend(loss.account());
    if let Some(after) = after {
        lines.push(format!(
            "Accepted: the lane goes on behind {after}. A writer that has halted notices within seconds."
        ));
    }
    lines.join("\n")
}

fn pool_settings() -> PoolSettings {
    PoolSettings {
        application_name: "forebay-log".to_owned(),
        connections_max: 1,
        acquire_timeout: std::time::Duration::from_secs(3),
        ..PoolSettings::default()
    }
}
