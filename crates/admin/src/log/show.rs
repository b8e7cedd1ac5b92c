//! Frames of one stream, decoded.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Result, bail};
use forebay_log::{FrameReader, Log, ReadError, ReadFrom, StreamState};
use forebay_model::{Lane, Position, ShardId};

use super::frame::FrameReport;
use crate::system::System;

/// How many frames are shown where nothing else is said.
const FRAMES: u64 = 20;
/// The most bytes of frames that are taken at a time.
const BYTES: usize = 4 << 20;
/// For how long a frame that is there may not come.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// Which frames.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Of this lane,
    pub lane: Lane,
    /// and this shard.
    pub shard: ShardId,
    /// The first frame, by its sequence number; else the last ones are shown.
    pub from: Option<u64>,
    /// The most frames: 20, or as many as come, where nothing is said.
    pub limit: Option<u64>,
    /// Wait for further frames.
    pub follow: bool,
}

/// What is met in a stream.
#[derive(Debug)]
pub enum Met {
    /// A frame, or what is there of one.
    Frame(Box<FrameReport>),
    /// The frames before this one have been trimmed.
    TrimmedBefore(u64),
    /// Frames that should be there are not: the first and the last of them.
    Missing(u64, u64),
}

/// Frames of a stream from a place on.
struct Frames<'a> {
    log: &'a Log,
    selection: Selection,
    state: StreamState,
    /// How many may still be shown.
    left: u64,
    next: u64,
}

/// Shows frames, one after the other, until there are no more or nobody wants them.
///
/// # Errors
/// Where there is no such shard or frame, or the log cannot be read.
pub async fn show(
    system: &System,
    selection: Selection,
    mut to: impl FnMut(Met) -> Result<ControlFlow<()>>,
) -> Result<()> {
    let Selection { lane, shard, from, limit, follow } = selection;
    system.check_shard(shard)?;
    let log = system.connect_log().await?;
    let state = log.stream_state(lane.on(shard)).await?;
    let limit = limit.unwrap_or(if follow { u64::MAX } else { FRAMES });
    let last_ones = (state.last_seq + 1).saturating_sub(limit.min(FRAMES));
    let next = from.unwrap_or(last_ones).max(1);
    if next > state.last_seq + 1 {
        bail!("the stream ends at frame {}", state.last_seq);
    }
    if next < state.first_seq && from.is_some() && to(Met::TrimmedBefore(state.first_seq))?.is_break() {
        return Ok(());
    }
    let next = next.max(state.first_seq);
    Frames { log: &log, selection, state, left: limit, next }.show(to).await
}

impl Frames<'_> {
    async fn show(&mut self, mut to: impl FnMut(Met) -> Result<ControlFlow<()>>) -> Result<()> {
        let Selection { lane, follow, .. } = self.selection;
        let mut reader = self.open().await?;
        while self.left > 0 && (follow || self.next <= self.state.last_seq) {
            match reader.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await {
                Ok(batch) if batch.is_empty() && !follow => bail!("frame {} does not come", self.next),
                Ok(batch) => {
                    for stored in batch.iter().take(usize::try_from(self.left).unwrap_or(usize::MAX)) {
                        if !follow && stored.position.seq > self.state.last_seq {
                            return Ok(());
                        }
                        if to(Met::Frame(Box::new(FrameReport::new(lane, stored))))?.is_break() {
                            return Ok(());
                        }
                        self.next = stored.position.seq + 1;
                        self.left -= 1;
                    }
                }
                Err(ReadError::Gap { next, .. }) => {
                    if to(Met::Missing(self.next, next - 1))?.is_break() {
                        return Ok(());
                    }
                    self.next = next;
                    reader = self.open().await?;
                }
                Err(ReadError::Damaged { seq, .. }) => {
                    let Some(Err(damaged)) = self.log.frame(lane.on(self.selection.shard), seq).await? else {
                        bail!("frame {seq} was damaged, and is not any more");
                    };
                    if to(Met::Frame(Box::new(FrameReport::damaged(&damaged))))?.is_break() {
                        return Ok(());
                    }
                    self.next = seq + 1;
                    self.left -= 1;
                    reader = self.open().await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn open(&self) -> Result<FrameReader> {
        let Selection { lane, shard, .. } = self.selection;
        let position = Position { incarnation: self.state.incarnation, seq: self.next - 1 };
        Ok(self.log.read(lane.on(shard), Some(ReadFrom { position, frame_id: None })).await?)
    }
}
