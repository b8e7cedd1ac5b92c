//! Times as a file writes them, as RFC 3339.

use forebay_model::Timestamp;
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::fmt::strtime::{self, BrokenDownTime};
use jiff::tz::TimeZone;

/// How a column writes times.
#[derive(Clone, Debug)]
pub(crate) enum TimeFormat {
    /// RFC 3339; ingest looks at it.
    Rfc3339,
    /// By a format of `strptime`.
    Strptime {
        format: String,
        /// Where the clock hung, for formats without an offset. A time that the clock showed twice, when summer time
        /// ended, is the first of the two; one that it never showed is as much later as the clock was put forward.
        zone: Option<TimeZone>,
    },
}

impl TimeFormat {
    /// Checks that format and zone make sense together.
    ///
    /// # Errors
    /// One sentence for what does not.
    pub(crate) fn new(format: Option<String>, zone: Option<&str>) -> Result<Self, String> {
        let zone =
            zone.map(|name| TimeZone::get(name).map_err(|_| format!("there is no time zone {name:?}"))).transpose()?;
        let Some(format) = format else {
            return match zone {
                None => Ok(Self::Rfc3339),
                Some(_) => Err("a zone needs a format, such as \"%Y-%m-%d %H:%M:%S\"".to_owned()),
            };
        };
        let sample = Zoned::new(jiff::Timestamp::UNIX_EPOCH, TimeZone::UTC);
        let written = strtime::format(&format, &sample).map_err(|error| format!("the format {format:?}: {error}"))?;
        let read =
            BrokenDownTime::parse(&format, &written).map_err(|error| format!("the format {format:?}: {error}"))?;
        if zone.is_none() && read.to_timestamp().is_err() {
            return Err(format!(
                "the format {format:?} has no offset (%z), so a zone such as \"Europe/London\" is needed"
            ));
        }
        Ok(Self::Strptime { format, zone })
    }

    /// The time as RFC 3339.
    ///
    /// # Errors
    /// The end of a sentence that begins with the text.
    pub(crate) fn read(&self, text: &str) -> Result<String, String> {
        let Self::Strptime { format, zone } = self else { return Ok(text.to_owned()) };
        let wrong = |_| format!("is not a time of the form {format}");
        let read = BrokenDownTime::parse(format, text.trim_ascii()).map_err(wrong)?;
        let at = match (read.offset(), zone) {
            (None, Some(zone)) => in_zone(read.to_datetime().map_err(wrong)?, zone)?,
            _ => read.to_timestamp().map_err(wrong)?,
        };
        Ok(Timestamp::from_unix_us(at.as_microsecond()).to_string())
    }
}

fn in_zone(clock: DateTime, zone: &TimeZone) -> Result<jiff::Timestamp, String> {
    let zoned = zone.to_ambiguous_timestamp(clock).compatible();
    zoned.map_err(|_| "is not a time that can be stored".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn london(text: &str) -> Result<String, String> {
        TimeFormat::new(Some("%Y-%m-%d %H:%M:%S".to_owned()), Some("Europe/London")).unwrap().read(text)
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
        let minutes = TimeFormat::new(Some("%d/%m/%y %H:%M".to_owned()), Some("UTC")).unwrap();
        assert_eq!(minutes.read("01/12/10 8:26").as_deref(), Ok("2010-12-01T08:26:00Z"));
        let offset = TimeFormat::new(Some("%Y-%m-%dT%H:%M:%S%.f%:z".to_owned()), None).unwrap();
        assert_eq!(offset.read("2010-12-01T08:26:00.5+02:00").as_deref(), Ok("2010-12-01T06:26:00.5Z"));
        assert_eq!(TimeFormat::new(None, None).unwrap().read("whatever").as_deref(), Ok("whatever"));
    }

    #[test]
    fn a_format_or_zone_that_names_no_instant_is_refused() {
        let said = |format: Option<&str>, zone| TimeFormat::new(format.map(str::to_owned), zone).unwrap_err();
        assert!(said(Some("%Y-%m-%d"), Some("Europe/Lundon")).contains("Lundon"));
        assert!(said(Some("%Y-%m-%d %H:%M"), None).contains("zone"));
        assert!(said(Some("%Y-%q"), Some("UTC")).contains("%Y-%q"));
        assert!(said(None, Some("UTC")).contains("format"));
        assert!(london("01.12.2010").unwrap_err().contains("%Y-%m-%d"));
        assert!(london("2010-02-30 08:26:00").is_err() && london("").is_err());
    }
}
