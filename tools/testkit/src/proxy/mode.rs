//! What a proxy does with what passes, and what its connections count together.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::watch;

/// What a proxy does with what passes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything passes.
    #[default]
    Pass,
    /// Every chunk arrives later by this much.
    Delay(Duration),
    /// Each direction of each connection takes this many bytes per second.
    Throttle(u32),
    /// Nothing is taken from the sockets: senders find them full, and everything goes on where it was.
    Stall,
    /// Connections are reset, new ones too.
    Reset,
    /// Nothing arrives, and nobody is told: connections stay open, and new ones are accepted.
    BlackHole,
    /// Once clients have brought this many bytes in all, it is a black hole.
    BlackHoleAfter(u64),
    /// A connection passes this many bytes more and is reset in the middle of what it was passing.
    CutAfter(u64),
}

/// What is to happen: connections follow it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    pub(super) mode: Mode,
    /// A connection that sees it grow is reset. It is not a mode, because a mode that is soon another one would be missed.
    pub(super) cuts: u64,
}

/// What all connections of a proxy share.
#[derive(Debug, Default)]
pub(super) struct State {
    order: watch::Sender<Order>,
    pub(super) open: AtomicUsize,
    pub(super) lossy: AtomicUsize,
    pub(super) cuts: AtomicUsize,
    pub(super) brought: AtomicU64,
}

impl State {
    pub(super) fn orders(&self) -> watch::Receiver<Order> {
        self.order.subscribe()
    }

    pub(super) fn mode(&self) -> Mode {
        self.order.borrow().mode
    }

    pub(super) fn set(&self, mode: Mode) {
        self.order.send_modify(|order| order.mode = mode);
    }

    pub(super) fn cut(&self) {
        self.order.send_modify(|order| order.cuts += 1);
    }

    /// Counts what a client has brought, which may be what makes a black hole of it.
    pub(super) fn bring(&self, bytes: usize) {
        let brought = self.brought.fetch_add(bytes as u64, Ordering::Relaxed) + bytes as u64;
        if matches!(self.mode(), Mode::BlackHoleAfter(bytes_max) if brought > bytes_max) {
            self.set(Mode::BlackHole);
        }
    }
}
