//! Frames that were read ahead: bounded in bytes, between the task that fetches and the caller that takes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::frame::stored::StoredFrame;
use crate::reader::ReadError;

/// What a frame costs beside its payload, so that very many tiny frames are bounded too.
const FRAME_OVERHEAD_BYTES: usize = 256;

#[derive(Debug)]
pub(crate) struct Buffer {
    bytes_max: usize,
    content: Mutex<Content>,
    filled: Notify,
    drained: Notify,
}

#[derive(Debug, Default)]
struct Content {
    frames: VecDeque<StoredFrame>,
    bytes: usize,
    /// Why no more frames come. Given after the last frame.
    end: Option<ReadError>,
}

impl Buffer {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, content: Mutex::default(), filled: Notify::new(), drained: Notify::new() }
    }

    /// Puts a frame in. Whether there is room was settled by [`Buffer::room`] before the frame was asked for.
    pub(crate) fn push(&self, frame: StoredFrame) {
        let mut content = self.content();
        content.bytes += cost(&frame);
        content.frames.push_back(frame);
        drop(content);
        self.filled.notify_one();
    }

    /// Says why no more frames come. The first reason stays.
    pub(crate) fn end(&self, error: ReadError) {
        self.content().end.get_or_insert(error);
        self.filled.notify_one();
    }

    /// Waits until that many bytes may be asked for: they fit in, or nothing is there at all.
    pub(crate) async fn room(&self, bytes: usize) {
        loop {
            let held = self.content().bytes;
            if held == 0 || held.saturating_add(bytes) <= self.bytes_max {
                return;
            }
            self.drained.notified().await;
        }
    }

    /// Waits for a frame, and takes it with what else is there within the bounds.
    pub(crate) async fn take(&self, rows_max: usize, bytes_max: usize) -> Result<Vec<StoredFrame>, ReadError> {
        loop {
            {
                let mut content = self.content();
                if !content.frames.is_empty() {
                    let batch = content.take(rows_max, bytes_max);
                    drop(content);
                    self.drained.notify_one();
                    return Ok(batch);
                }
                if let Some(error) = &content.end {
                    return Err(error.clone());
                }
            }
            self.filled.notified().await;
        }
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Content {
    fn take(&mut self, rows_max: usize, bytes_max: usize) -> Vec<StoredFrame> {
        let (mut count, mut rows, mut bytes) = (0, 0, 0);
        for frame in &self.frames {
            rows += frame.rows() as usize;
            bytes += frame.payload().len();
            if count > 0 && (rows > rows_max || bytes > bytes_max) {
                break;
            }
            count += 1;
        }
        let batch: Vec<StoredFrame> = self.frames.drain(..count).collect();
        self.bytes -= batch.iter().map(cost).sum::<usize>();
        batch
    }
}

fn cost(frame: &StoredFrame) -> usize {
    frame.payload().len() + frame.frame.as_ref().map_or(0, |frame| frame.claims.bytes()) + FRAME_OVERHEAD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::frame::id::FrameId;
    use bytes::Bytes;
    use forebay_model::{Claims, Epoch, Incarnation, Lane, Position, Timestamp};

    fn content(rows: &[u32]) -> Content {
        let mut content = Content::default();
        for (i, &rows) in rows.iter().enumerate() {
            let id = FrameId::random();
            let position = Position { incarnation: Incarnation::new(1), seq: i as u64 + 1 };
            let payload = Bytes::from(vec![0; rows as usize * 10]);
            let enqueued_at = Timestamp::from_unix_us(0);
            let frame = Frame {
                kind: Lane::Orders.into(),
                rows,
                epoch: Epoch(1),
                enqueued_at,
                id: id.clone(),
                payload,
                claims: Claims::default(),
            };
            let stored = StoredFrame { position, kind: Lane::Orders.into(), id: Some(id), frame: Ok(frame) };
            content.bytes += cost(&stored);
            content.frames.push_back(stored);
        }
        content
    }

    #[test]
    fn a_batch_keeps_both_bounds_and_is_never_empty() {
        let taken = |rows: &[u32], rows_max, bytes_max| content(rows).take(rows_max, bytes_max).len();
        assert_eq!(taken(&[3, 3, 3], 6, 1000), 2);
        assert_eq!(taken(&[3, 3, 3], 1000, 60), 2);
        assert_eq!(taken(&[3, 3, 3], 8, 1000), 2);
        assert_eq!(taken(&[9, 1], 2, 2), 1);
        assert_eq!(taken(&[1, 1], 0, 0), 1);
    }

    #[test]
    fn bytes_are_given_back() {
        let mut content = content(&[1, 2, 3]);
        content.take(3, 1000);
        content.take(3, 1000);
        assert_eq!((content.bytes, content.frames.len()), (0, 0));
    }
}
