//! Times as a file writes them, as RFC 3339.

use std::borrow::Cow;

use forebay_model::Timestamp;
use jiff::Zoned;
use jiff::civil::{DateTime, date};
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

use super::decimal::scaled;
use super::text::first;
use crate::map::value::{Fault, NameNo, Row, Value};

/// A field that is taken as a time.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    /// Where it stands: the first of these that is not empty.
    pub(crate) names: Vec<NameNo>,
    /// What messages call it.
    pub(crate) title: String,
    /// What stands for an empty value, as the file would write it.
    pub(crate) default: String,
    pub(crate) format: TimeFormat,
}

/// How a column writes times.
#[derive(Clone, Debug)]
pub(crate) struct TimeFormat {
    /// The first of these that fits.
    forms: Vec<Form>,
    /// Where the clock hung, for forms without an offset. A time that the clock showed twice, when summer time ended, is the
    /// first of the two; one that it never showed is as much later as the clock was put forward.
    zone: Option<TimeZone>,
}

/// One way to write a time.
#[derive(Clone, Debug)]
enum Form {
    /// RFC 3339 or, where there is a zone, ISO 8601 without an offset, with or without a time of day.
    Iso,
    /// As `strptime` has it.
    Strptime(String),
    /// Since 1970 began, in UTC.
    Epoch(EpochUnit),
    /// Days since 1899-12-30 began, as spreadsheets count them.
    Excel,
}

/// What is counted since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum EpochUnit {
    Seconds,
    Milliseconds,
    Microseconds,
    /// Whichever of them makes a time that an order may have: their numbers of the years 2000 to 5000 are far apart.
    BySize,
}

impl Time {
    /// The time in a row, as RFC 3339; empty where there is none.
    ///
    /// # Errors
    /// [`Fault`] where it is no time.
    pub(crate) fn read(&self, row: &impl Row) -> Result<String, Fault> {
        let text = match first(&self.names, row) {
            Value::Absent => Cow::Borrowed(""),
            Value::Text(text) => text,
            Value::NotUtf8(text) => return Err(Fault::new(&self.title, text, "is not UTF-8")),
            Value::Json(raw) => Cow::Borrowed(raw.get()),
        };
        let text = if text.is_empty() { Cow::Borrowed(self.default.as_str()) } else { text };
        self.format.read(&text).map_err(|reason| Fault::new(&self.title, text, reason))
    }
}

impl TimeFormat {
    /// Checks that formats and zone make sense together.
    ///
    /// # Errors
    /// One sentence for what does not.
    pub(crate) fn new(formats: &[String], zone: Option<&str>) -> Result<Self, String> {
        let zone =
            zone.map(|name| TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?}"))).transpose()?;
        let mut forms =
            formats.iter().map(|format| Form::new(format, zone.is_some())).collect::<Result<Vec<_>, _>>()?;
        if forms.is_empty() {
            forms.push(Form::Iso);
        }
        Ok(Self { forms, zone })
    }

    /// The time as RFC 3339.
    ///
    /// # Errors
    /// The end of a sentence that begins with the text.
    pub(crate) fn read(&self, text: &str) -> Result<String, String> {
        let mut first = None;
        for form in &self.forms {
            match form.read(text, self.zone.as_ref()) {
                Ok(read) => return Ok(read),
                Err(reason) => first = first.or(Some(reason)),
            }
        }
        Err(first.unwrap_or_default())
    }
}

impl Form {
    fn new(format: &str, has_zone: bool) -> Result<Self, String> {
        Ok(match format {
            "iso" => Self::Iso,
            "epoch" => Self::Epoch(EpochUnit::BySize),
            "epoch_s" => Self::Epoch(EpochUnit::Seconds),
            "epoch_ms" => Self::Epoch(EpochUnit::Milliseconds),
            "epoch_us" => Self::Epoch(EpochUnit::Microseconds),
            "excel" if has_zone => Self::Excel,
            "excel" => {
                return Err(
                    "the format \"excel\" has no offset, so a zone such as \"Europe/London\" is needed".to_owned()
                );
            }
            format => Self::strptime(format, has_zone)?,
        })
    }

    fn strptime(format: &str, has_zone: bool) -> Result<Self, String> {
        let wrong = |error: jiff::Error| format!("the format {format:?}: {error}");
        if !format.contains('%') {
            return Err(format!(
                "the format {format:?} is not valid: expected one such as \"%d.%m.%Y %H:%M\", or iso, epoch, epoch_s, epoch_ms, epoch_us, excel"
            ));
        }
        let sample = Zoned::new(jiff::Timestamp::UNIX_EPOCH, TimeZone::UTC);
        let written = strtime::format(format, &sample).map_err(wrong)?;
        let read = BrokenDownTime::parse(format, &written).map_err(wrong)?;
        if !has_zone && read.to_timestamp().is_err() {
            return Err(format!(
                "the format {format:?} has no offset (%z), so a zone such as \"Europe/London\" is needed"
            ));
        }
        Ok(Self::Strptime(format.to_owned()))
    }

    fn read(&self, text: &str, zone: Option<&TimeZone>) -> Result<String, String> {
        let trimmed = text.trim_ascii();
        match self {
            Self::Iso => iso(text, zone),
            Self::Strptime(format) => strptime(format, trimmed, zone),
            Self::Epoch(unit) => epoch(trimmed, *unit),
            Self::Excel => excel(trimmed, zone.unwrap_or(&TimeZone::UTC)),
        }
    }
}

/// What ingest reads itself is left to it.
fn iso(text: &str, zone: Option<&TimeZone>) -> Result<String, String> {
    if Timestamp::parse(text).is_ok() {
        return Ok(text.to_owned());
    }
    let trimmed = text.trim_ascii();
    with_leap_seconds(trimmed, |text| match (text.parse::<jiff::Timestamp>(), text.parse::<DateTime>(), zone) {
        (Ok(at), _, _) => Ok(at),
        (Err(_), Ok(clock), Some(zone)) => in_zone(clock, zone),
        (Err(_), Ok(_), None) => {
            Err("has no offset: say in the map which zone the clock hung in (zone = \"Europe/London\")".to_owned())
        }
        (Err(_), Err(_), _) => {
            Err("is not a time as RFC 3339 has it: say in the map how it is written (format = \"…\")".to_owned())
        }
    })
}

fn strptime(format: &str, text: &str, zone: Option<&TimeZone>) -> Result<String, String> {
    let wrong = |_| format!("is not a time of the form {format}");
    with_leap_seconds(text, |text| {
        let read = BrokenDownTime::parse(format, text).map_err(wrong)?;
        match (read.offset(), zone) {
            (None, Some(zone)) => in_zone(clock_of(&read).map_err(wrong)?, zone),
            _ => read.to_timestamp().map_err(wrong),
        }
    })
}

/// What `read` makes of the text, with a leap second as ingest takes it. jiff reads second 60 as 59, whatever the form: that it did shows
/// in that a 59 in the place of a 60 makes no difference.
fn with_leap_seconds(text: &str, read: impl Fn(&str) -> Result<jiff::Timestamp, String>) -> Result<String, String> {
    let at = read(text)?;
    let is_as_59 = |(place, sixty): (usize, &str)| {
        read(&[&text[..place], "59", &text[place + sixty.len()..]].concat()).is_ok_and(|other| other == at)
    };
    let may_be_leap = at.as_second().rem_euclid(60) == 59;
    let at_us = Timestamp::from_unix_us(at.as_microsecond());
    if may_be_leap && text.match_indices("60").any(is_as_59) {
        return at_us.leap().map(|at| at.to_string()).map_err(|error| error.to_string());
    }
    Ok(at_us.to_string())
}

/// A date without a time of day is its beginning.
fn clock_of(read: &BrokenDownTime) -> Result<DateTime, jiff::Error> {
    let date = read.to_date()?;
    Ok(if read.hour().is_none() { date.at(0, 0, 0, 0) } else { date.to_datetime(read.to_time()?) })
}

fn epoch(text: &str, unit: EpochUnit) -> Result<String, String> {
    const WRONG: &str = "is not a number of seconds, milliseconds or microseconds since 1970";
    // Seconds of the year 5138, and a thousandth and a millionth of them: far behind any order.
    const SECONDS_MAX: i64 = 100_000_000_000;
    let whole = scaled(text.split_once('.').map_or(text, |(whole, _)| whole), 0).map_err(|_| WRONG)?;
    let decimals = match unit {
        EpochUnit::Seconds => 6,
        EpochUnit::Milliseconds => 3,
        EpochUnit::BySize if whole.abs() < SECONDS_MAX => 6,
        EpochUnit::BySize if whole.abs() < SECONDS_MAX * 1000 => 3,
        EpochUnit::Microseconds | EpochUnit::BySize => 0,
    };
    let us = scaled(text, decimals).map_err(|error| format!("{WRONG}: it {error}"))?;
    let at = jiff::Timestamp::from_microsecond(us).map_err(|_| "is not a time that can be stored")?;
    Ok(written(at))
}

/// Spreadsheets keep days as floating-point numbers of 15 digits, so their times are meant to the millisecond.
fn excel(text: &str, zone: &TimeZone) -> Result<String, String> {
    const WRONG: &str = "is not a number of days as spreadsheets count them";
    const DAY_MS: i128 = 86_400_000;
    const SCALE: i128 = 10_i128.pow(12);
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let days = scaled(whole, 0).map_err(|_| WRONG)?;
    let fraction = &fraction[..fraction.len().min(12)];
    let part = if fraction.is_empty() { 0 } else { scaled(&format!(".{fraction}"), 12).map_err(|_| WRONG)? };
    let ms = (i128::from(part) * DAY_MS + SCALE / 2) / SCALE;
    let clock = date(1899, 12, 30).at(0, 0, 0, 0);
    let span = jiff::Span::new().try_days(days).and_then(|span| span.try_milliseconds(ms as i64));
    let clock = span.and_then(|span| clock.checked_add(span)).map_err(|_| WRONG)?;
    in_zone(clock, zone).map(written)
}

fn in_zone(clock: DateTime, zone: &TimeZone) -> Result<jiff::Timestamp, String> {
    let zoned = zone.to_ambiguous_timestamp(clock).compatible();
    zoned.map_err(|_| "is not a time that can be stored".to_owned())
}

fn written(at: jiff::Timestamp) -> String {
    Timestamp::from_unix_us(at.as_microsecond()).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format(format: &str, zone: Option<&str>) -> Result<TimeFormat, String> {
        TimeFormat::new(&[format.to_owned()], zone)
    }

    fn london(text: &str) -> Result<String, String> {
        format("%Y-%m-%d %H:%M:%S", Some("Europe/London")).unwrap().read(text)
    }

    #[test]
    fn the_clock_of_a_place_becomes_an_instant() {
        assert_eq!(london("2010-12-01 08:26:00").as_deref(), Ok("2010-12-01T08:26:00Z"));
        assert_eq!(london("2011-07-01 08:26:00").as_deref(), Ok("2011-07-01T07:26:00Z"));
    }

    #[test]
    fn a_time_that_the_clock_skipped_or_showed_twice_is_read_all_the_same() {
        // Summer time began on 2011-03-27 at 01:00 and ended on 2011-10-30 at 02:00.
        assert_eq!(london("2011-03-27 01:30:00").as_deref(), Ok("2011-03-27T01:30:00Z"));
        assert_eq!(london("2011-10-30 01:30:00").as_deref(), Ok("2011-10-30T00:30:00Z"));
    }

    #[test]
    fn an_offset_in_the_text_is_taken_and_without_a_format_nothing_is_changed() {
        let minutes = format("%d/%m/%y %H:%M", Some("UTC")).unwrap();
        assert_eq!(minutes.read("01/12/10 8:26").as_deref(), Ok("2010-12-01T08:26:00Z"));
        let offset = format("%Y-%m-%dT%H:%M:%S%.f%:z", None).unwrap();
        assert_eq!(offset.read("2010-12-01T08:26:00.5+02:00").as_deref(), Ok("2010-12-01T06:26:00.5Z"));
        let iso = TimeFormat::new(&[], None).unwrap();
        assert_eq!(iso.read("2010-12-01T08:26:00+02:00").as_deref(), Ok("2010-12-01T08:26:00+02:00"));
        assert_eq!(iso.read("2026-01-05 12:30:00+00").as_deref(), Ok("2026-01-05T12:30:00Z"));
        assert!(iso.read("2026-01-05 12:30:00").unwrap_err().contains("zone"));
        assert!(iso.read("yesterday").unwrap_err().contains("format"));
    }

    #[test]
    fn a_leap_second_is_read_as_ingest_reads_it_in_every_form() {
        let iso = TimeFormat::new(&[], None).unwrap();
        assert_eq!(iso.read("2016-12-31T23:59:60Z").as_deref(), Ok("2016-12-31T23:59:60Z"), "left to ingest");
        let forms: [(&str, Option<&str>, &str); 6] = [
            ("iso", None, "2016-12-31 23:59:60+00"),
            ("iso", None, "20161231T235960Z"),
            ("iso", Some("Europe/London"), "2016-12-31 23:59:60"),
            ("iso", Some("Europe/Paris"), "2017-01-01T00:59:60"),
            ("%d.%m.%Y %H:%M:%S", Some("UTC"), "31.12.2016 23:59:60"),
            ("%Y-%m-%d %H:%M:%S%.f %z", None, "2016-12-31 18:59:60.0 -0500"),
        ];
        for (form, zone, text) in forms {
            assert_eq!(format(form, zone).unwrap().read(text).as_deref(), Ok("2017-01-01T00:00:00Z"), "{form}: {text}");
        }
        for (form, zone, text) in [
            ("iso", None, "2016-12-31 23:58:60Z"),
            ("iso", Some("Europe/Paris"), "2016-12-31T23:59:60"),
            ("%d.%m.%Y %H:%M:%S", Some("UTC"), "30.12.2016 23:59:60"),
        ] {
            assert!(format(form, zone).unwrap().read(text).is_err(), "{form}: {text}");
        }
        let fraction = format("%Y-%m-%d %H:%M:%S%.f", Some("UTC")).unwrap();
        assert_eq!(fraction.read("1960-12-31 23:59:59.60").as_deref(), Ok("1960-12-31T23:59:59.6Z"));
    }

    #[test]
    fn dates_days_first_and_clocks_of_twelve_hours() {
        for (form, text, at) in [
            ("%d.%m.%Y %H:%M", "02.01.2026 10:00", "2026-01-02T10:00:00Z"),
            ("%Y%m%d", "20210112", "2021-01-12T00:00:00Z"),
            ("%m/%d/%Y %I:%M %p", "1/2/2026 12:05 AM", "2026-01-02T00:05:00Z"),
            ("%d/%m/%Y, %I:%M:%S %p", "02/01/2026, 1:05:09 pm", "2026-01-02T13:05:09Z"),
            ("%b %d, %Y", "Jan 2, 2026", "2026-01-02T00:00:00Z"),
            ("iso", "2026-01-02", "2026-01-02T00:00:00Z"),
            ("iso", "2026-01-02T10:00", "2026-01-02T10:00:00Z"),
        ] {
            assert_eq!(format(form, Some("UTC")).unwrap().read(text).as_deref(), Ok(at), "{form}");
        }
        let several = ["%d.%m.%Y %H:%M", "%d.%m.%Y"].map(str::to_owned);
        let several = TimeFormat::new(&several, Some("Europe/Berlin")).unwrap();
        assert_eq!(several.read("02.07.2026").as_deref(), Ok("2026-07-01T22:00:00Z"));
        assert!(several.read("2.7.").unwrap_err().contains("%d.%m.%Y %H:%M"));
    }

    #[test]
    fn numbers_since_1970_are_of_the_unit_that_makes_a_time_of_an_order() {
        let epoch = format("epoch", None).unwrap();
        for (text, at) in [
            ("1767349445123", "2026-01-02T10:24:05.123Z"),
            ("1767349446", "2026-01-02T10:24:06Z"),
            ("1767349446.5", "2026-01-02T10:24:06.5Z"),
            ("1767349445123456", "2026-01-02T10:24:05.123456Z"),
            ("946684800", "2000-01-01T00:00:00Z"),
        ] {
            assert_eq!(epoch.read(text).as_deref(), Ok(at), "{text}");
        }
        assert_eq!(format("epoch_ms", None).unwrap().read("1767349446").as_deref(), Ok("1970-01-21T10:55:49.446Z"));
        assert!(epoch.read("1767349445123.4567").is_err() && epoch.read("soon").is_err() && epoch.read("").is_err());
    }

    #[test]
    fn days_of_spreadsheets_are_meant_to_the_millisecond() {
        let excel = format("excel", Some("UTC")).unwrap();
        for (text, at) in [
            ("45292", "2024-01-01T00:00:00Z"),
            ("45292.5", "2024-01-01T12:00:00Z"),
            ("45300.5208333333", "2024-01-09T12:30:00Z"),
            ("45300.520833333336", "2024-01-09T12:30:00Z"),
        ] {
            assert_eq!(excel.read(text).as_deref(), Ok(at), "{text}");
        }
        assert!(excel.read("45292,5").is_err() && excel.read("").is_err() && excel.read("999999999").is_err());
    }

    #[test]
    fn a_format_or_zone_that_names_no_instant_is_refused() {
        let said = |form: &str, zone| format(form, zone).unwrap_err();
        assert!(said("%Y-%m-%d", Some("Europe/Lundon")).contains("Lundon"));
        assert!(said("%Y-%m-%d %H:%M", None).contains("zone"));
        assert!(said("excel", None).contains("zone"));
        assert!(said("%Y-%q", Some("UTC")).contains("%Y-%q"));
        assert!(said("unix", Some("UTC")).contains("epoch"));
        assert!(london("01.12.2010").unwrap_err().contains("%Y-%m-%d"));
        assert!(london("2010-02-30 08:26:00").is_err() && london("").is_err());
    }
}
