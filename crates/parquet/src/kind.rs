//! What a column's values mean, and how they are written as texts.

use std::io::Write;

use jiff::Timestamp;
use jiff::civil::{Date, Time, date};
use jiff::tz::TimeZone;
use parquet::basic::{ConvertedType, LogicalType, TimeUnit};
use parquet::schema::types::ColumnDescriptor;

use crate::decimal::{from_bytes, push_decimal};

/// What the values of a column mean, whatever they are stored as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What they are stored as: a text, a number, a truth.
    Plain,
    Unsigned,
    Decimal {
        scale: u32,
    },
    /// Days since 1970.
    Date,
    /// Since 1970, in UTC or on a clock that hangs somewhere.
    Timestamp {
        per_second: i64,
        is_utc: bool,
    },
    /// Since midnight.
    Time {
        per_second: i64,
    },
    Uuid,
}

impl Kind {
    /// What a file says of a column; older files say it in another way.
    pub(crate) fn of(column: &ColumnDescriptor) -> Self {
        let scale = || u32::try_from(column.type_scale()).unwrap_or_default();
        match column.logical_type_ref() {
            Some(LogicalType::Decimal(_)) => Self::Decimal { scale: scale() },
            Some(LogicalType::Date) => Self::Date,
            Some(LogicalType::Integer(int)) if !int.is_signed => Self::Unsigned,
            Some(LogicalType::Time(time)) => Self::Time { per_second: per_second(time.unit) },
            Some(LogicalType::Timestamp(at)) => {
                Self::Timestamp { per_second: per_second(at.unit), is_utc: at.is_adjusted_to_u_t_c }
            }
            Some(LogicalType::Uuid) => Self::Uuid,
            Some(_) => Self::Plain,
            None => Self::of_converted(column.converted_type(), scale()),
        }
    }

    fn of_converted(kind: ConvertedType, scale: u32) -> Self {
        match kind {
            ConvertedType::DECIMAL => Self::Decimal { scale },
            ConvertedType::DATE => Self::Date,
            ConvertedType::UINT_8 | ConvertedType::UINT_16 | ConvertedType::UINT_32 | ConvertedType::UINT_64 => {
                Self::Unsigned
            }
            ConvertedType::TIME_MILLIS => Self::Time { per_second: 1000 },
            ConvertedType::TIME_MICROS => Self::Time { per_second: 1_000_000 },
            ConvertedType::TIMESTAMP_MILLIS => Self::Timestamp { per_second: 1000, is_utc: true },
            ConvertedType::TIMESTAMP_MICROS => Self::Timestamp { per_second: 1_000_000, is_utc: true },
            _ => Self::Plain,
        }
    }

    /// Writes an integer of 32 bits.
    pub(crate) fn push_i32(self, out: &mut Vec<u8>, value: i32) {
        match self {
            Self::Unsigned => push(out, value.cast_unsigned()),
            _ => self.push_i64(out, value.into()),
        }
    }

    /// Writes an integer. What is no time is written as the number that it is.
    pub(crate) fn push_i64(self, out: &mut Vec<u8>, value: i64) {
        let written = match self {
            Self::Unsigned => {
                push(out, value.cast_unsigned());
                Some(())
            }
            Self::Decimal { scale } => {
                push_decimal(out, value.into(), scale);
                Some(())
            }
            Self::Date => date_of(value).map(|date| push(out, date)),
            Self::Timestamp { per_second, is_utc } => {
                instant(value, per_second).map(|at| push_instant(out, at, is_utc))
            }
            Self::Time { per_second } => time_of(value, per_second).map(|time| push(out, time)),
            Self::Plain | Self::Uuid => None,
        };
        if written.is_none() {
            push(out, value);
        }
    }

    /// Writes bytes: a text as it is.
    pub(crate) fn push_bytes(self, out: &mut Vec<u8>, bytes: &[u8]) {
        match self {
            Self::Decimal { scale } => match from_bytes(bytes) {
                Some(unscaled) => push_decimal(out, unscaled, scale),
                None => push(out, "a number of more than 128 bits"),
            },
            Self::Uuid if bytes.len() == 16 => {
                for (place, byte) in bytes.iter().enumerate() {
                    let dash = if matches!(place, 4 | 6 | 8 | 10) { "-" } else { "" };
                    push(out, format_args!("{dash}{byte:02x}"));
                }
            }
            _ => out.extend_from_slice(bytes),
        }
    }
}

/// Writes whatever can be shown.
pub(crate) fn push(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{value}");
}

fn per_second(unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::MILLIS => 1000,
        TimeUnit::MICROS => 1_000_000,
        TimeUnit::NANOS => 1_000_000_000,
    }
}

/// An instant, to the microsecond: what is finer is cut off.
fn instant(value: i64, per_second: i64) -> Option<Timestamp> {
    let us = match per_second {
        1000 => value.checked_mul(1000)?,
        1_000_000 => value,
        _ => value.div_euclid(1000),
    };
    Timestamp::from_microsecond(us).ok()
}

/// RFC 3339 in UTC, or else what a clock showed.
fn push_instant(out: &mut Vec<u8>, at: Timestamp, is_utc: bool) {
    if is_utc {
        return push(out, at);
    }
    let clock = at.to_zoned(TimeZone::UTC).datetime();
    push(out, format_args!("{} {}", clock.date(), clock.time()));
}

fn date_of(days: i64) -> Option<Date> {
    let span = jiff::Span::new().try_days(days).ok()?;
    date(1970, 1, 1).checked_add(span).ok()
}

fn time_of(value: i64, per_second: i64) -> Option<Time> {
    let nanoseconds = value.checked_mul(1_000_000_000 / per_second)?;
    let span = jiff::Span::new().try_nanoseconds(nanoseconds).ok()?;
    Time::midnight().checked_add(span).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind, value: i64) -> String {
        let mut out = Vec::new();
        kind.push_i64(&mut out, value);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_written_as_people_write_them() {
        let us = Kind::Timestamp { per_second: 1_000_000, is_utc: true };
        assert_eq!(text(us, 1_751_286_600_123_456), "2025-06-30T12:30:00.123456Z");
        let ns = Kind::Timestamp { per_second: 1_000_000_000, is_utc: true };
        assert_eq!(text(ns, 1_751_286_600_123_456_999), "2025-06-30T12:30:00.123456Z");
        assert_eq!(text(ns, -1), "1969-12-31T23:59:59.999999Z");
        let local = Kind::Timestamp { per_second: 1000, is_utc: false };
        assert_eq!(text(local, 1_751_286_600_000), "2025-06-30 12:30:00");
        assert_eq!(text(Kind::Date, 20_269), "2025-06-30");
        assert_eq!(text(Kind::Date, -1), "1969-12-31");
        assert_eq!(text(Kind::Time { per_second: 1000 }, 45_000_500), "12:30:00.5");
        assert_eq!(text(us, i64::MAX), i64::MAX.to_string());
    }

    #[test]
    fn numbers_keep_their_sign_or_have_none() {
        let mut out = Vec::new();
        Kind::Unsigned.push_i32(&mut out, -1);
        assert_eq!(out, b"4294967295");
        assert_eq!(text(Kind::Unsigned, -1), u64::MAX.to_string());
        assert_eq!(text(Kind::Plain, -1), "-1");
        assert_eq!(text(Kind::Decimal { scale: 2 }, -1050), "-10.50");
    }

    #[test]
    fn a_uuid_has_its_dashes() {
        let mut out = Vec::new();
        Kind::Uuid.push_bytes(&mut out, &0x0190_67ab_0000_7000_8000_0000_0000_0001_u128.to_be_bytes());
        assert_eq!(out, b"019067ab-0000-7000-8000-000000000001");
    }
}
