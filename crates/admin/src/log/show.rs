//! `forebay log show`: frames of one stream, decoded.

use std::io::{ErrorKind, Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use forebay_log::{FrameReader, Log, ReadError, ReadFrom, StreamState};
use forebay_model::{Lane, Position, ShardId};

use super::frame::ShownFrame;
use crate::system::{self, SystemSettings};

/// How many frames are shown where nothing else is said.
const FRAMES: u64 = 20;
/// The most bytes of frames that are taken at a time.
const BYTES: usize = 4 << 20;
/// For how long a frame that is there may not come.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// What `log show` can be told.
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

/// Frames of a stream from a place on.
struct Frames<'a> {
    log: &'a Log,
    settings: &'a Settings,
    state: StreamState,
    /// How many may still be shown.
    left: u64,
    next: u64,
}

/// Shows them.
pub(super) async fn run(settings: &Settings) -> Result<ExitCode> {
    settings.system.check_shard(settings.shard)?;
    let log = settings.system.connect_log().await?;
    let state = log.stream_state(settings.lane.on(settings.shard)).await?;
    let limit = settings.limit.unwrap_or(if settings.follow { u64::MAX } else { FRAMES });
    let last_ones = (state.last_seq + 1).saturating_sub(limit.min(FRAMES));
    let next = settings.from.unwrap_or(last_ones).max(1);
    if next > state.last_seq + 1 {
        bail!("the stream ends at frame {}", state.last_seq);
    }
    if next < state.first_seq && settings.from.is_some() {
        eprintln!("the frames before {} have been trimmed", state.first_seq);
    }
    let next = next.max(state.first_seq);
    Frames { log: &log, settings, state, left: limit, next }.show().await?;
    Ok(ExitCode::SUCCESS)
}

impl Frames<'_> {
    async fn show(&mut self) -> Result<()> {
        let mut reader = self.open().await?;
        while self.left > 0 && (self.settings.follow || self.next <= self.state.last_seq) {
            match reader.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await {
                Ok(batch) if batch.is_empty() && !self.settings.follow => bail!("frame {} does not come", self.next),
                Ok(batch) => {
                    for stored in batch.iter().take(usize::try_from(self.left).unwrap_or(usize::MAX)) {
                        if !self.settings.follow && stored.position.seq > self.state.last_seq {
                            return Ok(());
                        }
                        if !print(&ShownFrame::new(self.settings.lane, stored), self.settings.json)? {
                            return Ok(());
                        }
                        self.next = stored.position.seq + 1;
                        self.left -= 1;
                    }
                }
                Err(ReadError::Gap { next, .. }) => {
                    eprintln!("frames {} to {} are not there", self.next, next - 1);
                    self.next = next;
                    reader = self.open().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn open(&self) -> Result<FrameReader> {
        let position = Position { incarnation: self.state.incarnation, seq: self.next - 1 };
        let after = ReadFrom { position, frame_id: None };
        Ok(self.log.read(self.settings.lane.on(self.settings.shard), Some(after)).await?)
    }
}

/// Prints a frame. `false` where nobody reads any more.
fn print(frame: &ShownFrame, as_json: bool) -> Result<bool> {
    let text = if as_json { serde_json::to_string(frame)? } else { frame.text() };
    let mut out = stdout().lock();
    match writeln!(out, "{text}").and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}
