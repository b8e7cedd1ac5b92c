//! What tells a frame from every other.

use std::fmt;
use std::str::FromStr;

/// The most characters of a frame id.
const ID_CHARS_MAX: usize = 128;

/// What tells a frame from every other: 1 to 128 visible ASCII characters. A retried publish carries the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameId(Box<str>);

/// A text that is no frame id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame id is 1 to 128 visible ASCII characters")]
pub struct NotAFrameId;

impl FrameId {
    /// A new one, which no other frame has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FrameId {
    type Err = NotAFrameId;

    fn from_str(text: &str) -> Result<Self, NotAFrameId> {
        let fits = (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(NotAFrameId) }
    }
}
