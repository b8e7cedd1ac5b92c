//! Writes times as RFC 3339 with milliseconds, fast: the date is worked out only where it changes.

use forebay_model::Timestamp;

const DAY_MS: i64 = 86_400_000;

/// Remembers the last date.
#[derive(Clone, Debug, Default)]
pub(super) struct Clock {
    day: Option<i64>,
    /// `2025-06-30T`
    date: Vec<u8>,
}

impl Clock {
    /// Appends the time that many milliseconds after 1970, such as `2025-06-30T12:30:00.123Z`.
    pub(super) fn append(&mut self, out: &mut Vec<u8>, unix_ms: i64) {
        let (day, in_day) = (unix_ms.div_euclid(DAY_MS), unix_ms.rem_euclid(DAY_MS));
        if self.day != Some(day) {
            let midnight = Timestamp::from_unix_us(day * DAY_MS * 1000).to_string();
            self.date = midnight.split_inclusive('T').next().unwrap_or_default().as_bytes().to_vec();
            self.day = Some(day);
        }
        out.extend_from_slice(&self.date);
        let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
        let (second, ms) = (in_day / 1000 % 60, in_day % 1000);
        out.extend_from_slice(&[
            digit(hour / 10),
            digit(hour),
            b':',
            digit(minute / 10),
            digit(minute),
            b':',
            digit(second / 10),
            digit(second),
            b'.',
            digit(ms / 100),
            digit(ms / 10),
            digit(ms),
            b'Z',
        ]);
    }
}

/// The last decimal digit of a number that is not negative.
#[allow(clippy::cast_sign_loss, reason = "the remainder of a number that is not negative")]
fn digit(number: i64) -> u8 {
    b'0' + (number % 10) as u8
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_it_writes_is_that_time(unix_ms in 946_684_800_000_i64..4_102_444_800_000) {
            let (mut clock, mut out) = (Clock::default(), Vec::new());
            clock.append(&mut out, unix_ms);
            let text = String::from_utf8(out).unwrap();
            prop_assert_eq!(Timestamp::parse(&text), Ok(Timestamp::from_unix_us(unix_ms * 1000)));
            prop_assert_eq!(text.len(), "2025-06-30T12:30:00.123Z".len());
        }
    }
}
