//! How a column writes its times.

use crate::map::fields::time::TimeFormat;
use crate::suggest::sample::Column;

const DATES: [&str; 14] = [
    "%Y-%m-%d", "%Y/%m/%d", "%Y.%m.%d", "%Y%m%d", "%d.%m.%Y", "%d.%m.%y", "%d/%m/%Y", "%m/%d/%Y", "%d/%m/%y", "%m/%d/%y", "%d-%m-%Y", "%m-%d-%Y",
    "%b %d, %Y", "%d %b %Y",
];
const CLOCKS: [&str; 13] = [
    "", " %H:%M", " %H:%M:%S", "T%H:%M:%S", " %I:%M %p", " %I:%M:%S %p", ", %H:%M", ", %H:%M:%S", ", %I:%M %p", ", %I:%M:%S %p", " %H:%M:%S%.f", " %H:%M:%S %z",
    " %H:%M %z",
];
/// A zone to read times with while it is found out how they are written.
const TRIAL_ZONE: &str = "UTC";

/// How times are written, and what is not certain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct TimesFound {
    /// Nothing where it is RFC 3339.
    pub(super) format: Option<String>,
    pub(super) needs_zone: bool,
    /// Another format that fits as well, and a value that shows it.
    pub(super) or: Option<(String, String)>,
    /// A value that no format fits.
    pub(super) unread: Option<String>,
}

/// Looks for the format that all values have.
pub(super) fn find(column: &Column) -> TimesFound {
    let fitting = |candidates: &mut dyn Iterator<Item = String>| -> Vec<String> {
        candidates.filter(|format| fits(column, format)).collect()
    };
    if column.filled().all(|value| TimeFormat::new(&[], None).is_ok_and(|format| format.read(value).is_ok())) {
        return TimesFound::default();
    }
    let formats = DATES.iter().flat_map(|date| CLOCKS.iter().map(move |clock| format!("{date}{clock}")));
    let mut found = fitting(&mut formats.chain(["epoch", "excel", "iso"].map(str::to_owned)));
    // A clock that is read to the second fits as well as one with fractions of it.
    found.retain(|format| !format.ends_with("%.f") || column.filled().any(|value| value.contains('.') && value.contains(':')));
    let Some(format) = found.first().cloned() else {
        let unread = column.filled().find(|value| !fits_value(value, "iso")).map(str::to_owned);
        return TimesFound { unread, ..TimesFound::default() };
    };
    // Years of two digits fit years of four no more than the other way around, but 1/2/26 may be a year, too.
    let or = found.iter().skip(1).find(|other| is_other_reading(column, &format, other)).cloned();
    let example = column.filled().find(|value| or.as_ref().is_some_and(|or| reads(value, or) != reads(value, &format)));
    TimesFound {
        needs_zone: format != "epoch" && !format.contains("%z"),
        or: or.zip(example.map(str::to_owned)),
        format: Some(format),
        unread: None,
    }
}

fn fits(column: &Column, format: &str) -> bool {
    column.filled().next().is_some() && column.filled().all(|value| fits_value(value, format))
}

/// Whether a value is read, as a time that an order may have.
fn fits_value(value: &str, format: &str) -> bool {
    reads(value, format).is_some_and(|at| at.as_str() >= "2000" && at.as_str() < "2100")
}

fn reads(value: &str, format: &str) -> Option<String> {
    TimeFormat::new(&[format.to_owned()], Some(TRIAL_ZONE)).ok()?.read(value).ok()
}

fn is_other_reading(column: &Column, format: &str, other: &str) -> bool {
    column.filled().any(|value| reads(value, format) != reads(value, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> TimesFound {
        find(&Column { name: "at".to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() })
    }

    #[test]
    fn the_format_is_the_one_that_all_values_have() {
        for (values, format) in [
            (&["2026-01-05T12:30:00-05:00"][..], None),
            (&["2026-01-05 12:30:00 -0500", ""], Some("%Y-%m-%d %H:%M:%S %z")),
            (&["2010-12-01 08:26:00"], Some("%Y-%m-%d %H:%M:%S")),
            (&["02.01.2026 10:00"], Some("%d.%m.%Y %H:%M")),
            (&["20210101", "20210112"], Some("%Y%m%d")),
            (&["1767349445123", "1767349446"], Some("epoch")),
            (&["45292.5", "45293"], Some("excel")),
            (&["12/13/2010 8:26", "12/1/2010 8:26"], Some("%m/%d/%Y %H:%M")),
            (&["1/2/2026 10:05 AM", "1/20/2026 1:05 PM"], Some("%m/%d/%Y %I:%M %p")),
        ] {
            let found = of(values);
            assert_eq!((found.format.as_deref(), found.or, found.unread), (format, None, None), "{values:?}");
        }
    }

    #[test]
    fn a_date_with_two_readings_is_said_and_one_with_none_too() {
        let found = of(&["03/04/2026", "05/05/2026"]);
        assert_eq!(found.format.as_deref(), Some("%d/%m/%Y"));
        assert_eq!(found.or, Some(("%m/%d/%Y".to_owned(), "03/04/2026".to_owned())));
        assert_eq!(of(&["2026-01-05T12:30:00Z", "soon"]).unread.as_deref(), Some("soon"));
    }
}
