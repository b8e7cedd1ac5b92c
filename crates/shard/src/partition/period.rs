//! Parts of the calendar that are over: which partitions may become one.

use std::collections::BTreeMap;

use forebay_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::{Granularity, Span};

/// A partition that exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Partition {
    pub(super) oid: i64,
    /// As it stands in a statement: quoted and qualified where it must be.
    pub(super) name: String,
    pub(super) span: Span,
    /// Whether it is a table, rather than partitioned itself or on another server.
    pub(super) is_plain: bool,
    /// With its indexes.
    pub(super) bytes: u64,
    /// Whether enough of it was deleted that it is worth to be written anew: a DELETE leaves its room to the table, not to the disk.
    pub(super) is_hollow: bool,
}

/// A day, month or year that is over and has more than one partition, or one that is hollow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    pub(super) span: Span,
    pub(super) partitions: Vec<Partition>,
}

/// How long periods are.
#[derive(Clone, Copy)]
enum Length {
    Day,
    Month,
    Year,
}

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

/// A year becomes one partition only where it is small. A large one stays in months, which are merged in seconds and can be
/// taken away one by one.
const YEAR_BYTES_MAX: u64 = 4 << 30;

impl Length {
    /// From the longest, so that nothing is merged into a month only to be merged into a year right after.
    const ALL: [Self; 3] = [Self::Year, Self::Month, Self::Day];

    fn slot(self, at: Timestamp) -> Option<Span> {
        match self {
            Self::Day => Some(Granularity::Day.slot(at)),
            Self::Month => Some(Granularity::Month.slot(at)),
            Self::Year => year(at),
        }
    }

    /// How long after its end it is left alone, because orders of it are still to be expected.
    const fn margin_us(self) -> i64 {
        match self {
            Self::Day => 3 * HOUR_US,
            Self::Month => 2 * DAY_US,
            Self::Year => 31 * DAY_US,
        }
    }

    const fn bytes_max(self) -> u64 {
        match self {
            Self::Day | Self::Month => u64::MAX,
            Self::Year => YEAR_BYTES_MAX,
        }
    }
}

impl Period {
    /// Where it begins, inclusive.
    pub fn from(&self) -> Timestamp {
        Timestamp::from_unix_us(self.span.from)
    }

    /// Where it ends, exclusive.
    pub fn to(&self) -> Timestamp {
        Timestamp::from_unix_us(self.span.to)
    }

    /// How many partitions it has.
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Whether it consists of exactly these partitions, of all that a table has.
    pub(super) fn is_made_of(&self, all: &[Partition]) -> bool {
        let within =
            all.iter().filter(|partition| partition.span.from < self.span.to && self.span.from < partition.span.to);
        within.map(|partition| partition.oid).eq(self.partitions.iter().map(|partition| partition.oid))
    }
}

/// The periods of these partitions, which are in order: longer before shorter, older before newer. They overlap: after merging
/// one, the others must be read again.
pub(super) fn periods(partitions: &[Partition], now: Timestamp) -> Vec<Period> {
    Length::ALL.into_iter().flat_map(|length| of_length(length, partitions, now)).collect()
}

fn of_length(length: Length, partitions: &[Partition], now: Timestamp) -> Vec<Period> {
    let mut slots: BTreeMap<Span, Vec<Partition>> = BTreeMap::new();
    // What is open to below lies in no period, but it may reach into one.
    for partition in partitions.iter().filter(|partition| partition.span.from > i64::MIN) {
        if let Some(slot) = length.slot(Timestamp::from_unix_us(partition.span.from)) {
            slots.entry(slot).or_default().push(partition.clone());
        }
    }
    let periods = slots.into_iter().map(|(span, partitions)| Period { span, partitions });
    periods
        .filter(|period| period.is_over(length, now) && period.is_whole(partitions) && period.can_be_merged(length))
        .collect()
}

impl Period {
    fn is_over(&self, length: Length, now: Timestamp) -> bool {
        self.span.to.saturating_add(length.margin_us()) <= now.unix_us()
    }

    /// Whether no partition lies across its ends.
    fn is_whole(&self, all: &[Partition]) -> bool {
        self.is_made_of(all) && self.partitions.iter().all(|partition| partition.span.to <= self.span.to)
    }

    fn can_be_merged(&self, length: Length) -> bool {
        let bytes: u64 = self.partitions.iter().map(|partition| partition.bytes).sum();
        let is_hollow = || self.partitions.iter().all(|partition| partition.is_hollow && partition.span == self.span);
        (self.partitions.len() > 1 || is_hollow())
            && self.partitions.iter().all(|partition| partition.is_plain)
            && bytes <= length.bytes_max()
    }
}

/// `None` outside the years that the calendar library knows, where no order can be.
fn year(at: Timestamp) -> Option<Span> {
    let first = jiff::Timestamp::from_microsecond(at.unix_us()).ok()?.to_zoned(TimeZone::UTC).date().first_of_year();
    let start = |date: Date| Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_microsecond());
    let next = first.checked_add(jiff::Span::new().years(1)).ok()?;
    Some(Span { from: start(first)?, to: start(next)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn made_of(spans: impl IntoIterator<Item = Span>) -> Vec<Partition> {
        let partition = |(n, span)| Partition {
            oid: n,
            name: format!("p{n}"),
            span,
            is_plain: true,
            bytes: 1 << 20,
            is_hollow: false,
        };
        (0..).zip(spans).map(partition).collect()
    }

    fn days(first: &str, count: u32) -> Vec<Partition> {
        made_of(Granularity::Day.slots_from(at(first), count))
    }

    fn found(partitions: &[Partition], now: &str) -> Vec<String> {
        let periods = periods(partitions, at(now));
        periods.iter().map(|period| format!("{} {}", &period.span.to_string()[..10], period.partitions.len())).collect()
    }

    #[test]
    fn months_and_years_are_merged_when_they_are_over() {
        let days = days("2024-11-20T00:00:00Z", 75);
        assert_eq!(found(&days, "2024-12-02T23:59:59Z"), [""; 0]);
        assert_eq!(found(&days, "2024-12-03T00:00:00Z"), ["2024-11-01 11"]);
        assert_eq!(found(&days, "2025-01-31T23:59:59Z"), ["2024-11-01 11", "2024-12-01 31"]);
        assert_eq!(found(&days, "2025-02-01T00:00:00Z"), ["2024-01-01 42", "2024-11-01 11", "2024-12-01 31"]);
    }

    #[test]
    fn hours_are_merged_into_days() {
        let hours = made_of(Granularity::Hour.slots_from(at("2025-06-30T20:00:00Z"), 8));
        assert_eq!(found(&hours, "2025-07-01T02:59:59Z"), [""; 0]);
        assert_eq!(found(&hours, "2025-07-01T03:00:00Z"), ["2025-06-30 4"]);
    }

    #[test]
    fn what_is_one_partition_already_is_left_alone() {
        assert_eq!(
            found(&made_of(Granularity::Month.slots_from(at("2025-01-01T00:00:00Z"), 1)), "2030-01-01T00:00:00Z"),
            [""; 0]
        );
        // Unless most of it is gone.
        let mut hollow = made_of(Granularity::Month.slots_from(at("2025-01-01T00:00:00Z"), 1));
        hollow[0].is_hollow = true;
        assert_eq!(found(&hollow, "2030-01-01T00:00:00Z"), ["2025-01-01 1"]);
        let mut year = days("2024-01-01T00:00:00Z", 366);
        for day in &mut year {
            day.bytes = YEAR_BYTES_MAX / 300;
        }
        // A large year stays in months.
        assert_eq!(found(&year, "2030-01-01T00:00:00Z").len(), 12);
    }

    #[test]
    fn a_partition_across_the_ends_or_of_another_kind_keeps_its_part_as_it_is() {
        let span = |from: &str, to: &str| Span { from: at(from).unix_us(), to: at(to).unix_us() };
        let across = made_of([
            span("2024-12-30T00:00:00Z", "2025-01-06T00:00:00Z"),
            span("2025-01-06T00:00:00Z", "2025-01-13T00:00:00Z"),
            span("2025-01-13T00:00:00Z", "2025-01-20T00:00:00Z"),
        ]);
        assert_eq!(found(&across, "2030-01-01T00:00:00Z"), [""; 0]);
        let open = made_of([Span { from: i64::MIN, to: i64::MAX }]);
        assert_eq!(found(&open, "2030-01-01T00:00:00Z"), [""; 0]);
        let mut foreign = days("2025-01-01T00:00:00Z", 40);
        foreign[3].is_plain = false;
        assert_eq!(found(&foreign, "2030-01-01T00:00:00Z"), ["2025-02-01 9"]);
    }
}
