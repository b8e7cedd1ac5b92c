//! `forebay log`.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _, stdout};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use forebay_admin::log::{self, FrameReport, KnownLoss, LossReport, Met, Selection};
use forebay_model::{Incarnation, Lane, ShardId};

use super::system::{self, SystemArgs};
use crate::text::or_dash;

/// What `forebay log` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show frames of a stream, decoded: the last ones, or those from --from on
    Show(Show),
    /// Show what the log of a lane has lost, and with --yes let the lane go on without it
    AcceptLoss(AcceptLoss),
}

/// A stream of the log.
#[derive(Debug, Clone, Copy, Args)]
pub struct StreamArgs {
    /// The lane: orders, index or views
    #[arg(value_name = "LANE")]
    pub lane: Lane,

    /// The shard
    #[arg(value_name = "SHARD", value_parser = system::shard)]
    pub shard: ShardId,
}

/// What `log show` can be told.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Which stream.
    #[command(flatten)]
    pub stream: StreamArgs,

    /// The first frame to show, by its sequence number
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,

    /// The most frames to show [default: 20, and no end with --follow]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,

    /// Wait for further frames
    #[arg(long)]
    pub follow: bool,

    /// Print a line of JSON for each frame
    #[arg(long)]
    pub json: bool,
}

/// What `log accept-loss` can be told.
#[derive(Debug, Clone, Args)]
pub struct AcceptLoss {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// Which stream.
    #[command(flatten)]
    pub stream: StreamArgs,

    /// Accept the loss: the lane goes on
    #[arg(long)]
    pub yes: bool,

    /// Print what is lost and what was done as JSON
    #[arg(long)]
    pub json: bool,
}

/// Does it.
pub(crate) async fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Show(args) => show(args).await,
        Command::AcceptLoss(args) => accept_loss(args).await,
    }
}

async fn show(args: Show) -> Result<ExitCode> {
    let Show { system, stream: StreamArgs { lane, shard }, from, limit, follow, json } = args;
    let selection = Selection { lane, shard, from, limit, follow };
    let to = |met| match met {
        Met::Frame(frame) => print(if json { serde_json::to_string(&frame)? } else { frame_text(&frame) }),
        Met::TrimmedBefore(first) => {
            eprintln!("the frames before {first} have been trimmed");
            Ok(ControlFlow::Continue(()))
        }
        Met::Missing(first, last) => {
            eprintln!("frames {first} to {last} are not there");
            Ok(ControlFlow::Continue(()))
        }
    };
    log::show(&system.into(), selection, to).await?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a frame, as long as somebody reads.
fn print(mut frame: String) -> Result<ControlFlow<()>> {
    frame.push('\n');
    let mut out = stdout().lock();
    match out.write_all(frame.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(ControlFlow::Continue(())),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(ControlFlow::Break(())),
        Err(error) => Err(error.into()),
    }
}

/// A line about the frame, and one for each fact.
fn frame_text(frame: &FrameReport) -> String {
    let FrameReport { seq, rows, bytes, .. } = frame;
    let (time, id, epoch) = (or_dash(frame.time.as_ref()), or_dash(frame.id.as_ref()), or_dash(frame.epoch));
    let mut text = format!("frame {seq}  {time}  {rows} rows  {bytes} bytes  epoch {epoch}  id {id}");
    for fact in &frame.facts {
        // Writing into a String cannot fail.
        let _ = write!(text, "\n  {fact}");
    }
    for line in frame.headers.iter().flat_map(|headers| headers.lines()) {
        let _ = write!(text, "\n  {line}");
    }
    for wrong in frame.fault.iter().chain(&frame.unreadable) {
        let _ = write!(text, "\n  ! {wrong}");
    }
    text
}

/// Shows the loss, and accepts it where that is asked for. The exit code is 1 where a loss stands.
async fn accept_loss(args: AcceptLoss) -> Result<ExitCode> {
    let report = log::accept_loss(&args.system.into(), args.stream.lane, args.stream.shard, args.yes).await?;
    println!("{}", if args.json { serde_json::to_string(&report)? } else { loss_text(&report) });
    if report.known.as_ref().is_none_or(|loss| loss.accepted) {
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("nothing was changed; --yes accepts this loss");
    Ok(ExitCode::FAILURE)
}

fn loss_text(report: &LossReport) -> String {
    let LossReport { lane, shard, position, known, .. } = report;
    let Some(KnownLoss { committed_at, log, reason, detail, after, .. }) = known else {
        return format!("Lane {lane} of shard {shard} is at {position}, and the log fits: nothing is lost.");
    };
    let incarnation = Incarnation::new(log.incarnation);
    let mut lines = vec![
        format!("Lane {lane} of shard {shard}: {reason}."),
        format!("Position  {position}, committed at {committed_at}"),
        format!("Log       incarnation {incarnation}, frames {} to {}", log.first_seq, log.last_seq),
    ];
    lines.extend(detail.iter().cloned());
    if let Some(after) = after {
        lines.push(format!(
            "Accepted: the lane goes on behind {after}. A writer that has halted notices within seconds."
        ));
    }
    lines.join("\n")
}
