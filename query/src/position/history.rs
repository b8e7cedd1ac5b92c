//! When a stream was known to have come to which position, as far back as that matters: it tells how far a replica is behind.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use forebay_model::Position;

/// The span is divided into this many slots; what happens within one counts as having happened when it began.
const SLOTS: u32 = 16;

/// The positions of a stream over a span of time that ends now.
#[derive(Debug)]
pub(crate) struct History {
    span: Duration,
    /// The oldest first; one of them may be older than the span.
    marks: VecDeque<Mark>,
}

/// Since then the stream is known to have come as far as that.
#[derive(Debug)]
struct Mark {
    position: Position,
    since: Instant,
}

impl History {
    pub(crate) fn new(span: Duration) -> Self {
        Self { span, marks: VecDeque::new() }
    }

    /// Notes a later position than all before.
    pub(crate) fn note(&mut self, position: Position, now: Instant) {
        match self.marks.back_mut() {
            Some(last) if now.duration_since(last.since) < self.span / SLOTS => last.position = position,
            _ => self.marks.push_back(Mark { position, since: now }),
        }
        while self.marks.get(1).is_some_and(|mark| now.duration_since(mark.since) > self.span) {
            self.marks.pop_front();
        }
    }

    /// For how long a server at this position has been behind; what exceeds the span is only known to exceed it.
    pub(crate) fn lag(&self, position: Position, now: Instant) -> Duration {
        let next = self.marks.iter().find(|mark| mark.position.is_later_than(position));
        next.map(|mark| now.duration_since(mark.since)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;

    fn at(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(1), seq }
    }

    #[test]
    fn a_lag_counts_from_when_the_next_position_was_known() {
        let mut history = History::new(Duration::from_secs(16));
        let start = Instant::now();
        let second = |n| start + Duration::from_secs(n);
        assert_eq!(history.lag(at(0), start), Duration::ZERO);
        history.note(at(10), second(0));
        history.note(at(20), second(5));
        history.note(at(30), second(8));
        let lag = |seq| history.lag(at(seq), second(9)).as_secs();
        assert_eq!([0, 9, 10, 19, 20, 29, 30, 31].map(lag), [9, 9, 4, 4, 1, 1, 0, 0]);
    }

    #[test]
    fn a_standstill_is_noticed_however_fast_positions_came_before() {
        let mut history = History::new(Duration::from_secs(16));
        let start = Instant::now();
        for ms in 0..20_000 {
            history.note(at(ms), start + Duration::from_millis(ms));
        }
        assert!(history.marks.len() <= SLOTS as usize + 2, "{}", history.marks.len());
        let later = start + Duration::from_mins(2);
        assert_eq!(history.lag(at(19_999), later), Duration::ZERO);
        assert!(history.lag(at(19_998), later) > Duration::from_secs(99));
        assert!(history.lag(at(3), start + Duration::from_secs(20)) > history.span);
    }
}
