//! Sizes and durations as people write them in settings.

use std::time::Duration;

pub use bytesize::ByteSize;

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
            ("1.5KiB", 1536),
        ] {
            assert_eq!(text.parse(), Ok(ByteSize::b(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "64 XiB", "é"] {
            assert!(text.parse::<ByteSize>().is_err(), "{text}");
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
