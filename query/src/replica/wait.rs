//! Waiting for what a receipt names: writes are asynchronous, and still a client reads what it has written.
//!
//! Notices wake, the position decides: a read is tried when the lane is known to have come far enough, and its answer
//! counts only if the position in the snapshot of its rows says so too. That holds for every server of a shard.

use std::time::Duration;

use forebay_model::{Lane, Position};
use forebay_shard::read::{Rows, Statement};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::error::ReadError;
use crate::position::patience::{Need, Patience};
use crate::replica::shard::Shard;

/// How often the shard itself is asked while no notice comes.
const POLL_EVERY: Duration = Duration::from_millis(50);

impl Shard {
    /// Runs a statement, once the lane has come to what the receipt names. The rows hold all of it.
    ///
    /// # Errors
    /// [`ReadError::NotYetVisible`] when the time is over.
    pub(crate) async fn read_after(&self, statement: &Statement<'_>, patience: &Patience) -> Result<Rows, ReadError> {
        let lane = statement.lane();
        let need = patience.need(lane.on(self.id()));
        let Some(target) = need.target else { return Ok(self.read(statement, need).await?) };
        loop {
            self.wait_for(lane, target, patience.until).await?;
            let rows = self.read(statement, need).await?;
            if rows.position.is_some_and(|position| position.covers(target)) {
                return Ok(rows);
            }
            // What was known to be there is not: another server answers, or this one has lost its last commits.
            self.pause(lane, target, patience.until).await?;
        }
    }

    /// Returns when the lane is known to have come to the target.
    async fn wait_for(&self, lane: Lane, target: Position, until: Instant) -> Result<(), ReadError> {
        let is_there = |known: &Option<Position>| known.is_some_and(|known| known.covers(target));
        let mut followed = self.known().follow(lane);
        loop {
            if is_there(&followed.borrow_and_update()) {
                return Ok(());
            }
            self.poll(lane, target).await?;
            let next_poll = until.min(Instant::now() + POLL_EVERY);
            match timeout_at(next_poll, followed.wait_for(is_there)).await {
                Ok(_) => return Ok(()),
                Err(_) if Instant::now() >= until => return Err(self.not_yet(lane, target)),
                Err(_) => {}
            }
        }
    }

    async fn pause(&self, lane: Lane, target: Position, until: Instant) -> Result<(), ReadError> {
        if Instant::now() >= until {
            return Err(self.not_yet(lane, target));
        }
        sleep_until(until.min(Instant::now() + POLL_EVERY)).await;
        Ok(())
    }

    /// Asks the shard how far a lane is; one request at a time asks for all that wait.
    async fn poll(&self, lane: Lane, target: Position) -> Result<(), ReadError> {
        let Some(_turn) = self.known().take_turn(lane) else { return Ok(()) };
        self.read(&Statement::position(lane), Need { target: Some(target), floor: None }).await?;
        Ok(())
    }

    fn not_yet(&self, lane: Lane, target: Position) -> ReadError {
        ReadError::NotYetVisible { stream: lane.on(self.id()), target }
    }
}
