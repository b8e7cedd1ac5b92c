//! How a column writes its times.

use std::collections::BTreeSet;

use crate::map::fields::time::TimeFormat;
use crate::suggest::sample::Column;

const DATES: [&str; 14] = [
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%d.%m.%Y",
    "%d.%m.%y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d/%m/%y",
    "%m/%d/%y",
    "%d-%m-%Y",
    "%m-%d-%Y",
    "%b %d, %Y",
    "%d %b %Y",
];
const CLOCKS: [&str; 13] = [
    "",
    " %H:%M",
    " %H:%M:%S",
    "T%H:%M:%S",
    " %I:%M %p",
    " %I:%M:%S %p",
    ", %H:%M",
    ", %H:%M:%S",
    ", %I:%M %p",
    ", %I:%M:%S %p",
    " %H:%M:%S%.f",
    " %H:%M:%S %z",
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

/// Whether all values can be nothing else than dates: bare numbers could be anything.
pub(super) fn are_dates(column: &Column) -> bool {
    let has_parts = |value: &str| value.contains(['-', '/', '.', ':', ' ']) && !value.contains(['e', 'E']);
    let mut values = column.filled().peekable();
    values.peek().is_some() && values.all(has_parts) && {
        let TimesFound { format, unread, .. } = find(column);
        unread.is_none() && format.is_none_or(|format| format != "epoch" && format != "excel")
    }
}

/// Looks for the format that all values have.
pub(super) fn find(column: &Column) -> TimesFound {
    // Times repeat themselves from line to line.
    let distinct: BTreeSet<&str> = column.filled().collect();
    let values: Vec<&str> = distinct.into_iter().collect();
    if TimeFormat::new(&[], None).is_ok_and(|format| values.iter().all(|value| format.read(value).is_ok())) {
        return TimesFound::default();
    }
    let formats = DATES.iter().flat_map(|date| CLOCKS.iter().map(move |clock| format!("{date}{clock}")));
    let formats = formats.chain(["epoch", "excel", "iso"].map(str::to_owned));
    let read = |format: String| readings(&values, &format).map(|readings| (format, readings));
    let mut found: Vec<(String, Vec<String>)> = formats.filter_map(read).collect();
    // A clock that is read to the second fits as well as one with fractions of it.
    found.retain(|(format, _)| {
        !format.ends_with("%.f") || values.iter().any(|value| value.contains('.') && value.contains(':'))
    });
    let Some((format, first)) = found.first() else {
        let unread = values.iter().find(|value| readings(&[**value], "iso").is_none()).map(|value| (*value).to_owned());
        return TimesFound { unread, ..TimesFound::default() };
    };
    let differing = |(other, readings): &(String, Vec<String>)| {
        let at = first.iter().zip(readings).position(|(one, other)| one != other)?;
        Some((other.clone(), values[at].to_owned()))
    };
    TimesFound {
        needs_zone: format != "epoch" && !format.contains("%z"),
        or: found.iter().skip(1).find_map(differing),
        format: Some(format.clone()),
        unread: None,
    }
}

/// What the values are by a format; nothing where one is no time that an order may have.
fn readings(values: &[&str], format: &str) -> Option<Vec<String>> {
    let format = TimeFormat::new(&[format.to_owned()], Some(TRIAL_ZONE)).ok()?;
    let reading = |value: &&str| format.read(value).ok().filter(|at| at.as_str() >= "2000" && at.as_str() < "2100");
    values.iter().map(reading).collect::<Option<Vec<_>>>().filter(|readings| !readings.is_empty())
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
