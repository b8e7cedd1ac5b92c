//! Windows: how a statement over three years of daily partitions stays cheap.
//!
//! Planning a statement, and locking and opening its tables, takes time for every partition that its text leaves open;
//! with a thousand of them that is far more than the reading itself. So a list is read window by window, from its first
//! end on, until the page is full. A window's ends stand in the statement as *literals*: the plan is made once per
//! connection, for the window's partitions only. For that the texts must repeat, so windows follow the
//! `calendar`. To find one order, whose time is known, the window is a single partition.
//!
//! A list of everybody's orders finds a page in one partition most often, where there are many orders. It asks that one
//! first, for as long as that goes well.
//!
//! Windows follow each other without gaps, and the outer ones are open to their sides. So what is known about the
//! partitions may be out of date, and still every row lies in exactly one window.

mod calendar;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use forebay_model::{Lane, PerLane, Timestamp};
use sqlx::postgres::PgConnection;

use super::key::{Direction, Key, Span};
use super::window::Window;
use crate::timestamptz::Timestamptz;

/// All of time, divided in two ways.
#[derive(Debug)]
pub struct Windows {
    /// For lists, from the oldest.
    parts: Vec<Window>,
    /// For single orders: one for each partition.
    partitions: Vec<Window>,
    /// For the next rows of a list of everybody's orders: one for each partition but those of the future, which the last has
    /// with it.
    near: Vec<Window>,
    /// Whether such a list found its rows in one of those lately.
    is_dense: AtomicBool,
}

impl Windows {
    /// One window, as long as no partitions are known.
    pub fn whole() -> Self {
        Self::of_partitions(Vec::new(), Timestamp::EARLIEST)
    }

    /// Windows for the partitions that the table of each lane has now; one for a table without.
    pub async fn of_tables(connection: &mut PgConnection) -> Result<PerLane<Arc<Self>>, sqlx::Error> {
        let mut windows = PerLane::from_fn(|_| Arc::new(Self::whole()));
        for lane in Lane::ALL.into_iter().filter(|lane| lane.is_partitioned_by_time()) {
            let starts = read_starts(connection, lane).await?;
            windows[lane] = Arc::new(Self::of_partitions(starts, Timestamp::now()));
        }
        Ok(windows)
    }

    /// Windows for partitions that begin at these instants, where it is `now`.
    fn of_partitions(mut starts: Vec<Timestamp>, now: Timestamp) -> Self {
        starts.sort_unstable();
        let (parts, partitions) = (between(&calendar::edges(&starts)), between(&starts));
        starts.truncate(starts.partition_point(|&start| start <= now));
        Self { parts, partitions, near: between(&starts), is_dense: AtomicBool::new(true) }
    }

    /// The window at that place of the list; they are numbered from the oldest.
    pub fn get(&self, place: usize) -> Option<&Window> {
        self.parts.get(place)
    }

    /// The window of the partition that holds an instant.
    pub fn partition(&self, at: Timestamp) -> &Window {
        &self.partitions[place_of(&self.partitions, at)]
    }

    /// The place of the window that the row behind `last` may lie in, in a list over `span`.
    pub fn first(&self, last: &Key, span: Span, direction: Direction) -> usize {
        place_of(&self.parts, next_instant(last, span, direction))
    }

    /// The window to look into first, for the rows of everybody behind `last`.
    pub fn near(&self, last: &Key, span: Span, direction: Direction) -> &Window {
        &self.near[place_of(&self.near, next_instant(last, span, direction))]
    }

    /// Whether it pays to look there.
    pub fn is_dense(&self) -> bool {
        self.is_dense.load(Ordering::Relaxed)
    }

    /// Whether it would have paid just now.
    pub fn note_density(&self, is_dense: bool) {
        self.is_dense.store(is_dense, Ordering::Relaxed);
    }

    /// The place of the window that follows in a list over `span`; `None` behind the last.
    pub fn next(&self, place: usize, span: Span, direction: Direction) -> Option<usize> {
        let window = self.get(place)?;
        match direction {
            Direction::NewestFirst => (window.from? > span.from).then(|| place - 1),
            Direction::OldestFirst => (window.to? < span.to).then_some(place + 1),
        }
    }
}

/// When the partitions of a lane's table begin. What is open to below, or a default partition, has no beginning.
async fn read_starts(connection: &mut PgConnection, lane: Lane) -> Result<Vec<Timestamp>, sqlx::Error> {
    // The bounds are printed and read in one session, so its time zone and date style do not matter.
    const SQL: &str = "select start from ( \
            select substring(pg_get_expr(c.relpartbound, c.oid) from 'FROM \\(''([^'']*)''\\)')::timestamptz as start \
            from pg_inherits join pg_class c on c.oid = inhrelid where inhparent = $1::regclass \
        ) as partition where isfinite(start)";
    let starts: Vec<Timestamptz> =
        sqlx::query_scalar(SQL).bind(lane.table()).persistent(false).fetch_all(connection).await?;
    Ok(starts.into_iter().map(|start| start.0).collect())
}

/// Windows that begin at these instants. What lies before the first of them is almost always nothing, and no window of its
/// own.
fn between(starts: &[Timestamp]) -> Vec<Window> {
    let edges = starts.get(1..).unwrap_or_default();
    let from = std::iter::once(None).chain(edges.iter().copied().map(Some));
    let to = edges.iter().copied().map(Some).chain([None]);
    from.zip(to).map(|(from, to)| Window::new(from, to)).collect()
}

/// Where the row behind `last` may lie.
fn next_instant(last: &Key, span: Span, direction: Direction) -> Timestamp {
    match direction {
        // The range's end is exclusive; a row's own time is not.
        Direction::NewestFirst if last.ordered_at >= span.to => span.to.plus_us(-1),
        Direction::NewestFirst | Direction::OldestFirst => last.ordered_at,
    }
}

/// The place of the window that holds an instant.
fn place_of(windows: &[Window], at: Timestamp) -> usize {
    windows.partition_point(|window| window.to.is_some_and(|to| to <= at))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DAY_US: i64 = 86_400_000_000;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn days(count: i64) -> Windows {
        let starts = (0..count).map(|n| at("2023-01-01T00:00:00Z").plus_us(n * DAY_US)).collect();
        Windows::of_partitions(starts, at("2023-06-30T12:00:00Z"))
    }

    #[test]
    fn the_outer_windows_are_open() {
        let windows = days(400);
        assert_eq!(windows.parts[0].condition(), "ordered_at < '2023-02-01T00:00:00Z'");
        assert_eq!(
            windows.parts[1].condition(),
            "ordered_at >= '2023-02-01T00:00:00Z' and ordered_at < '2023-03-01T00:00:00Z'"
        );
        assert_eq!(windows.parts.last().unwrap().condition(), "ordered_at >= '2024-02-01T00:00:00Z'");
        assert_eq!(
            windows.partition(at("2023-05-05T10:00:00Z")).condition(),
            "ordered_at >= '2023-05-05T00:00:00Z' and ordered_at < '2023-05-06T00:00:00Z'"
        );
        assert_eq!(Windows::whole().parts[0].condition(), "true");
    }

    #[test]
    fn what_is_near_is_one_partition_and_the_future_belongs_to_the_present() {
        let windows = days(400);
        let near = |direction, last: &str| {
            let last = Key::before_all_at(at(last));
            windows.near(&last, Span::ALL, direction).condition()
        };
        for direction in [Direction::NewestFirst, Direction::OldestFirst] {
            assert_eq!(
                near(direction, "2023-05-05T10:00:00Z"),
                "ordered_at >= '2023-05-05T00:00:00Z' and ordered_at < '2023-05-06T00:00:00Z'"
            );
            for present in ["2023-06-30T00:00:00Z", "2023-07-01T00:00:00Z", "2031-01-01T00:00:00Z"] {
                assert_eq!(near(direction, present), "ordered_at >= '2023-06-30T00:00:00Z'");
            }
        }
    }

    #[test]
    fn only_the_windows_at_the_ends_of_a_range_compare_rows_with_it() {
        let windows = days(400);
        let span = Span { from: at("2023-02-03T00:00:00Z"), to: at("2024-01-20T00:00:00Z") };
        for direction in [Direction::NewestFirst, Direction::OldestFirst] {
            for span in [span, Span::ALL] {
                let last = span.start(direction);
                let mut bounds = Vec::new();
                let mut place = Some(windows.first(&last, span, direction));
                while let Some(here) = place {
                    bounds.push(windows.parts[here].bounds(last.borrowed(), span, direction));
                    place = windows.next(here, span, direction);
                }
                let is_whole = span == Span::ALL;
                let (first, rest) = bounds.split_first().unwrap();
                let (end, middle) = rest.split_last().unwrap();
                assert_eq!((first.last, first.end), (!is_whole, false));
                assert_eq!((end.last, end.end), (false, !is_whole));
                assert!(middle.len() > 2 && middle.iter().all(|bounds| !bounds.last && !bounds.end));
            }
        }
    }

    proptest! {
        #[test]
        fn a_list_meets_every_instant_of_its_range_once(
            starts in prop::collection::vec(0i64..1200, 0..300),
            from in 0i64..1200,
            length in 1i64..1200,
            instant in 0.0..1.0f64,
            last in 0.0..1.0f64,
        ) {
            let day = |n: i64| at("2023-01-01T00:00:00Z").plus_us(n * DAY_US);
            let windows = Windows::of_partitions(starts.into_iter().map(day).collect(), day(600));
            let span = Span { from: day(from), to: day(from + length) };
            let within = |part: f64| day(from).plus_us((part * (length * DAY_US) as f64) as i64);
            let (instant, cursor) = (within(instant), within(last));
            prop_assert!(windows.partition(instant).holds(instant));
            for direction in [Direction::NewestFirst, Direction::OldestFirst] {
                for last in [span.start(direction), Key { order_id: "x".to_owned(), ..Key::before_all_at(cursor) }] {
                    let row = Key { order_id: "y".to_owned(), ..Key::before_all_at(instant) };
                    if !direction.is_before(last.borrowed(), row.borrowed()) {
                        continue;
                    }
                    let near = windows.near(&last, span, direction);
                    prop_assert!(near.holds(next_instant(&last, span, direction)));
                    let mut place = Some(windows.first(&last, span, direction));
                    let mut met = 0;
                    while let Some(here) = place {
                        let window = windows.get(here).unwrap();
                        met += usize::from(window.holds(instant));
                        // Where a statement compares with nothing, there is nothing in the window to leave out.
                        let bounds = window.bounds(last.borrowed(), span, direction);
                        prop_assert!(bounds.last || !window.holds(last.ordered_at) || last == span.start(direction));
                        prop_assert!(bounds.end || !window.holds(span.from.plus_us(-1)) || direction == Direction::OldestFirst);
                        prop_assert!(bounds.end || !window.holds(span.to) || direction == Direction::NewestFirst);
                        place = windows.next(here, span, direction);
                    }
                    prop_assert_eq!(met, 1);
                }
            }
        }
    }
}
