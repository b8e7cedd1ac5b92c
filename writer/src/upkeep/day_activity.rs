//! Since when nothing was written to each day: what tells whether partitions can be merged.
//!
//! Rows come only by commits, and each moves the position. So a process that knows, of every frame between two positions, which days
//! it touches, knows which days were touched in between: also where it was not this process that committed them. For that
//! a commit is noted *before* it is sent, and counts as touching its days until it was answered. What was before the session
//! began, nobody knows: it counts as having touched everything.
//!
//! A commit also changes the status of orders that something has happened to, of whatever day. Of which, only its answer says. So where
//! one is committed and not answered yet, it is not known what it has touched; before it is committed, it has touched nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::{Mutex, MutexGuard, PoisonError};

use forebay_model::{Position, Timestamp, Touched};
use forebay_shard::Touch;
use tokio::time::Instant;

/// What one session of a lane has written, and when.
#[derive(Debug)]
pub(crate) struct DayActivity(Mutex<Notes>);

#[derive(Debug)]
struct Notes {
    /// When everything was touched last.
    everything: Instant,
    /// When each day was touched last. They are as few as the days that orders are of.
    days: BTreeMap<i64, Instant>,
    /// What a commit that was not answered yet may touch; empty while no commit is under way.
    under_way: Days,
    begun_at: Position,
    /// Where the last commit that was sent came from.
    before: Position,
    /// The last frame of the last commit that was sent.
    sent: Position,
    /// Whether that one was answered.
    is_answered: bool,
}

/// Days, counted from 1970, that a commit may touch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Days {
    /// None but these.
    These(BTreeSet<i64>),
    /// Nobody can tell.
    Any,
}

/// The day that an instant lies in, counted from 1970.
pub(crate) fn day_of(at: Timestamp) -> i64 {
    at.unix_us().div_euclid(86_400_000_000)
}

impl Days {
    /// Those of what a commit can touch.
    pub(crate) fn of(touched: &Touched) -> Self {
        match touched {
            Touched::Everything => Self::Any,
            Touched::These { hours, .. } => {
                Self::These(hours.iter().map(|&hour| i64::from(hour).div_euclid(24)).collect())
            }
        }
    }

    fn none() -> Self {
        Self::These(BTreeSet::new())
    }
}

impl DayActivity {
    /// A session that begins behind a position.
    pub(crate) fn since(now: Instant, position: Position) -> Self {
        let (days, under_way, is_answered) = (BTreeMap::new(), Days::none(), true);
        let (begun_at, before, sent) = (position, position, position);
        Self(Mutex::new(Notes { everything: now, days, under_way, begun_at, before, sent, is_answered }))
    }

    /// A commit from one position to another is about to be sent.
    pub(crate) fn begin(&self, days: Days, before: Position, to: Position) {
        let mut notes = self.notes();
        notes.under_way = days;
        (notes.before, notes.sent, notes.is_answered) = (before, to, false);
    }

    /// The commit was answered, and has changed the status of orders of these times. (One that is not answered ends the session.)
    pub(crate) fn end(&self, now: Instant, restated: &[Timestamp]) {
        let mut notes = self.notes();
        notes.is_answered = true;
        match std::mem::replace(&mut notes.under_way, Days::none()) {
            Days::These(days) => notes.days.extend(days.into_iter().map(|day| (day, now))),
            Days::Any => notes.everything = now,
        }
        notes.days.extend(restated.iter().map(|&at| (day_of(at), now)));
    }

    /// What has touched these days since then, where the shard is at a position, and stays there for now.
    pub(crate) fn touch(&self, position: Position, days: Range<i64>, since: Instant) -> Touch {
        if !self.accounts_for(position) || !self.is_idle(days, since) {
            return Touch::Yes;
        }
        let notes = self.notes();
        if notes.is_answered || position == notes.before { Touch::No } else { Touch::Unanswered }
    }

    /// Whether nothing is known to have touched these days since then.
    pub(crate) fn is_idle(&self, days: Range<i64>, since: Instant) -> bool {
        let notes = self.notes();
        let is_under_way = match &notes.under_way {
            Days::These(touched) => touched.range(days.clone()).next().is_some(),
            Days::Any => true,
        };
        !is_under_way && notes.everything < since && notes.days.range(days).all(|(_, &last)| last < since)
    }

    /// Whether every frame up to a position, from where the session began, was noted.
    fn accounts_for(&self, position: Position) -> bool {
        let notes = self.notes();
        position.covers(notes.begun_at) && notes.sent.covers(position)
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;
    use std::time::Duration;

    fn position(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(7), seq }
    }

    #[test]
    fn a_day_is_touched_from_before_its_commit_is_sent_until_it_was_answered() {
        let begun = Instant::now();
        let second = |s| begun + Duration::from_secs(s);
        let activity = DayActivity::since(begun, position(5));
        assert!(!activity.is_idle(0..10, begun) && activity.is_idle(0..10, second(1)));
        activity.begin(Days::These([3, 20].into()), position(5), position(9));
        assert!(!activity.is_idle(0..10, second(9)) && activity.is_idle(4..10, second(1)));
        activity.end(second(2), &[]);
        assert!(!activity.is_idle(0..10, second(2)) && activity.is_idle(0..10, second(3)));
        assert!(!activity.is_idle(20..21, second(1)) && activity.is_idle(0..3, second(1)));
    }

    #[test]
    fn a_commit_whose_days_are_not_known_touches_all() {
        let begun = Instant::now();
        let second = |s| begun + Duration::from_secs(s);
        let activity = DayActivity::since(begun, position(5));
        activity.begin(Days::Any, position(5), position(6));
        assert!(!activity.is_idle(0..1, second(9)));
        activity.end(second(2), &[]);
        assert!(!activity.is_idle(0..1, second(2)) && activity.is_idle(0..1, second(3)));
    }

    #[test]
    fn what_a_commit_has_restated_is_not_known_before_its_answer() {
        let begun = Instant::now();
        let second = |s| begun + Duration::from_secs(s);
        let activity = DayActivity::since(begun, position(5));
        let touch = |seq| activity.touch(position(seq), 2..4, second(1));
        assert_eq!(touch(5), Touch::No);
        activity.begin(Days::These([20].into()), position(5), position(9));
        assert_eq!(
            (touch(5), touch(7), touch(9), touch(10)),
            (Touch::No, Touch::Unanswered, Touch::Unanswered, Touch::Yes)
        );
        activity.end(second(2), &[Timestamp::from_unix_us(3 * 86_400_000_000)]);
        assert_eq!((touch(9), activity.touch(position(9), 4..9, second(1))), (Touch::Yes, Touch::No));
    }

    #[test]
    fn a_position_that_was_not_noted_is_somebody_else_s() {
        let activity = DayActivity::since(Instant::now(), position(5));
        activity.begin(Days::none(), position(5), position(9));
        assert!(
            activity.accounts_for(position(5))
                && activity.accounts_for(position(7))
                && activity.accounts_for(position(9))
        );
        assert!(!activity.accounts_for(position(4)) && !activity.accounts_for(position(10)));
        assert!(!activity.accounts_for(Position { incarnation: Incarnation::new(8), seq: 7 }));
    }
}
