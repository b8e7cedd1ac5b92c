//! How far the streams of a shard are known to have come: by what notices say, and by what reads have seen.
//!
//! It only decides whether it is worth while to read, and where. Whether an answer holds what a receipt names is decided by
//! the position that was read together with the answer's rows.

use std::sync::PoisonError;
use std::time::{Duration, Instant};

use forebay_model::{PerKind, Position, StreamKind};
use tokio::sync::{Mutex, MutexGuard, watch};

use crate::position::history::History;

/// The last known position of each stream.
#[derive(Debug)]
pub(crate) struct Known(PerKind<KnownStream>);

#[derive(Debug)]
struct KnownStream {
    position: watch::Sender<Option<Position>>,
    history: std::sync::Mutex<History>,
    turn: Mutex<()>,
}

impl Known {
    /// Nothing is known yet. Lags are told up to `lag_max`.
    pub(crate) fn new(lag_max: Duration) -> Self {
        Self(PerKind::from_fn(|_| KnownStream {
            position: watch::Sender::new(None),
            history: History::new(lag_max).into(),
            turn: Mutex::default(),
        }))
    }

    /// Notes a position that was seen; those that wait for one are woken where it is later.
    pub(crate) fn note(&self, kind: StreamKind, seen: Position) {
        self.of(kind).send_if_modified(|known| {
            let is_news = known.is_none_or(|known| seen.is_later_than(known));
            if is_news {
                *known = Some(seen);
                self.with_history(kind, |history| history.note(seen, Instant::now()));
            }
            is_news
        });
    }

    /// For how long a server that is at this position has been behind.
    pub(crate) fn lag(&self, kind: StreamKind, position: Position) -> Duration {
        self.with_history(kind, |history| history.lag(position, Instant::now()))
    }

    /// Follows the last known position of a stream.
    pub(crate) fn follow(&self, kind: StreamKind) -> watch::Receiver<Option<Position>> {
        self.of(kind).subscribe()
    }

    /// The turn to ask the shard itself; `None` while another request has it, whose answer will be noted here.
    pub(crate) fn take_turn(&self, kind: StreamKind) -> Option<MutexGuard<'_, ()>> {
        self.0[kind].turn.try_lock().ok()
    }

    fn with_history<T>(&self, kind: StreamKind, work: impl FnOnce(&mut History) -> T) -> T {
        work(&mut self.0[kind].history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn of(&self, kind: StreamKind) -> &watch::Sender<Option<Position>> {
        &self.0[kind].position
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;

    #[test]
    fn an_earlier_position_is_no_news() {
        let at = |incarnation, seq| Position { incarnation: Incarnation::new(incarnation), seq };
        let known = Known::new(Duration::from_secs(1));
        known.note(StreamKind::Logged, at(1, 7));
        known.note(StreamKind::Logged, at(1, 6));
        let mut followed = known.follow(StreamKind::Logged);
        assert_eq!((*followed.borrow(), *known.follow(StreamKind::Derived).borrow()), (Some(at(1, 7)), None));
        followed.mark_unchanged();
        known.note(StreamKind::Logged, at(1, 7));
        assert!(!followed.has_changed().unwrap());
        known.note(StreamKind::Logged, at(2, 1));
        assert_eq!(*followed.borrow_and_update(), Some(at(2, 1)));
    }
}
