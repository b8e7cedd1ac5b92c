//! Instants, kept to the microsecond because that is what Postgres keeps.

use std::fmt;
use std::time::Duration;

/// Microseconds between 1970-01-01 (Unix) and 2000-01-01 (Postgres).
const POSTGRES_EPOCH_US: i64 = 946_684_800_000_000;

/// 0000-01-01T00:00:00Z: RFC 3339 has four digits for a year, and no sign.
const YEAR_0_US: i64 = -62_167_219_200_000_000;

/// The point and nine digits.
const FRACTION_MAX: usize = 10;

/// An instant in microseconds since 1970-01-01T00:00:00Z, within the years that RFC 3339 can write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// Why a text is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// Date and time stand there, and no offset behind them.
    #[error("needs an offset, such as `Z` or `+02:00`")]
    NoOffset,
    /// It does not have the shape of RFC 3339.
    #[error("must be an RFC 3339 date and time, such as 2025-06-30T12:30:00Z")]
    Shape,
    /// The shape is right and the calendar has no such instant.
    #[error("is not a date and time that exists")]
    NoSuchTime,
}

impl Timestamp {
    /// 2000-01-01T00:00:00Z, the earliest time an order may have.
    pub const EARLIEST: Self = Self(POSTGRES_EPOCH_US);

    /// From microseconds since 1970-01-01T00:00:00Z.
    pub const fn from_unix_us(us: i64) -> Self {
        Self(us)
    }

    /// Microseconds since 1970-01-01T00:00:00Z.
    pub const fn unix_us(self) -> i64 {
        self.0
    }

    /// Milliseconds since 1970-01-01T00:00:00Z, rounded down.
    pub const fn unix_ms(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// From microseconds since 2000-01-01T00:00:00Z, as the binary format of `timestamptz` has them.
    /// `None` where the sum leaves 64 bits.
    pub const fn from_postgres_us(us: i64) -> Option<Self> {
        match us.checked_add(POSTGRES_EPOCH_US) {
            Some(unix_us) => Some(Self(unix_us)),
            None => None,
        }
    }

    /// Microseconds since 2000-01-01T00:00:00Z, as the binary format of `timestamptz` wants them.
    pub const fn postgres_us(self) -> i64 {
        self.0 - POSTGRES_EPOCH_US
    }

    /// The instant that many microseconds later; it stays at the end of the range where the sum would leave it.
    #[must_use]
    pub const fn plus_us(self, us: i64) -> Self {
        Self(self.0.saturating_add(us))
    }

    /// As answers have it, to be written.
    pub fn in_full(self) -> InFull {
        InFull(self)
    }

    /// How long after another instant it is; nothing where it is before that.
    pub const fn since(self, earlier: Self) -> Duration {
        let us = self.0.saturating_sub(earlier.0);
        Duration::from_micros(if us > 0 { us.unsigned_abs() } else { 0 })
    }

    /// The clock of this machine.
    pub fn now() -> Self {
        Self(jiff::Timestamp::now().as_microsecond())
    }

    /// Reads RFC 3339 with seconds and an offset; what is finer than a microsecond is cut off. A leap second is the second behind it, as
    /// Unix and Postgres count time.
    ///
    /// # Errors
    /// [`TimestampError`] says whether the offset is missing, the shape is wrong or the date does not exist.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        before_leap_second(text).map_or_else(|| Self::parse_usual(text), |before| Self::parse_usual(&before)?.leap())
    }

    /// The instant behind a leap second that is as far into its second as this instant is into the one before it.
    ///
    /// # Errors
    /// [`TimestampError::NoSuchTime`], where no leap second can follow: it ends a month in UTC (RFC 3339, 5.7).
    pub fn leap(self) -> Result<Self, TimestampError> {
        let since_1970 = self.0.div_euclid(1_000_000);
        let days = jiff::SignedDuration::from_hours(since_1970.div_euclid(86_400) * 24);
        let date = jiff::civil::date(1970, 1, 1).checked_add(days);
        let ends_month = date.is_ok_and(|date| date == date.last_of_month());
        let ends_day = since_1970.rem_euclid(86_400) == 86_399;
        if ends_day && ends_month { Ok(self.plus_us(1_000_000)) } else { Err(TimestampError::NoSuchTime) }
    }

    /// Reads what names no leap second.
    fn parse_usual(text: &str) -> Result<Self, TimestampError> {
        let rest = after_seconds(text.as_bytes()).ok_or(TimestampError::Shape)?;
        let offset = after_fraction(rest).ok_or(TimestampError::Shape)?;
        match offset {
            [] => return Err(TimestampError::NoOffset),
            [b'Z' | b'z'] => {}
            [b'+' | b'-', h1, h2, b':', m1, m2] if [h1, h2, m1, m2].iter().all(|d| d.is_ascii_digit()) => {
                if (*h1, *h2) > (b'2', b'3') || *m1 > b'5' {
                    return Err(TimestampError::NoSuchTime);
                }
            }
            _ => return Err(TimestampError::Shape),
        }
        let fraction = rest.len() - offset.len();
        let instant: Result<jiff::Timestamp, _> = if fraction > FRACTION_MAX {
            // jiff reads nanoseconds; what is finer is cut off.
            let end = text.len() - rest.len() + FRACTION_MAX;
            format!("{}{}", &text[..end], &text[text.len() - offset.len()..]).parse()
        } else {
            text.parse()
        };
        let instant = instant.map_err(|_| TimestampError::NoSuchTime)?;
        let us = instant.as_nanosecond().div_euclid(1000) as i64;
        // An offset can lead to the year before.
        if us < YEAR_0_US { Err(TimestampError::NoSuchTime) } else { Ok(Self(us)) }
    }

    /// Reads RFC 3339 as a bound of time: any instant that it can write is one, also the last of the year 9999, which many clients send for
    /// `ever`. Such a bound is for comparing, not for an order.
    ///
    /// # Errors
    /// As [`Timestamp::parse`].
    pub fn parse_bound(text: &str) -> Result<Self, TimestampError> {
        match Self::parse(text) {
            Err(TimestampError::NoSuchTime) => match before_leap_second(text) {
                Some(before) => beyond(&before).ok_or(TimestampError::NoSuchTime)?.leap(),
                None => beyond(text).ok_or(TimestampError::NoSuchTime),
            },
            parsed => parsed,
        }
    }
}

/// The text with the second before the leap second that it names, if it names one: jiff reads second 60 as 59.
fn before_leap_second(text: &str) -> Option<String> {
    let (minute, rest) = text.split_at_checked("YYYY-MM-DDTHH:MM:".len())?;
    Some(format!("{minute}59{}", rest.strip_prefix("60")?))
}

/// The instant of a text whose shape is right and that [`Timestamp::parse`] does not hold, to the second; nothing where the calendar or the
/// clock has none.
fn beyond(text: &str) -> Option<Timestamp> {
    let civil: jiff::civil::DateTime = text.get(..19)?.to_ascii_uppercase().parse().ok()?;
    let since_1970 = civil.duration_since(jiff::civil::date(1970, 1, 1).to_datetime(jiff::civil::Time::midnight()));
    let offset_s = match text.get(text.len().checked_sub(6)?..)?.split_at(1) {
        (sign @ ("+" | "-"), clock) => {
            let (hours, minutes) = clock.split_once(':')?;
            let (hours, minutes): (i64, i64) = (hours.parse().ok()?, minutes.parse().ok()?);
            let seconds = (hours < 24 && minutes < 60).then_some(hours * 3600 + minutes * 60)?;
            if sign == "-" { -seconds } else { seconds }
        }
        _ => 0,
    };
    Some(Timestamp((since_1970.as_secs() - offset_s) * 1_000_000))
}

/// What stands behind `YYYY-MM-DDTHH:MM:SS`, where the text begins so.
fn after_seconds(text: &[u8]) -> Option<&[u8]> {
    const SHAPE: &[u8; 19] = b"dddd-dd-ddTdd:dd:dd";
    let (head, rest) = text.split_at_checked(SHAPE.len())?;
    let fits = head.iter().zip(SHAPE).all(|(&c, &s)| match s {
        b'd' => c.is_ascii_digit(),
        b'T' => matches!(c, b'T' | b't' | b' '),
        punctuation => c == punctuation,
    });
    fits.then_some(rest)
}

/// What stands behind an optional `.digits`.
fn after_fraction(rest: &[u8]) -> Option<&[u8]> {
    let Some(fraction) = rest.strip_prefix(b".") else {
        return Some(rest);
    };
    let digits = fraction.iter().take_while(|c| c.is_ascii_digit()).count();
    (digits > 0).then(|| &fraction[digits..])
}

/// A time as answers have it.
#[derive(Clone, Copy, Debug)]
pub struct InFull(Timestamp);

/// RFC 3339 in UTC, with six digits of a second: as texts, such times follow each other as they do as times.
impl fmt::Display for InFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}", self.0)
    }
}

/// RFC 3339 in UTC, with as many digits of a second as are needed.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Seconds and nanoseconds, because from microseconds jiff makes nothing that lies within its last second.
        let (second, us) = (self.0.div_euclid(1_000_000), self.0.rem_euclid(1_000_000));
        match jiff::Timestamp::new(second, us as i32 * 1000) {
            Ok(instant) => instant.fmt(f),
            Err(_) => write!(f, "{} µs since 1970", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_is_not_rfc_3339() {
        assert_eq!(Timestamp::parse("2025-06-30T12:30:00"), Err(TimestampError::NoOffset));
        for text in [
            "2025-02-30T12:30:00Z",
            "2025-06-30T12:30:00+24:00",
            "2025-06-30T12:30:00-01:60",
            "0000-01-01T00:00:00+00:03",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError::NoSuchTime), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "2025-06-30",
            "2025-06-30T12:30Z",
            "2025-06-30T12:30:00+02",
            "2025-06-30T12:30:00.Z",
            "2025-06-30T12:30:00Z[UTC]",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError::Shape), "{text}");
        }
    }

    #[test]
    fn the_last_instant_is_written_as_it_is_read() {
        let last = "9999-12-30T22:00:00.999999Z";
        assert_eq!(Timestamp::parse(last).unwrap().to_string(), last);
    }

    #[test]
    fn any_instant_that_can_be_written_is_a_bound() {
        let bound = |text| Timestamp::parse_bound(text).map(Timestamp::unix_us);
        let last = 253_402_300_799_000_000;
        assert_eq!(bound("9999-12-31T23:59:59Z"), Ok(last));
        assert_eq!(bound("9999-12-31t23:59:59.999999z"), Ok(last));
        assert_eq!(bound("9999-12-31 23:59:59-23:59"), Ok(last + 86_340_000_000));
        assert_eq!(bound("0000-01-01T00:00:00+00:03"), Ok(YEAR_0_US - 180_000_000));
        assert_eq!(
            bound("2025-06-30T12:30:00.25Z"),
            Timestamp::parse("2025-06-30T12:30:00.25Z").map(Timestamp::unix_us)
        );
        for text in
            ["9999-12-32T00:00:00Z", "9999-12-31T24:00:00Z", "9999-12-31T23:59:59+24:00", "2025-02-30T12:30:00Z"]
        {
            assert_eq!(bound(text), Err(TimestampError::NoSuchTime), "{text}");
        }
        assert_eq!(bound("9999-12-31T23:59:59"), Err(TimestampError::NoOffset));
    }

    #[test]
    fn a_leap_second_is_the_second_behind_it_and_only_where_a_month_ends() {
        let same = |text: &str, behind: &str| assert_eq!(Timestamp::parse(text), Timestamp::parse(behind), "{text}");
        same("2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z");
        same("2016-12-31t23:59:60.25z", "2017-01-01T00:00:00.25Z");
        same("2017-01-01T00:59:60+01:00", "2017-01-01T00:00:00Z");
        same("2012-06-30T19:59:60.9999999999-04:00", "2012-07-01T00:00:00.999999Z");
        for text in [
            "2016-12-31T23:58:60Z",
            "2016-12-30T23:59:60Z",
            "2016-12-31T23:59:60+01:00",
            "2016-12-31T23:59:61Z",
            "2016-12-31T24:59:60Z",
        ] {
            assert_eq!(Timestamp::parse(text), Err(TimestampError::NoSuchTime), "{text}");
            assert_eq!(Timestamp::parse_bound(text), Err(TimestampError::NoSuchTime), "{text}");
        }
        assert_eq!(Timestamp::parse("2016-12-31T23:59:60"), Err(TimestampError::NoOffset));
        let bound = |text| Timestamp::parse_bound(text).map(Timestamp::unix_us);
        assert_eq!(bound("2016-12-31T23:59:60Z"), Ok(1_483_228_800_000_000));
        assert_eq!(bound("9999-12-31T23:59:60Z"), Ok(253_402_300_800_000_000));
    }

    #[test]
    fn offsets_count_and_nanoseconds_are_cut() {
        let utc = Timestamp::parse("2025-06-30T12:30:00.123456Z").unwrap();
        assert_eq!(Timestamp::parse("2025-06-30T14:30:00.123456999+02:00"), Ok(utc));
        assert_eq!(Timestamp::parse("2025-06-30T12:30:00.12345699999999999Z"), Ok(utc));
        assert_eq!(utc.to_string(), "2025-06-30T12:30:00.123456Z");
        assert_eq!(utc.plus_us(-123_456).in_full().to_string(), "2025-06-30T12:30:00.000000Z");
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(us in POSTGRES_EPOCH_US..4_102_444_800_000_000) {
            let at = Timestamp::from_unix_us(us);
            prop_assert_eq!(Timestamp::parse(&at.to_string()), Ok(at));
            prop_assert_eq!(Timestamp::from_postgres_us(at.postgres_us()), Some(at));
        }
    }
}
