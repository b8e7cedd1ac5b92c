//! Windows: how a statement over three years of daily partitions stays cheap.
//!
//! Planning a statement, and locking and opening its tables, takes time for every partition that its text leaves open;
//! with a thousand of them that is far more than the reading itself. So a list is read window by window, from its first
//! end on, until the page is full. A window's ends stand in the statement as *literals*: the plan is made once per
//! connection, for the window's partitions only. For that the texts must repeat, so windows follow the calendar: a
//! year, or where a year has many partitions its months, or where a month has many its days.
//!
//! Windows follow each other without gaps, and the outer ones are open to their sides. So what is known about the
//! partitions may be out of date, and still every row lies in exactly one window.

use std::sync::{Arc, OnceLock};

use forebay_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::key::{Direction, Span};
use crate::statement::{Kind, text};

/// A year or a month with more partitions than this is divided.
const PARTITIONS_MAX: usize = 40;

/// All of time, divided.
#[derive(Debug)]
pub(crate) struct Windows(Vec<Window>);

/// A part of time, and the statements over it.
#[derive(Debug)]
pub(crate) struct Window {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
    texts: [OnceLock<Arc<str>>; Kind::COUNT],
}

impl Windows {
    /// One window, as long as no partitions are known.
    pub(crate) fn whole() -> Self {
        Self::between(&[])
    }

    /// Windows for partitions that begin at these instants.
    pub(crate) fn of_partitions(starts: &[Timestamp]) -> Self {
        let mut dates: Vec<Date> = starts.iter().filter_map(|&start| date(start)).collect();
        dates.sort_unstable();
        let mut edges: Vec<Date> = Vec::new();
        for year in dates.chunk_by(|a, b| a.year() == b.year()) {
            if year.len() <= PARTITIONS_MAX {
                edges.extend(year[..1].iter().map(|date| date.first_of_year()));
                continue;
            }
            for month in year.chunk_by(|a, b| a.month() == b.month()) {
                if month.len() <= PARTITIONS_MAX {
                    edges.push(month[0].first_of_month());
                } else {
                    edges.extend(month.chunk_by(|a, b| a == b).map(|day| day[0]));
                }
            }
        }
        let edges: Vec<Timestamp> = edges.into_iter().filter_map(midnight).collect();
        // What lies before the first partition is almost always nothing, and no window of its own.
        Self::between(edges.get(1..).unwrap_or_default())
    }

    fn between(edges: &[Timestamp]) -> Self {
        let from = std::iter::once(None).chain(edges.iter().copied().map(Some));
        let to = edges.iter().copied().map(Some).chain([None]);
        Self(from.zip(to).map(|(from, to)| Window { from, to, texts: Default::default() }).collect())
    }

    /// The window at that place of the list; they are numbered from the oldest.
    pub(crate) fn get(&self, place: usize) -> Option<&Window> {
        self.0.get(place)
    }

    /// The place of the window that holds an instant.
    pub(crate) fn place_of(&self, at: Timestamp) -> usize {
        self.0.partition_point(|window| window.to.is_some_and(|to| to <= at))
    }

    /// The window that holds an instant.
    pub(crate) fn at(&self, at: Timestamp) -> &Window {
        &self.0[self.place_of(at)]
    }

    /// The place of the first window of a list over `span`.
    pub(crate) fn first(&self, span: Span, direction: Direction) -> usize {
        match direction {
            // The range's end is exclusive.
            Direction::NewestFirst => self.place_of(span.to.plus_us(-1)),
            Direction::OldestFirst => self.place_of(span.from),
        }
    }

    /// The place of the window that follows in a list over `span`; `None` behind the last.
    pub(crate) fn next(&self, place: usize, span: Span, direction: Direction) -> Option<usize> {
        match direction {
            Direction::NewestFirst => {
                let from = self.0[place].from?;
                (from > span.from).then(|| place - 1)
            }
            Direction::OldestFirst => {
                let to = self.0[place].to?;
                (to < span.to).then_some(place + 1)
            }
        }
    }
}

impl Window {
    /// The text of a statement over this window.
    pub(crate) fn text(&self, kind: Kind) -> Arc<str> {
        let text = self.texts[kind as usize].get_or_init(|| text(kind, &self.condition()).into());
        Arc::clone(text)
    }

    /// The window as a condition in SQL. Its literals are instants that were written here.
    fn condition(&self) -> String {
        match (self.from, self.to) {
            (Some(from), Some(to)) => format!("ordered_at >= '{from}' and ordered_at < '{to}'"),
            (Some(from), None) => format!("ordered_at >= '{from}'"),
            (None, Some(to)) => format!("ordered_at < '{to}'"),
            (None, None) => "true".to_owned(),
        }
    }
}

fn date(at: Timestamp) -> Option<Date> {
    Some(jiff::Timestamp::from_microsecond(at.unix_us()).ok()?.to_zoned(TimeZone::UTC).date())
}

fn midnight(date: Date) -> Option<Timestamp> {
    let midnight = date.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_unix_us(midnight.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_US: i64 = 86_400_000_000;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn partitions(first: &str, length_us: i64, count: i64) -> Vec<Timestamp> {
        (0..count).map(|n| at(first).plus_us(n * length_us)).collect()
    }

    #[test]
    fn daily_partitions_are_read_by_month_and_hourly_ones_by_day() {
        let days = Windows::of_partitions(&partitions("2023-01-01T00:00:00Z", DAY_US, 3 * 365));
        assert_eq!(days.0.len(), 36);
        assert_eq!(
            days.at(at("2024-02-29T10:00:00Z")).condition(),
            "ordered_at >= '2024-02-01T00:00:00Z' and ordered_at < '2024-03-01T00:00:00Z'"
        );
        assert_eq!(days.get(0).unwrap().condition(), "ordered_at < '2023-02-01T00:00:00Z'");
        assert_eq!(days.get(35).unwrap().condition(), "ordered_at >= '2025-12-01T00:00:00Z'");
        assert_eq!(Windows::of_partitions(&partitions("2025-06-01T00:00:00Z", DAY_US / 24, 24 * 30)).0.len(), 30);
    }

    #[test]
    fn few_partitions_are_one_window_per_year() {
        assert_eq!(Windows::of_partitions(&partitions("2025-11-20T00:00:00Z", DAY_US, 20)).0.len(), 1);
        assert_eq!(Windows::of_partitions(&partitions("2023-12-31T00:00:00Z", DAY_US, 3)).0.len(), 2);
        assert_eq!(Windows::whole().get(0).unwrap().condition(), "true");
    }

    #[test]
    fn a_new_partition_changes_no_window_but_its_own() {
        let before = Windows::of_partitions(&partitions("2023-01-01T00:00:00Z", DAY_US, 1000));
        let after = Windows::of_partitions(&partitions("2023-01-01T00:00:00Z", DAY_US, 1001));
        for place in 0..before.0.len() {
            assert_eq!(before.0[place].condition(), after.0[place].condition());
        }
    }

    proptest! {
        #[test]
        fn a_list_meets_every_instant_of_its_range_once(
            starts in prop::collection::vec(0i64..1200, 0..300),
            from in 0i64..1200,
            days in 1i64..1200,
            instant in 0.0..1.0f64,
        ) {
            let day = |n: i64| at("2023-01-01T00:00:00Z").plus_us(n * DAY_US);
            let windows = Windows::of_partitions(&starts.into_iter().map(day).collect::<Vec<_>>());
            let span = Span { from: day(from), to: day(from + days) };
            let instant = day(from).plus_us((instant * (days * DAY_US) as f64) as i64);
            for direction in [Direction::NewestFirst, Direction::OldestFirst] {
                let mut place = Some(windows.first(span, direction));
                let mut met = 0;
                while let Some(here) = place {
                    let window = windows.get(here).unwrap();
                    let holds = window.from.is_none_or(|from| from <= instant) && window.to.is_none_or(|to| instant < to);
                    met += usize::from(holds);
                    prop_assert!(!holds || here == windows.place_of(instant));
                    place = windows.next(here, span, direction);
                }
                prop_assert_eq!(met, 1);
            }
        }
    }
}
