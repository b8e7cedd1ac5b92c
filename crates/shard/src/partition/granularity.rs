//! How long a partition is.

use std::fmt;
use std::str::FromStr;

use forebay_model::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Span;

/// How much time one partition holds, in UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Granularity {
    /// A day.
    #[default]
    Day,
    /// An hour.
    Hour,
    /// A calendar month.
    Month,
}

/// A text that names no granularity.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no length of a partition: there are day, hour and month")]
pub struct UnknownGranularity(String);

const HOUR_US: i64 = 3_600_000_000;
const DAY_US: i64 = 24 * HOUR_US;

impl Granularity {
    /// The whole hour, day or month that an instant lies in.
    pub(crate) fn slot(self, at: Timestamp) -> Span {
        let us = at.unix_us();
        let of_length = |length: i64| {
            let from = us.div_euclid(length) * length;
            Span { from, to: from + length }
        };
        match self {
            Self::Hour => of_length(HOUR_US),
            Self::Day => of_length(DAY_US),
            Self::Month => month(us).unwrap_or_else(|| of_length(DAY_US)),
        }
    }

    /// The slot of an instant and those that follow it.
    pub(crate) fn slots_from(self, at: Timestamp, count: u32) -> impl Iterator<Item = Span> {
        let first = self.slot(at);
        let next = move |slot: &Span| Some(self.slot(Timestamp::from_unix_us(slot.to)));
        std::iter::successors(Some(first), next).take(count as usize)
    }
}

/// `None` outside the years that the calendar library knows, where no order can be.
fn month(us: i64) -> Option<Span> {
    let first = jiff::Timestamp::from_microsecond(us).ok()?.to_zoned(TimeZone::UTC).date().first_of_month();
    let start = |date: Date| date.to_zoned(TimeZone::UTC).ok().map(|start| start.timestamp().as_microsecond());
    let next = first.checked_add(jiff::Span::new().months(1)).ok()?;
    Some(Span { from: start(first)?, to: start(next)? })
}

impl fmt::Display for Granularity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Month => "month",
        })
    }
}

impl FromStr for Granularity {
    type Err = UnknownGranularity;

    fn from_str(text: &str) -> Result<Self, UnknownGranularity> {
        match text {
            "day" => Ok(Self::Day),
            "hour" => Ok(Self::Hour),
            "month" => Ok(Self::Month),
            _ => Err(UnknownGranularity(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot(granularity: Granularity, text: &str) -> String {
        granularity.slot(Timestamp::parse(text).unwrap()).to_string()
    }

    #[test]
    fn a_slot_is_the_calendar_s_in_utc() {
        let at = "2024-02-29T23:59:59.999999Z";
        assert_eq!(slot(Granularity::Hour, at), "2024-02-29T23:00:00Z..2024-03-01T00:00:00Z");
        assert_eq!(slot(Granularity::Day, at), "2024-02-29T00:00:00Z..2024-03-01T00:00:00Z");
        assert_eq!(slot(Granularity::Month, at), "2024-02-01T00:00:00Z..2024-03-01T00:00:00Z");
        assert_eq!(slot(Granularity::Month, "1999-12-31T23:30:00-01:00"), "2000-01-01T00:00:00Z..2000-02-01T00:00:00Z");
        assert!("week".parse::<Granularity>().is_err());
    }

    #[test]
    fn slots_follow_each_other() {
        let at = Timestamp::parse("2025-11-30T10:00:00Z").unwrap();
        let slots: Vec<_> = Granularity::Month.slots_from(at, 3).collect();
        assert_eq!(slots.len(), 3);
        assert!(slots.windows(2).all(|pair| pair[0].to == pair[1].from));
        assert_eq!(slots[2].to_string(), "2026-01-01T00:00:00Z..2026-02-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn every_instant_lies_in_its_slot(us in i64::MIN / 2..i64::MAX / 2) {
            for granularity in [Granularity::Hour, Granularity::Day, Granularity::Month] {
                let slot = granularity.slot(Timestamp::from_unix_us(us));
                prop_assert!(slot.from <= us && us < slot.to);
            }
        }
    }
}
