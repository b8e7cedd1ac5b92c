//! Where what follows from a shard's orders lies in another shard's derived stream, as far back as that is remembered.
//!
//! A receipt names a position of a logged stream. What follows from everything up to there is in the target's derived stream up
//! to some position, which the source notes whenever it has come further. The oldest of these notes that covers the receipt
//! says what to wait for: a later one would do as well, and would make an old receipt wait for what was written just now.

use std::collections::VecDeque;

use forebay_model::{Position, Timestamp};

/// How many notes are remembered.
const MARKS_MAX: usize = 64;

/// How far one source has derived for one target, in the order in which it came there.
#[derive(Clone, Debug, Default)]
pub(crate) struct DerivedMarks {
    /// The oldest first, each with since when it is known. Both positions rise from one to the next, and what was published always does.
    marks: VecDeque<(Mark, Timestamp)>,
    /// How far the source had committed when the last one was noted.
    at: Option<Position>,
}

/// Everything that follows from what was logged up to `through` is published up to `published`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) through: Position,
    pub(crate) published: Position,
}

/// Whether a derived stream that has come to a position has everything that a source has published there. Where nothing was, no
/// making of the stream lacks anything.
pub(crate) fn is_there(published: Position, position: Position) -> bool {
    published.seq == 0 || position.covers(published)
}

impl DerivedMarks {
    /// Takes note of what the source had noted when it had committed up to `at`. False where that is no news.
    pub(crate) fn note(&mut self, mark: Mark, at: Position) -> bool {
        if self.at.is_some_and(|known| known.is_later_than(at)) {
            return false;
        }
        self.at = Some(at);
        let Some((last, _)) = self.marks.back_mut() else {
            self.marks.push_back((mark, Timestamp::now()));
            return true;
        };
        if *last == mark {
            return false;
        }
        if !mark.through.covers(last.through) || !mark.published.covers(last.published) {
            // Everything is derived again, or one of the streams is another one.
            self.marks.clear();
        } else if mark.published == last.published {
            // Nothing followed from what came in between.
            last.through = mark.through;
            return true;
        }
        self.marks.push_back((mark, Timestamp::now()));
        if self.marks.len() > MARKS_MAX {
            self.thin();
        }
        true
    }

    /// The position in the target's derived stream that holds everything that follows from what was logged up to `position`;
    /// `None` where the source is not known to have come as far. It is never too early, and too late by what was forgotten.
    pub(crate) fn published(&self, position: Position) -> Option<Position> {
        let covering = self.marks.partition_point(|(mark, _)| !mark.through.covers(position));
        self.marks.get(covering).map(|(mark, _)| mark.published)
    }

    /// Whether more is published than a derived stream that has come to a position has.
    pub(crate) fn has_beyond(&self, position: Position) -> bool {
        self.marks.back().is_some_and(|(last, _)| !is_there(last.published, position))
    }

    /// Since when something is published that a derived stream does not have which has come to a position; too late by what was forgotten.
    pub(crate) fn beyond_since(&self, position: Position) -> Option<Timestamp> {
        let beyond = self.marks.iter().find(|(mark, _)| !is_there(mark.published, position));
        beyond.map(|(_, since)| *since)
    }

    /// Forgets every other note of the older half: the further back, the coarser.
    fn thin(&mut self) {
        let mut place = 0;
        self.marks.retain(|_| {
            place += 1;
            place > MARKS_MAX / 2 || place % 2 == 0
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Incarnation;
    use proptest::prelude::*;

    fn at(incarnation: u64, seq: u64) -> Position {
        Position { incarnation: Incarnation::new(incarnation), seq }
    }

    fn mark(through: u64, published: u64) -> Mark {
        Mark { through: at(1, through), published: at(7, published) }
    }

    fn seq(marks: &DerivedMarks, position: u64) -> Option<u64> {
        marks.published(at(1, position)).map(|published| published.seq)
    }

    #[test]
    fn an_old_receipt_does_not_wait_for_what_was_published_since() {
        let mut marks = DerivedMarks::default();
        for (through, published) in [(10, 3), (20, 8), (25, 8), (30, 9)] {
            assert!(marks.note(mark(through, published), at(1, through)));
        }
        assert_eq!(
            [1, 10, 11, 25, 26, 30, 31].map(|p| seq(&marks, p)),
            [3, 3, 8, 8, 9, 9, 0].map(|s| (s > 0).then_some(s))
        );
        assert_eq!(marks.published(at(2, 1)), None, "a position of another making of the logged stream");
    }

    #[test]
    fn what_was_derived_for_a_stream_that_is_gone_is_forgotten() {
        let mut marks = DerivedMarks::default();
        marks.note(mark(10, 3), at(1, 10));
        // The target's stream is another one: everything is owed.
        marks.note(Mark { through: at(1, 0), published: at(8, 0) }, at(1, 10));
        assert_eq!(seq(&marks, 5), None);
        marks.note(Mark { through: at(1, 6), published: at(8, 2) }, at(1, 12));
        assert_eq!(marks.published(at(1, 5)), Some(at(8, 2)));
        assert_eq!(marks.published(at(1, 7)), None);
        // Set back, to derive by another map.
        marks.note(Mark { through: at(1, 2), published: at(8, 2) }, at(1, 12));
        assert_eq!(marks.published(at(1, 5)), None);
    }

    #[test]
    fn word_that_comes_late_changes_nothing() {
        let mut marks = DerivedMarks::default();
        marks.note(mark(10, 3), at(1, 10));
        marks.note(mark(20, 8), at(1, 20));
        assert!(!marks.note(mark(10, 3), at(1, 10)) && !marks.note(mark(20, 8), at(1, 20)));
        assert_eq!((seq(&marks, 5), seq(&marks, 15)), (Some(3), Some(8)));
    }

    /// What a source may come to next.
    #[derive(Clone, Debug)]
    enum Step {
        /// How many frames further it has derived, and how many it has published.
        On(u64, u64),
        /// The target's stream is another one.
        Lost,
        /// It begins anew with another map.
        Back(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<(Step, bool)>> {
        let on = (1u64..5, 0u64..3).prop_map(|(through, published)| Step::On(through, published));
        let step = prop_oneof![60 => on, 1 => Just(Step::Lost), 1 => (0u64..50).prop_map(Step::Back)];
        prop::collection::vec((step, prop::bool::weighted(0.8)), 1..400)
    }

    proptest! {
        /// The model remembers where everything that follows from each frame was published last.
        #[test]
        fn what_is_answered_holds_everything_that_follows(steps in steps()) {
            let mut marks = DerivedMarks::default();
            // By frame of the logged stream, from 1: where the last fact that follows up to there lies.
            let mut needed: Vec<u64> = Vec::new();
            let (mut incarnation, mut through, mut published, mut committed) = (1, 0, 0, 0);
            for (step, heard) in steps {
                match step {
                    Step::On(frames, facts) => {
                        (through, published) = (through + frames, published + facts);
                        // What is derived a second time is there already.
                        needed.resize(needed.len().max(through as usize), published);
                    }
                    Step::Lost => {
                        (incarnation, through, published) = (incarnation + 1, 0, 0);
                        needed.clear();
                    }
                    Step::Back(frames) => through = through.saturating_sub(frames),
                }
                committed = committed.max(through) + 1;
                if !heard {
                    continue;
                }
                let mark = Mark { through: at(1, through), published: at(incarnation, published) };
                marks.note(mark, at(1, committed));
                for position in 1..=through {
                    let (answer, needed) = (marks.published(at(1, position)), at(incarnation, needed[position as usize - 1]));
                    let is_late_enough = answer.is_some_and(|answer| answer.covers(needed));
                    prop_assert!(is_late_enough, "{position} needs {needed}, answered {answer:?} by {marks:?}");
                }
                prop_assert_eq!(marks.published(at(1, through + 1)), None);
                prop_assert!(marks.marks.len() <= MARKS_MAX);
            }
        }

        /// Of the last ones nothing is forgotten, so a receipt of a moment ago waits for nothing that came behind it.
        #[test]
        fn the_last_marks_are_exact(count in 1u64..1000) {
            let mut marks = DerivedMarks::default();
            for n in 1..=count {
                marks.note(mark(10 * n, n), at(1, 10 * n));
            }
            for n in count.saturating_sub(MARKS_MAX as u64 / 2 - 1).max(1)..=count {
                prop_assert_eq!(seq(&marks, 10 * n), Some(n));
                prop_assert_eq!(seq(&marks, 10 * n - 9), Some(n));
            }
        }
    }
}
