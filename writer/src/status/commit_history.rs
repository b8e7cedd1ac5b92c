//! Which position was reached when: what was committed long enough ago may be trimmed.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// The positions of one lane with the time when each was committed, thinned out. A new process has no memory, so it trims
/// nothing by time until the window has passed once.
#[derive(Debug)]
pub(crate) struct CommitHistory {
    window: Duration,
    marks: VecDeque<(Instant, u64)>,
}

/// How finely the window is divided.
const MARKS: u32 = 128;

impl CommitHistory {
    pub(crate) fn new(window: Duration) -> Self {
        Self { window, marks: VecDeque::new() }
    }

    /// Notes that the frames up to `seq` are committed.
    pub(crate) fn note(&mut self, now: Instant, seq: u64) {
        let is_due = self.marks.back().is_none_or(|&(at, _)| now.duration_since(at) >= self.window / MARKS);
        if is_due {
            self.marks.push_back((now, seq));
        }
    }

    /// The position up to which everything was committed before the window began, if that is known.
    pub(crate) fn before_window(&mut self, now: Instant) -> Option<u64> {
        let is_old = |&(at, _): &(Instant, u64)| now.duration_since(at) >= self.window;
        let old = self.marks.iter().take_while(|mark| is_old(mark)).count();
        // The last old mark stays: it holds until the next one is old.
        self.marks.drain(..old.saturating_sub(1));
        self.marks.front().copied().filter(is_old).map(|(_, seq)| seq)
    }

    /// The position went back, or to another stream: what was noted does not hold any more.
    pub(crate) fn forget(&mut self) {
        self.marks.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_old_when_its_window_has_passed() {
        let begin = Instant::now();
        let second = |s: u64| begin + Duration::from_secs(s);
        let mut history = CommitHistory::new(Duration::from_secs(100));
        for s in 0..=250 {
            history.note(second(s), s * 10);
        }
        assert_eq!(history.before_window(second(50)), None);
        assert_eq!(history.before_window(second(120)), Some(200));
        assert_eq!(history.before_window(second(120)), Some(200));
        assert_eq!(history.before_window(second(1000)), Some(2500));
        assert_eq!(history.marks.len(), 1);
    }

    #[test]
    fn marks_stay_few() {
        let begin = Instant::now();
        let mut history = CommitHistory::new(Duration::from_hours(2));
        for ms in 0..1_000_000 {
            history.note(begin + Duration::from_millis(ms), ms);
        }
        assert!(history.marks.len() < 20, "{}", history.marks.len());
    }

    #[test]
    fn without_a_window_the_last_commit_is_old_at_once() {
        let now = Instant::now();
        let mut history = CommitHistory::new(Duration::ZERO);
        history.note(now, 5);
        history.note(now, 6);
        assert_eq!(history.before_window(now), Some(6));
        history.forget();
        assert_eq!(history.before_window(now), None);
    }
}
