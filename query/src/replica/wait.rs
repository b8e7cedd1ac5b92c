//! Waiting for what a receipt names: writes are asynchronous, and still a client reads what it has written.
//!
//! Notices wake, the position decides: a read is tried when the stream is known to have come far enough, and its answer
//! counts only if the position in the snapshot of its rows says so too. That holds for every server of a shard. What a receipt
//! of orders means for a derived stream is looked up first: see [`follow`](crate::replica::follow).

use std::time::Duration;

use forebay_model::{Position, StreamId, StreamKind};
use forebay_shard::read::{Rows, Statement};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::ReadError;
use crate::position::patience::{Need, Patience};
use crate::replica::shard::Shard;
use crate::replica::shards::Shards;

/// How often a shard itself is asked while no notice comes.
pub(crate) const POLL_EVERY: Duration = Duration::from_millis(50);

/// Rows that hold what a receipt names.
#[derive(Debug)]
pub(crate) struct RowsAfter {
    pub(crate) rows: Rows,
    /// The position that they had to hold, of the stream that they were read from.
    pub(crate) target: Option<Position>,
}

/// How a wait ended.
pub(crate) enum Waited {
    /// The stream is known to have come to the target.
    There,
    /// It is another making of the stream than the target's.
    Elsewhere,
}

impl Shards {
    /// Runs a statement on a shard, once its stream has come to what the receipt names, or to what follows from that. The rows
    /// hold all of it.
    ///
    /// # Errors
    /// [`ReadError::NotYetVisible`] or [`ReadError::NotYetDerived`] when the time is over.
    pub(crate) async fn read_after(
        &self,
        shard: &Shard,
        statement: &Statement<'_>,
        patience: &Patience,
    ) -> Result<RowsAfter, ReadError> {
        let stream = statement.stream().on(shard.id());
        loop {
            let target = self.target(shard, stream, patience).await?;
            let need = Need { target, floor: patience.floor.position(stream) };
            let Some(awaited) = target else {
                return Ok(RowsAfter { rows: shard.read(statement, need).await?, target });
            };
            if let Waited::There = shard.wait_for(stream.kind, awaited, patience.until).await? {
                let rows = shard.read(statement, need).await?;
                if rows.position.is_some_and(|position| position.covers(awaited)) {
                    return Ok(RowsAfter { rows, target });
                }
            }
            // What was known to be there is not: another server answers, or this one has lost its last commits. Or it is
            // another stream, for which everything is derived again.
            shard.pause(stream.kind, awaited, patience.until).await?;
        }
    }

    /// What a receipt means for one stream.
    pub(crate) async fn target(
        &self,
        shard: &Shard,
        stream: StreamId,
        patience: &Patience,
    ) -> Result<Option<Position>, ReadError> {
        let direct = patience.receipt.position(stream);
        if stream.kind == StreamKind::Logged {
            return Ok(direct);
        }
        loop {
            let mut targets = self.follow_all(shard, patience).await?;
            targets.extend(direct);
            let Some(&last) = targets.iter().max_by_key(|target| (target.incarnation, target.seq)) else {
                return Ok(None);
            };
            if targets.iter().all(|&target| last.covers(target)) {
                return Ok(Some(last));
            }
            // Parts of different makings of the stream: no position has both.
            shard.pause(stream.kind, last, patience.until).await?;
        }
    }
}

impl Shard {
    /// Returns when the stream is known to have come to the target, or to be another one.
    pub(crate) async fn wait_for(
        &self,
        kind: StreamKind,
        target: Position,
        until: Instant,
    ) -> Result<Waited, ReadError> {
        let is_elsewhere = |known: Position| known.incarnation != target.incarnation;
        let is_over = |known: &Option<Position>| known.is_some_and(|known| known.covers(target));
        let mut followed = self.known().follow(kind);
        loop {
            if is_over(&followed.borrow_and_update()) {
                return Ok(Waited::There);
            }
            self.poll(kind, target).await?;
            if followed.borrow().is_some_and(is_elsewhere) {
                return Ok(Waited::Elsewhere);
            }
            let next_poll = until.min(Instant::now() + POLL_EVERY);
            match timeout_at(next_poll, followed.wait_for(is_over)).await {
                Ok(_) => return Ok(Waited::There),
                Err(_) if Instant::now() >= until => return Err(self.not_yet(kind, target)),
                Err(_) => {}
            }
        }
    }

    async fn pause(&self, kind: StreamKind, target: Position, until: Instant) -> Result<(), ReadError> {
        if Instant::now() >= until {
            return Err(self.not_yet(kind, target));
        }
        sleep_until(until.min(Instant::now() + POLL_EVERY)).await;
        Ok(())
    }

    /// Asks the shard how far a stream is; one request at a time asks for all that wait.
    async fn poll(&self, kind: StreamKind, target: Position) -> Result<(), ReadError> {
        let Some(_turn) = self.known().take_turn(kind) else { return Ok(()) };
        self.read(&Statement::position(kind), Need { target: Some(target), floor: None }).await?;
        Ok(())
    }

    fn not_yet(&self, kind: StreamKind, target: Position) -> ReadError {
        ReadError::NotYetVisible { stream: kind.on(self.id()), target }
    }
}
