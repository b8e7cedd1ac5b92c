//! Lines of JSON, written fast.

use super::clock::Clock;

/// Appends texts, numbers and times to a line.
pub(super) struct Line<'a>(pub(super) &'a mut Vec<u8>);

impl Line<'_> {
    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.0.extend_from_slice(text.as_bytes());
        self
    }

    /// A number with at least that many digits.
    pub(super) fn number(&mut self, number: u64, digits_min: usize) -> &mut Self {
        let mut buffer = itoa::Buffer::new();
        let digits = buffer.format(number);
        self.0.extend(std::iter::repeat_n(b'0', digits_min.saturating_sub(digits.len())));
        self.text(digits)
    }

    /// The time that many milliseconds after 1970.
    pub(super) fn time(&mut self, clock: &mut Clock, unix_ms: i64) -> &mut Self {
        clock.append(self.0, unix_ms);
        self
    }
}
