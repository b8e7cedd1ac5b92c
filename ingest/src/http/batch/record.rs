//! One record of a batch, and what its beginning is kept in while the rest is still to come.

use forebay_model::order::ORDER_TEXT_BYTES_MAX;

/// One record of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Its line; in an array its place. Counted from 1.
    pub(crate) line: u64,
    /// Its bytes, or `None` where it has more than an order may have.
    pub(crate) text: Option<&'a [u8]>,
}

/// The body is not a JSON array.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body is not a JSON array: {0}")]
pub(crate) struct NotAnArray(pub(super) String);

/// A record that began in an earlier chunk.
#[derive(Default)]
pub(super) struct Begun {
    bytes: Vec<u8>,
    too_large: bool,
}

impl Begun {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        if self.bytes.len() + bytes.len() > ORDER_TEXT_BYTES_MAX {
            self.too_large = true;
            self.bytes = Vec::new();
        }
        if !self.too_large {
            self.bytes.extend_from_slice(bytes);
        }
    }

    /// Whether nothing has begun.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.too_large
    }

    /// The record that ends with `end`, as one slice; forgotten afterwards.
    pub(super) fn finish<T>(&mut self, end: &[u8], take: impl FnOnce(Option<&[u8]>) -> T) -> T {
        if self.is_empty() {
            return take((end.len() <= ORDER_TEXT_BYTES_MAX).then_some(end));
        }
        self.push(end);
        let taken = take((!self.too_large).then_some(&self.bytes));
        self.bytes.clear();
        self.too_large = false;
        taken
    }
}
