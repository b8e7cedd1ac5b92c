//! The kinds of streams: what clients said, and what follows from it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Lane;
use super::per::one_for_each;

/// The kinds of streams that each shard has, one of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// What clients said: written by ingest, one log entry an order.
    Logged,
    /// What follows from stored facts: written by the writers of logged streams, behind their commits.
    Derived,
}

impl StreamKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Logged, Self::Derived];

    /// Its name in streams, settings and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Logged => "logged",
            Self::Derived => "derived",
        }
    }

    /// The number that stands for it in notices and in entries of caches. It is never given to another kind.
    pub const fn code(self) -> u8 {
        match self {
            Self::Logged => 0,
            Self::Derived => 1,
        }
    }

    /// The kind with that number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// What stands for it in receipts.
    pub const fn letter(self) -> char {
        match self {
            Self::Logged => 'l',
            Self::Derived => 'd',
        }
    }

    /// The key of the advisory lock of the writer that leads, beside the one of the program.
    pub const fn lock(self) -> i32 {
        match self {
            Self::Logged => 10,
            Self::Derived => 11,
        }
    }

    /// The lanes whose frames are in such a stream.
    pub fn lanes(self) -> impl Iterator<Item = Lane> {
        Lane::ALL.into_iter().filter(move |lane| lane.kind() == self)
    }
}

impl fmt::Display for StreamKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text that names no kind of stream.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a kind of stream: there are {names}", names = StreamKind::ALL.map(StreamKind::as_str).join(", "))]
pub struct UnknownStreamKind(String);

impl FromStr for StreamKind {
    type Err = UnknownStreamKind;

    fn from_str(text: &str) -> Result<Self, UnknownStreamKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or_else(|| UnknownStreamKind(text.to_owned()))
    }
}

one_for_each! {
    /// One value for each kind of stream.
    PerKind, StreamKind
}

impl<T> PerKind<T> {
    /// Of what was logged, and of what was derived.
    pub fn of(logged: T, derived: T) -> Self {
        Self([logged, derived])
    }

    /// That of what was logged, and that of what was derived.
    pub fn into_both(self) -> (T, T) {
        let Self([logged, derived]) = self;
        (logged, derived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_codes_of_kinds_stay_what_they_are() {
        let codes = StreamKind::ALL.map(|kind| (kind.as_str(), kind.code(), kind.letter(), kind.lock()));
        assert_eq!(codes, [("logged", 0, 'l', 10), ("derived", 1, 'd', 11)]);
    }
}
