//! How windows follow the calendar.

use std::collections::{BTreeMap, HashMap};

use forebay_model::Timestamp;
use jiff::civil::{Date, date};
use jiff::tz::TimeZone;

/// The most partitions of a window. With so few, a statement costs about as much as its round trip. (With more than a
/// hundred, its memory in the server outgrows what the allocator keeps, and the cost of each partition rises by ten.)
const PARTITIONS_MAX: usize = 31;

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

/// Where windows begin, for partitions that begin at these instants. Time is divided into the coarsest parts of the calendar
/// that have at most [`PARTITIONS_MAX`], or else into days; a window is as many of them, from the oldest on, as have no more
/// together. So partitions that are merged, or are few for another reason, are read with few statements.
pub(super) fn edges(starts: &[Timestamp]) -> Vec<Timestamp> {
    let days: Vec<Date> = starts.iter().filter_map(|&start| day_of(start)).collect();
    let counts = Level::ALL.map(|level| {
        let mut counts: HashMap<Date, usize> = HashMap::new();
        for &day in &days {
            *counts.entry(level.start(day)).or_default() += 1;
        }
        counts
    });
    let edge = |day: Date| {
        let starts = Level::ALL.map(|level| level.start(day));
        let fits =
            starts.iter().zip(&counts).find(|(start, counts)| counts.get(start).is_some_and(|&n| n <= PARTITIONS_MAX));
        fits.map_or(day, |(&start, _)| start)
    };
    let mut parts: BTreeMap<Date, usize> = BTreeMap::new();
    for &day in &days {
        *parts.entry(edge(day)).or_default() += 1;
    }
    together(parts).into_iter().filter_map(midnight).collect()
}

/// The beginnings of windows made of these parts, each with its number of partitions.
fn together(parts: BTreeMap<Date, usize>) -> Vec<Date> {
    let mut beginnings = Vec::new();
    let mut held = PARTITIONS_MAX;
    for (part, partitions) in parts {
        held += partitions;
        if held > PARTITIONS_MAX {
            beginnings.push(part);
            held = partitions;
        }
    }
    beginnings
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
    fn daily_partitions_are_read_by_month_as_soon_as_there_are_many() {
        assert_eq!(of("2025-11-20T00:00:00Z", DAY_US, 20), ["2025-01-01"]);
        assert_eq!(
            of("2024-12-20T00:00:00Z", DAY_US, 150),
            ["2024-01-01", "2025-01-01", "2025-02-01", "2025-03-01", "2025-04-01", "2025-05-01"]
        );
    }

    #[test]
    fn hourly_partitions_are_read_by_day() {
        let hourly = of("2025-06-01T00:00:00Z", DAY_US / 24, 24 * 100);
        assert_eq!((hourly.len(), hourly[0].as_str(), hourly[99].as_str()), (100, "2025-06-01", "2025-09-08"));
    }

    #[test]
    fn partitions_that_were_merged_are_read_together() {
        assert_eq!(of("2023-05-01T00:00:00Z", 31 * DAY_US, 24), ["2023-01-01"]);
        assert_eq!(of("2023-05-01T00:00:00Z", 31 * DAY_US, 32), ["2023-01-01", "2025-01-01"]);
        // Two years, ten months, and the days of the last three weeks.
        let at = |text: &str| Timestamp::parse(text).unwrap();
        let months = (1..=10).map(|month| at(&format!("2026-{month:02}-01T00:00:00Z")));
        let days = (0..24).map(|day| at("2026-11-01T00:00:00Z").plus_us(day * DAY_US));
        let years = [at("2024-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z")];
        let starts: Vec<_> = years.into_iter().chain(months).chain(days).collect();
        assert_eq!(edges(&starts), [at("2024-01-01T00:00:00Z"), at("2026-10-01T00:00:00Z")]);
    }
}
