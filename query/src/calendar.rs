//! How windows follow the calendar.

use std::collections::BTreeMap;

use forebay_model::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// A window with so few partitions costs a statement about as much as its round trip. The windows that most reads begin
/// with have no more.
const FEW: usize = 31;
/// With more partitions than this, a statement's memory in the server outgrows what its allocator keeps, and the cost of a
/// partition rises by ten.
const MANY: usize = 100;

/// The parts that time is divided into, from the coarsest.
#[derive(Clone, Copy)]
enum Level {
    Year,
    Quarter,
    Month,
    Day,
}

impl Level {
    const ALL: [Self; 4] = [Self::Year, Self::Quarter, Self::Month, Self::Day];

    /// The first day of the part that a day lies in.
    fn start(self, day: Date) -> Date {
        match self {
            Self::Year => day.first_of_year(),
            Self::Quarter => date(day.year(), (day.month() - 1) / 3 * 3 + 1, 1),
            Self::Month => day.first_of_month(),
            Self::Day => day,
        }
    }
}

/// Where windows begin, for partitions that begin at these instants.
///
/// Each window is the coarsest part with [`FEW`] partitions; or with [`MANY`], if it lies some way back.
pub(crate) fn edges(starts: &[Timestamp]) -> Vec<Timestamp> {
    let days: Vec<Date> = starts.iter().filter_map(|&start| day_of(start)).collect();
    let counts = Level::ALL.map(|level| {
        let mut counts: BTreeMap<Date, usize> = BTreeMap::new();
        for &day in &days {
            *counts.entry(level.start(day)).or_default() += 1;
        }
        counts
    });
    let mut edges: Vec<Date> = days.iter().map(|&day| edge(day, &counts)).collect();
    edges.sort_unstable();
    edges.dedup();
    edges.into_iter().filter_map(midnight).collect()
}

fn edge(day: Date, counts: &[BTreeMap<Date, usize>; Level::ALL.len()]) -> Date {
    let fits = |(level, counts): &(Level, &BTreeMap<Date, usize>)| {
        let start = level.start(day);
        let count = counts.get(&start).copied().unwrap_or_default();
        // Two later parts: this one lies some way back.
        count <= FEW || (count <= MANY && counts.range(start..).nth(2).is_some())
    };
    let part = Level::ALL.into_iter().zip(counts).find(fits);
    part.map_or(day, |(level, _)| level.start(day))
}

fn day_of(at: Timestamp) -> Option<Date> {
    Some(jiff::Timestamp::from_microsecond(at.unix_us()).ok()?.to_zoned(TimeZone::UTC).date())
}

fn midnight(day: Date) -> Option<Timestamp> {
    let midnight = day.to_zoned(TimeZone::UTC).ok()?;
    Some(Timestamp::from_unix_us(midnight.timestamp().as_microsecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400_000_000;

    fn of(first: &str, length_us: i64, count: i64) -> Vec<String> {
        let first = Timestamp::parse(first).unwrap();
        let starts: Vec<_> = (0..count).map(|n| first.plus_us(n * length_us)).collect();
        edges(&starts).iter().map(|edge| edge.to_string()[..10].to_owned()).collect()
    }

    #[test]
    fn daily_partitions_are_read_by_quarter_and_the_latest_by_month() {
        assert_eq!(
            of("2024-11-20T00:00:00Z", DAY_US, 300),
            [
                "2024-10-01",
                "2025-01-01",
                "2025-04-01",
                "2025-05-01",
                "2025-06-01",
                "2025-07-01",
                "2025-08-01",
                "2025-09-01"
            ]
        );
        assert_eq!(of("2025-11-20T00:00:00Z", DAY_US, 20), ["2025-01-01"]);
    }

    #[test]
    fn monthly_partitions_are_read_by_year_and_hourly_ones_by_day() {
        assert_eq!(of("2023-05-01T00:00:00Z", 31 * DAY_US, 24), ["2023-01-01", "2024-01-01", "2025-01-01"]);
        let hourly = of("2025-06-01T00:00:00Z", DAY_US / 24, 24 * 100);
        assert_eq!((hourly.len(), hourly[0].as_str(), hourly[99].as_str()), (100, "2025-06-01", "2025-09-08"));
    }
}
