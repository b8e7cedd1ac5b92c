//! Places in a log.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which making of a stream: its creation time in microseconds since 1970, or the time since when it counts as another one.
/// A stream that was deleted and made anew has another incarnation, so a position in the old one is never taken for one in
/// the new; later ones are larger.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Incarnation(u64);

impl Incarnation {
    /// From the stream's creation time in microseconds since 1970.
    pub const fn new(created_us: u64) -> Self {
        Self(created_us)
    }

    /// The stream's creation time in microseconds since 1970.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in the log of one lane and shard: the frame with this sequence number. Sequence 0 is before every frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// Which making of the stream.
    pub incarnation: Incarnation,
    /// The stream's sequence number of the frame.
    pub seq: u64,
}

impl Position {
    /// Before everything that was ever logged: of no making of a stream.
    pub const NOWHERE: Self = Self { incarnation: Incarnation(0), seq: 0 };

    /// Whether everything up to `other` is covered. False where the incarnations differ: what lies in another making
    /// of the stream cannot be compared.
    pub fn covers(self, other: Self) -> bool {
        self.incarnation == other.incarnation && self.seq >= other.seq
    }

    /// Whether it is later than another; a later making of the stream is later as a whole.
    pub fn is_later_than(self, other: Self) -> bool {
        (self.incarnation, self.seq) > (other.incarnation, other.seq)
    }

    /// The later of the two.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        if other.is_later_than(self) { other } else { self }
    }

    /// How many frames lie behind `other` up to here: 0 where `other` is further. `None` where the incarnations differ.
    pub fn frames_behind(self, other: Self) -> Option<u64> {
        (self.incarnation == other.incarnation).then(|| self.seq.saturating_sub(other.seq))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.incarnation, self.seq)
    }
}
