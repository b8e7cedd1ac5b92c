//! Sizes and durations as people write them in settings.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes, written as `65536`, `64KiB`, `64MiB`, `1GiB` or with the decimal units `KB`, `MB`, `GB`.
///
/// It is shown in the largest binary unit that divides it, so a default reads in `--help` as it would be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(u64);

/// Longest suffix first, so that `MiB` is not taken for `B`.
const UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("KB", 1_000),
    ("B", 1),
];

impl ByteSize {
    /// That many bytes.
    pub const fn bytes(bytes: u64) -> Self {
        Self(bytes)
    }

    /// That many KiB.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// That many MiB.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// The number of bytes.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The number of bytes as a size in memory; sizes beyond the address space are cut to its end.
    pub fn to_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

impl FromStr for ByteSize {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let (number, unit) = UNITS
            .iter()
            .find_map(|(suffix, unit)| Some((strip_suffix_ignore_case(text, suffix)?, *unit)))
            .unwrap_or((text, 1));
        let number: u64 =
            number.trim().parse().map_err(|_| "expected a size such as 65536, 64KiB, 64MiB or 1GiB".to_owned())?;
        number.checked_mul(unit).map(Self).ok_or_else(|| "the size is too large".to_owned())
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().filter(|(suffix, _)| suffix.ends_with("iB"));
        match binary.into_iter().find(|(_, unit)| self.0 >= *unit && self.0.is_multiple_of(*unit)) {
            Some((suffix, unit)) => write!(f, "{}{suffix}", self.0 / unit),
            None => write!(f, "{}", self.0),
        }
    }
}

fn strip_suffix_ignore_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(head)
}

/// Parses a setting whose name ends in `_s`: seconds, also with a fraction.
pub fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.trim().parse().map_err(|_| "expected a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "expected a number of seconds that is not negative".to_owned())
}

/// Parses a setting whose name ends in `_ms`: whole milliseconds.
pub fn millis(text: &str) -> Result<Duration, String> {
    let millis: u64 = text.trim().parse().map_err(|_| "expected a whole number of milliseconds".to_owned())?;
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_with_and_without_units() {
        for (text, bytes) in [
            ("65536", 65536),
            ("64KiB", 65536),
            ("64 mib", 64 << 20),
            ("1GiB", 1 << 30),
            ("10MB", 10_000_000),
            ("7B", 7),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5MiB", "64 XiB", "99999999999TiB", "é"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_shown_as_they_would_be_written() {
        for (size, text) in [
            (ByteSize::mib(64), "64MiB"),
            (ByteSize::kib(64), "64KiB"),
            (ByteSize::mib(1024), "1GiB"),
            (ByteSize::bytes(1000), "1000"),
            (ByteSize::bytes(0), "0"),
        ] {
            assert_eq!(size.to_string(), text);
            assert_eq!(text.parse(), Ok(size));
        }
    }

    #[test]
    fn durations_are_never_negative() {
        assert_eq!(seconds("20"), Ok(Duration::from_secs(20)));
        assert_eq!(seconds("0.25"), Ok(Duration::from_millis(250)));
        assert_eq!(millis("1500"), Ok(Duration::from_millis(1500)));
        for text in ["-1", "ten", "NaN", "inf", ""] {
            assert!(seconds(text).is_err(), "{text}");
        }
        assert!(millis("1.5").is_err());
    }
}
