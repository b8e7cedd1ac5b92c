//! Ranges of time, and the gaps between them.

use std::{fmt, iter};

use forebay_model::Timestamp;

/// 2100-01-01T00:00:00Z. Ingestion refuses what is more than a day ahead; this only keeps a foreign frame from making
/// partitions for the end of time.
pub(crate) const LATEST: Timestamp = Timestamp::from_unix_us(4_102_444_800_000_000);

/// From an instant, inclusive, to another, exclusive; in microseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Span {
    pub(crate) from: i64,
    pub(crate) to: i64,
}

/// The ranges that have a partition, in order, without overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ranges {
    spans: Vec<Span>,
    /// A default partition takes whatever has none.
    has_default: bool,
}

impl Span {
    pub(crate) fn holds(self, us: i64) -> bool {
        self.from <= us && us < self.to
    }
}

impl Ranges {
    pub(crate) fn new(mut spans: Vec<Span>, has_default: bool) -> Self {
        spans.sort_unstable();
        Self { spans, has_default }
    }

    /// The range that holds an instant. It lets a walk over many instants look up only where the range changes.
    pub(crate) fn span_of(&self, at: Timestamp) -> Option<Span> {
        if self.has_default {
            return Some(Span { from: i64::MIN, to: i64::MAX });
        }
        self.around(at.unix_us()).ok().map(|place| self.spans[place])
    }

    /// The part of a slot around an instant that has no partition; `None` where the instant has one.
    fn gap(&self, slot: Span, at: Timestamp) -> Option<Span> {
        if self.has_default {
            return None;
        }
        let next = self.around(at.unix_us()).err()?;
        let before = next.checked_sub(1).map_or(i64::MIN, |place| self.spans[place].to);
        let after = self.spans.get(next).map_or(i64::MAX, |span| span.from);
        Some(Span { from: slot.from.max(before), to: slot.to.min(after) })
    }

    /// Every part of a slot that has no partition.
    pub(crate) fn gaps(&self, slot: Span) -> Vec<Span> {
        let mut gaps = Vec::new();
        let mut us = slot.from;
        while us < slot.to {
            let at = Timestamp::from_unix_us(us);
            us = if let Some(gap) = self.gap(slot, at) {
                gaps.push(gap);
                gap.to
            } else {
                self.span_of(at).map_or(slot.to, |span| span.to)
            };
        }
        gaps
    }

    /// Parts of time with at most `ranges` of the ranges in each, which together are all the time in which facts can be.
    pub(crate) fn windows(&self, ranges: usize) -> Vec<Span> {
        let edges = self.spans.chunks(ranges).skip(1).map(|chunk| chunk[0].from);
        let starts = iter::once(Timestamp::EARLIEST.unix_us()).chain(edges.clone());
        let ends = edges.chain(iter::once(LATEST.unix_us()));
        starts.zip(ends).map(|(from, to)| Span { from, to }).collect()
    }

    /// Notes a partition that was just made.
    pub(crate) fn insert(&mut self, span: Span) {
        let place = self.spans.partition_point(|other| other.from < span.from);
        self.spans.insert(place, span);
    }

    /// The place of the range that holds an instant, or of the first one behind it.
    fn around(&self, us: i64) -> Result<usize, usize> {
        let behind = self.spans.partition_point(|span| span.from <= us);
        match behind.checked_sub(1) {
            Some(place) if self.spans[place].holds(us) => Ok(place),
            _ => Err(behind),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", Timestamp::from_unix_us(self.from), Timestamp::from_unix_us(self.to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Granularity;
    use proptest::prelude::*;

    fn span(from: i64, to: i64) -> Span {
        Span { from, to }
    }

    fn at(us: i64) -> Timestamp {
        Timestamp::from_unix_us(us)
    }

    #[test]
    fn a_gap_ends_where_its_neighbours_begin() {
        let ranges = Ranges::new(vec![span(30, 40), span(10, 20)], false);
        assert_eq!(ranges.gap(span(0, 100), at(25)), Some(span(20, 30)));
        assert_eq!(ranges.gap(span(0, 100), at(5)), Some(span(0, 10)));
        assert_eq!(ranges.gap(span(0, 100), at(40)), Some(span(40, 100)));
        assert_eq!(ranges.gap(span(22, 28), at(25)), Some(span(22, 28)));
        assert_eq!(ranges.gap(span(0, 100), at(10)), None);
        assert_eq!(Ranges::new(vec![], true).gap(span(0, 1), at(0)), None);
    }

    #[test]
    fn a_day_with_some_hours_gets_the_rest() {
        let day = Granularity::Day.slot(at(0));
        let hour = |h: i64| Granularity::Hour.slot(at(h * 3_600_000_000));
        let ranges = Ranges::new(vec![hour(0), hour(5), hour(6), hour(23)], false);
        let gaps = ranges.gaps(day);
        assert_eq!(gaps, [span(hour(1).from, hour(4).to), span(hour(7).from, hour(22).to)]);
        assert!(Ranges::new(gaps, false).gaps(hour(2)).is_empty());
    }

    proptest! {
        #[test]
        fn windows_are_all_of_time_and_have_few_ranges_each(days in proptest::collection::btree_set(0i64..3000, 0..40), most in 1usize..8) {
            let day = |day: i64| Granularity::Day.slot(Timestamp::EARLIEST.plus_us(day * 86_400_000_000));
            let spans: Vec<_> = days.into_iter().map(day).collect();
            let windows = Ranges::new(spans.clone(), false).windows(most);
            let ends = (windows[0].from, windows[windows.len() - 1].to);
            prop_assert_eq!(ends, (Timestamp::EARLIEST.unix_us(), LATEST.unix_us()));
            prop_assert!(windows.windows(2).all(|pair| pair[0].to == pair[1].from));
            let in_window = |window: &Span| spans.iter().filter(|span| window.holds(span.from)).count();
            prop_assert!(windows.iter().all(|window| in_window(window) <= most));
            prop_assert!(windows.len() <= spans.len().div_ceil(most).max(1));
        }

        #[test]
        fn whatever_was_there_a_new_partition_holds_the_instant_and_overlaps_nothing(
            steps in proptest::collection::vec((0i64..100_000_000_000, 1i64..100_000_000_000), 0..30),
            instants in proptest::collection::vec(0i64..2_000_000_000_000, 1..30),
        ) {
            let mut end = 0;
            let spans: Vec<_> = steps.iter().map(|&(pause, length)| {
                let from = end + pause;
                end = from + length;
                span(from, end)
            }).collect();
            let mut ranges = Ranges::new(spans, false);
            for us in instants {
                let slot = Granularity::Day.slot(at(us));
                if let Some(gap) = ranges.gap(slot, at(us)) {
                    prop_assert!(gap.holds(us) && slot.from <= gap.from && gap.to <= slot.to);
                    prop_assert!(ranges.spans.iter().all(|other| other.to <= gap.from || gap.to <= other.from));
                    ranges.insert(gap);
                }
                prop_assert!(ranges.span_of(at(us)).unwrap().holds(us));
            }
        }
    }
}
