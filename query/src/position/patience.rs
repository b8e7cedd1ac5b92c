//! What a request waits for, and what the answer of a replica must hold.

use std::time::Duration;

use forebay_model::{Position, Receipt, StreamId, StreamKind};
use tokio::time::Instant;

/// How long a request waits, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Patience {
    /// What the answer must hold: until then there is none.
    pub(crate) receipt: Receipt,
    /// What a replica must hold, too, before its answer is believed. It is not waited for: the primary's answer
    /// counts as it is.
    pub(crate) floor: Receipt,
    pub(crate) until: Instant,
}

/// What an answer of one stream must hold.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Need {
    /// Waited for.
    pub(crate) target: Option<Position>,
    /// Asked of replicas.
    pub(crate) floor: Option<Position>,
}

impl Patience {
    /// Waits at most `wait` for what a receipt names.
    pub(crate) fn new(receipt: Receipt, wait: Duration) -> Self {
        Self { receipt, floor: Receipt::default(), until: Instant::now() + wait }
    }

    /// Nothing to wait for.
    pub(crate) fn none() -> Self {
        Self::new(Receipt::default(), Duration::ZERO)
    }

    /// With a position that replicas must have come to as well.
    pub(crate) fn with_floor(mut self, stream: StreamId, position: Position) -> Self {
        self.floor.note(stream, position);
        self
    }

    /// Without the orders that the receipt names: nothing that follows from them is waited for.
    pub(crate) fn without_orders(&self) -> Self {
        let mut receipt = Receipt::default();
        for (stream, position) in self.receipt.positions().filter(|(stream, _)| stream.kind == StreamKind::Derived) {
            receipt.note(stream, position);
        }
        Self { receipt, ..self.clone() }
    }

    /// What is left of it where a read of a stream has found what the receipt means there.
    pub(crate) fn settled(&self, stream: StreamId, target: Option<Position>) -> Self {
        let mut receipt = Receipt::default();
        if let Some(target) = target {
            receipt.note(stream, target);
        }
        Self { receipt, ..self.clone() }
    }
}

impl Need {
    /// Whether a server at this position has all of it.
    pub(crate) fn is_met_at(self, position: Position) -> bool {
        [self.target, self.floor].into_iter().flatten().all(|needed| position.covers(needed))
    }
}
