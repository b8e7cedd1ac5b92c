//! Frames of one stream, decoded.

use std::ops::ControlFlow;
use std::time::Duration;

use anyhow::{Result, bail};
use forebay_log::{FrameKind, FrameReader, Log, ReadError, ReadFrom, StreamState};
use forebay_model::{Position, ShardId, StreamId, StreamKind};

use super::frame::FrameReport;
use crate::system::System;

/// How many facts are shown where nothing else is said.
const FACTS: u64 = 20;
/// The most bytes of frames that are taken at a time.
const BYTES: usize = 4 << 20;
/// For how long a frame that is there may not come.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// Which frames.
#[derive(Debug, Clone, Copy)]
pub struct Selection {
    /// Of this stream,
    pub stream: StreamKind,
    /// of this shard;
    pub shard: ShardId,
    /// that carry this, or whatever they carry.
    pub kind: Option<FrameKind>,
    /// The first frame, by its sequence number; else the last facts are shown.
    pub from: Option<u64>,
    /// The most facts, where a frame that has none counts for one: 20, or as many as come, where nothing is said.
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
    stream: StreamId,
    kind: Option<FrameKind>,
    follow: bool,
    state: StreamState,
    /// How many facts may still be shown.
    left: u64,
    /// How many facts of the first frame are not.
    skip: u64,
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
    let Selection { stream, shard, kind, from, limit, follow } = selection;
    system.check_shard(shard)?;
    let (log, stream) = (system.connect_log().await?, stream.on(shard));
    let state = log.stream_state(stream).await?;
    let left = limit.unwrap_or(if follow { u64::MAX } else { FACTS });
    let mut frames = Frames { log: &log, stream, kind, follow, state, left, skip: 0, next: state.first_seq };
    match from {
        Some(from) if from > state.last_seq + 1 => bail!("the stream ends at frame {}", state.last_seq),
        Some(from) if from < state.first_seq => {
            if to(Met::TrimmedBefore(state.first_seq))?.is_break() {
                return Ok(());
            }
        }
        Some(from) => frames.next = from,
        None => (frames.next, frames.skip) = frames.last_ones(limit.unwrap_or(FACTS)).await?,
    }
    frames.show(to).await
}

impl Frames<'_> {
    /// The sequence number of the frame with the first of the last N facts of the kind, and how many stand before that one in it. The stream is
    /// read from its end, in steps of which each is twice the one before.
    async fn last_ones(&self, count: u64) -> Result<(u64, u64)> {
        let StreamState { first_seq, last_seq, .. } = self.state;
        let (mut behind, mut step, mut found) = (last_seq + 1, count.max(1), 0);
        while behind > first_seq && found < count {
            let from = behind.saturating_sub(step).max(first_seq);
            for (seq, facts) in self.wanted(from, behind).await?.into_iter().rev() {
                found += facts;
                if found >= count {
                    return Ok((seq, found - count));
                }
            }
            (behind, step) = (from, step * 2);
        }
        Ok((behind, 0))
    }

    /// The sequence numbers of the wanted frames from one frame to before another, and for how many facts each counts.
    async fn wanted(&self, from: u64, behind: u64) -> Result<Vec<(u64, u64)>> {
        let is_wanted = |kind| self.kind.is_none_or(|wanted| wanted == kind);
        let (mut next, mut found) = (from, Vec::new());
        let mut reader = self.open(next).await?;
        while next < behind {
            match reader.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await {
                Ok(batch) if batch.is_empty() => bail!("frame {next} does not come"),
                Ok(batch) => {
                    let wanted = batch.iter().filter(|stored| is_wanted(stored.kind) && stored.position.seq < behind);
                    found.extend(wanted.map(|stored| (stored.position.seq, u64::from(stored.rows()).max(1))));
                    next = batch.last().map_or(next, |stored| stored.position.seq + 1);
                }
                Err(ReadError::Gap { next: there, .. }) => {
                    next = there;
                    reader = self.open(next).await?;
                }
                Err(ReadError::Unreadable { seq, .. }) => {
                    let there = self.log.frame(self.stream, seq).await?;
                    found.extend(there.and_then(Result::err).filter(|unread| is_wanted(unread.kind)).map(|_| (seq, 1)));
                    next = seq + 1;
                    reader = self.open(next).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(found)
    }

    async fn show(&mut self, mut to: impl FnMut(Met) -> Result<ControlFlow<()>>) -> Result<()> {
        let mut reader = self.open(self.next).await?;
        while self.left > 0 && (self.follow || self.next <= self.state.last_seq) {
            match reader.next_batch_within(usize::MAX, BYTES, FRAME_MAX).await {
                Ok(batch) if batch.is_empty() && !self.follow => bail!("frame {} does not come", self.next),
                Ok(batch) => {
                    for stored in &batch {
                        if self.left == 0 || (!self.follow && stored.position.seq > self.state.last_seq) {
                            return Ok(());
                        }
                        self.next = stored.position.seq + 1;
                        if self.kind.is_some_and(|kind| kind != stored.kind) {
                            continue;
                        }
                        if self.tell(FrameReport::new(stored), &mut to)?.is_break() {
                            return Ok(());
                        }
                    }
                }
                Err(ReadError::Gap { next, .. }) => {
                    if to(Met::Missing(self.next, next - 1))?.is_break() {
                        return Ok(());
                    }
                    self.next = next;
                    reader = self.open(next).await?;
                }
                Err(ReadError::Unreadable { seq, .. }) => {
                    let Some(Err(unread)) = self.log.frame(self.stream, seq).await? else {
                        bail!("frame {seq} could not be read, and now it can");
                    };
                    self.next = seq + 1;
                    reader = self.open(self.next).await?;
                    if self.kind.is_some_and(|kind| kind != unread.kind) {
                        continue;
                    }
                    if self.tell(FrameReport::unreadable(&unread), &mut to)?.is_break() {
                        return Ok(());
                    }
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Shows as much of a frame as may be.
    fn tell(
        &mut self,
        mut frame: FrameReport,
        to: &mut impl FnMut(Met) -> Result<ControlFlow<()>>,
    ) -> Result<ControlFlow<()>> {
        let counts = frame.cut(std::mem::take(&mut self.skip), self.left);
        self.left = self.left.saturating_sub(counts);
        to(Met::Frame(Box::new(frame)))
    }

    async fn open(&self, next: u64) -> Result<FrameReader> {
        let position = Position { incarnation: self.state.incarnation, seq: next - 1 };
        Ok(self.log.read(self.stream, Some(ReadFrom { position, frame_id: None })).await?)
    }
}
