//! The bound on bytes in hand. A request that is read into memory holds a permit for its bytes, and the permit travels
//! with them until they are logged.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::MEMORY_BYTES;
use forebay_service::Problem;
use metrics::{Gauge, gauge};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Permits count in this many bytes, so that a bound of many gigabytes fits a semaphore.
const UNIT_BYTES: usize = 256;

/// How long a request waits for room.
const WAIT: Duration = Duration::from_secs(2);

/// The room for bytes in hand.
#[derive(Clone)]
pub(crate) struct Memory {
    room: Arc<Semaphore>,
    units: usize,
    in_hand: Gauge,
}

/// Room for some bytes; it is given back when this goes.
pub(crate) struct Held {
    permit: OwnedSemaphorePermit,
    in_hand: Gauge,
}

impl Memory {
    pub(crate) fn new(bytes_max: usize) -> Self {
        let units = (bytes_max / UNIT_BYTES).clamp(1, Semaphore::MAX_PERMITS);
        Self { room: Arc::new(Semaphore::new(units)), units, in_hand: gauge!(MEMORY_BYTES.name) }
    }

    /// Room for that many bytes, if there is some at once.
    pub(crate) fn try_hold(&self, bytes: usize) -> Option<Held> {
        let permit = self.room.clone().try_acquire_many_owned(self.units_of(bytes)).ok()?;
        Some(self.held(permit))
    }

    /// Room for that many bytes.
    ///
    /// # Errors
    /// The problem `overloaded` where there is none in time.
    pub(crate) async fn hold(&self, bytes: usize) -> Result<Held, Problem> {
        match timeout(WAIT, self.room.clone().acquire_many_owned(self.units_of(bytes))).await {
            Ok(Ok(permit)) => Ok(self.held(permit)),
            _ => Err(Problem::overloaded("as many bytes are in hand as the settings allow")),
        }
    }

    fn held(&self, permit: OwnedSemaphorePermit) -> Held {
        self.in_hand.increment((permit.num_permits() * UNIT_BYTES) as f64);
        Held { permit, in_hand: self.in_hand.clone() }
    }

    /// What is larger than all the room there is gets all of it.
    fn units_of(&self, bytes: usize) -> u32 {
        bytes.div_ceil(UNIT_BYTES).min(self.units) as u32
    }
}

impl Held {
    /// Gives back what is beyond that many bytes.
    pub(crate) fn keep(&mut self, bytes: usize) {
        let beyond = self.permit.num_permits().saturating_sub(bytes.div_ceil(UNIT_BYTES));
        let permit = self.permit.split(beyond);
        drop(permit.map(|permit| Self { permit, in_hand: self.in_hand.clone() }));
    }

    /// Makes one of two.
    pub(crate) fn join(&mut self, mut other: Self) {
        let empty = other.permit.split(0);
        let permit = std::mem::replace(&mut other.permit, empty.expect("nothing can always be split off"));
        self.permit.merge(permit);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.in_hand.decrement((self.permit.num_permits() * UNIT_BYTES) as f64);
    }
}
