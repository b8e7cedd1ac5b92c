//! The rows of one source, read ahead: while one piece is written out, the next one is read.

use std::sync::Arc;
use std::time::Duration;

use forebay_shard::read::OrderRow;
use forebay_task::Backoff;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::debug;

use crate::error::ReadError;
use crate::list::hand::{Hand, Piece};
use crate::list::source::Source;
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;

/// The most rows of a piece.
pub(crate) const ROWS_MAX: usize = 2000;
/// The fewest, where rows are large or the shard is slow. Two of the largest orders are no more than a piece should have.
const ROWS_MIN: usize = 2;
/// What a piece should have in bytes: half of what it may have, so that reading one is hardly ever broken off.
const PIECE_BYTES: usize = 512 << 10;

/// How long to wait for a shard before it is asked again.
const RETRY: Backoff = Backoff::new(Duration::from_millis(50), Duration::from_secs(1));

/// What was read together.
struct Batch {
    hand: Hand,
    is_last: bool,
}

/// The rows of one source.
pub(super) struct Feed {
    hand: Hand,
    /// Empty behind the last batch.
    batches: Option<mpsc::Receiver<Result<Batch, ReadError>>>,
}

/// Reads the pieces of a source.
struct Reader {
    source: Source,
    patience: Patience,
    /// The permits to read from the shard: exports leave connections for other reads.
    reads: Arc<Semaphore>,
    /// How long a shard may be away.
    give_up: Duration,
    /// What the client was told: everything that was committed before it is in the export.
    told: ReadAt,
    rows: usize,
}

impl Feed {
    /// Goes on from a source that has its first rows in hand.
    pub(super) fn start(
        mut source: Source,
        patience: Patience,
        reads: Arc<Semaphore>,
        give_up: Duration,
        tasks: &mut JoinSet<()>,
    ) -> Self {
        let hand = source.hand().take();
        if source.is_read() {
            return Self { hand, batches: None };
        }
        // One batch lies ready while the one before it is written out.
        let (sender, batches) = mpsc::channel(1);
        let told = source.read_at().clone();
        let mut reader = Reader { told, source, patience, reads, give_up, rows: ROWS_MAX };
        reader.note(&hand);
        tasks.spawn(reader.run(sender));
        Self { hand, batches: Some(batches) }
    }

    pub(super) fn hand(&mut self) -> &mut Hand {
        &mut self.hand
    }

    /// Makes sure that something is in hand.
    pub(super) async fn fill(&mut self) -> Result<(), ReadError> {
        while self.hand.is_empty() {
            let Some(batches) = &mut self.batches else { return Ok(()) };
            // A reader that ends without its last batch has failed, whatever became of it.
            let batch = batches.recv().await.ok_or(ReadError::Missing(vec![self.hand.shard()]))??;
            self.hand.extend(batch.hand);
            if batch.is_last {
                self.batches = None;
            }
        }
        Ok(())
    }
}

impl Reader {
    async fn run(mut self, batches: mpsc::Sender<Result<Batch, ReadError>>) {
        loop {
            // First the place and then the batch: no more than one lies ready.
            let Ok(place) = batches.reserve().await else { return };
            let read = self.read().await;
            let is_over = read.as_ref().map_or(true, |batch| batch.is_last);
            place.send(read);
            if is_over {
                return;
            }
        }
    }

    /// Reads a batch; again, where the shard is away for a while.
    async fn read(&mut self) -> Result<Batch, ReadError> {
        let (began, mut backoff) = (Instant::now(), RETRY);
        loop {
            let error = match self.attempt().await {
                Ok(()) => break,
                Err(error) if is_passing(&error) && began.elapsed() < self.give_up => error,
                Err(error) => return Err(error),
            };
            debug!(shard = %self.source.shard_id(), "an export waits for a shard: {error}");
            self.rows = (self.rows / 2).max(ROWS_MIN);
            backoff.wait().await;
        }
        self.check()?;
        let hand = self.source.hand().take();
        self.note(&hand);
        Ok(Batch { hand, is_last: self.source.is_read() })
    }

    async fn attempt(&mut self) -> Result<(), ReadError> {
        let _permit = self.reads.acquire().await;
        self.source.fill(self.rows, &self.patience).await
    }

    /// A shard that has lost commits on the way (a replica that was behind took the place of its primary) no longer has what the
    /// client was told.
    fn check(&self) -> Result<(), ReadError> {
        for (stream, told) in self.told.iter() {
            if self.source.read_at().position(stream).is_some_and(|at| told.is_later_than(at)) {
                return Err(ReadError::NotYetVisible { stream, target: told });
            }
        }
        Ok(())
    }

    /// Sizes the next batch by the last one.
    fn note(&mut self, hand: &Hand) {
        let bytes = hand.pieces().flat_map(Piece::rows).map(OrderRow::bytes).sum();
        self.rows = rows_of_next(hand.len(), bytes);
    }
}

/// How many rows make a piece, where the last `rows` had `bytes`.
fn rows_of_next(rows: usize, bytes: usize) -> usize {
    let each = bytes.checked_div(rows).unwrap_or_default().max(1);
    (PIECE_BYTES / each).clamp(ROWS_MIN, ROWS_MAX)
}

/// Whether it may be otherwise in a moment: the shard is restarted, or another server takes its place.
fn is_passing(error: &ReadError) -> bool {
    match error {
        ReadError::Shard(error) => error.is_outage(),
        ReadError::NotYetVisible { .. } | ReadError::NotYetDerived { .. } => true,
        ReadError::Shared(error) => is_passing(error),
        ReadError::Missing(_) | ReadError::Moved | ReadError::Told(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_of_large_rows_have_few_of_them() {
        assert_eq!(rows_of_next(0, 0), ROWS_MAX);
        assert_eq!(rows_of_next(100, 20_000), ROWS_MAX);
        assert_eq!(rows_of_next(100, 100 * 1024), 512);
        assert_eq!(rows_of_next(3, 3 * 250_000), ROWS_MIN);
    }
}
