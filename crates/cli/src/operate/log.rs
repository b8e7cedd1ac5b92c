//! `forebay log`.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _, stdout};
use std::ops::ControlFlow;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use forebay_admin::log::{self, FrameReport, KnownLoss, LossReport, Met, Selection};
use forebay_log::FrameKind;
use forebay_model::{Incarnation, Lane, ShardId, StreamKind};
use forebay_terminal::{note, or_dash, out};

use super::system::{self, SystemArgs};

/// What `forebay log` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show frames of a stream, decoded: their last facts, or those from --from on
    Show(Show),
    /// Show what a stream has lost, and with --yes go on without it
    AcceptLoss(AcceptLoss),
}

/// A stream, or those of its frames that carry one thing.
#[derive(Debug, Clone, Copy)]
pub struct Frames {
    stream: StreamKind,
    kind: Option<FrameKind>,
}

/// What `log show` can be told.
#[derive(Debug, Clone, Args)]
pub struct Show {
    /// Where the log and the shards are.
    #[command(flatten)]
    pub system: SystemArgs,

    /// The stream, logged or derived; or a lane, for its frames alone: orders, index or views; or control
    #[arg(value_name = "STREAM|LANE", value_parser = frames)]
    pub frames: Frames,

    /// The shard
    #[arg(value_name = "SHARD", value_parser = system::shard)]
    pub shard: ShardId,

    /// The first frame to show, by its sequence number
    #[arg(long, value_name = "SEQ")]
    pub from: Option<u64>,

    /// The most facts to show, such as orders; a frame without any counts for one [default: 20, and no end with --follow]
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

    /// The stream: logged or derived
    #[arg(value_name = "STREAM")]
    pub stream: StreamKind,

    /// The shard
    #[arg(value_name = "SHARD", value_parser = system::shard)]
    pub shard: ShardId,

    /// Accept the loss: the stream is read on
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

fn frames(text: &str) -> Result<Frames, String> {
    if let Ok(stream) = text.parse() {
        return Ok(Frames { stream, kind: None });
    }
    if let Some(kind) = StreamKind::ALL.map(FrameKind::Control).into_iter().find(|kind| kind.as_str() == text) {
        return Ok(Frames { stream: kind.stream(), kind: Some(kind) });
    }
    match text.parse::<Lane>() {
        Ok(lane) => Ok(Frames { stream: lane.kind(), kind: Some(lane.into()) }),
        Err(error) => {
            Err(format!("{error}, and the streams are {}", StreamKind::ALL.map(StreamKind::as_str).join(" and ")))
        }
    }
}

async fn show(args: Show) -> Result<ExitCode> {
    let Show { system, frames: Frames { stream, kind }, shard, from, limit, follow, json } = args;
    let selection = Selection { stream, shard, kind, from, limit, follow };
    let to = |met| match met {
        Met::Frame(frame) => print(if json { serde_json::to_string(&frame)? } else { frame_text(&frame) }),
        Met::TrimmedBefore(first) => {
            note!("the frames before {first} have been trimmed");
            Ok(ControlFlow::Continue(()))
        }
        Met::Missing(first, last) => {
            note!("frames {first} to {last} are not there");
            Ok(ControlFlow::Continue(()))
        }
    };
    log::show(&system.find().await?, selection, to).await?;
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
    let FrameReport { lane, seq, rows, bytes, .. } = frame;
    let (time, id, epoch) = (or_dash(frame.time.as_ref()), or_dash(frame.id.as_ref()), or_dash(frame.epoch));
    let mut text = format!("frame {seq}  {lane}  {time}  {rows} rows  {bytes} bytes  epoch {epoch}  id {id}");
    for fact in &frame.facts {
        // Writing into a String cannot fail.
        let _ = write!(text, "\n  {fact}");
    }
    if frame.left_out > 0 {
        let _ = write!(text, "\n  … and {} more", frame.left_out);
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
    let report = log::accept_loss(&args.system.find().await?, args.stream, args.shard, args.yes).await?;
    out!("{}", if args.json { serde_json::to_string(&report)? } else { loss_text(&report) })?;
    if report.known.as_ref().is_none_or(|loss| loss.accepted) {
        return Ok(ExitCode::SUCCESS);
    }
    note!("nothing was changed; --yes accepts this loss");
    Ok(ExitCode::FAILURE)
}

fn loss_text(report: &LossReport) -> String {
    let LossReport { stream, shard, position, known, .. } = report;
    let stream = stream.on(*shard);
    let Some(KnownLoss { committed_at, log, reason, detail, after, .. }) = known else {
        return format!("Stream {stream} was read up to {position}, and the log fits: nothing is lost.");
    };
    let incarnation = Incarnation::new(log.incarnation);
    let mut lines = vec![
        format!("Stream {stream}: {reason}."),
        format!("Position  {position}, committed at {committed_at}"),
        format!("Log       incarnation {incarnation}, frames {} to {}", log.first_seq, log.last_seq),
    ];
    lines.extend(detail.iter().cloned());
    if let Some(after) = after {
        lines.push(format!("Accepted: it is read on behind {after}. A writer that has halted notices within seconds."));
    }
    lines.join("\n")
}
