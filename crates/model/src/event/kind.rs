//! What happened to an order.

use std::fmt;
use std::str::FromStr;

use super::Status;

/// The most characters of a kind of the client's own.
const OWN_CHARS_MAX: usize = 64;

/// What happened to an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EventKind {
    /// Fields of it, or its items, are others from now on.
    Amended,
    /// Somebody is at it.
    Confirmed,
    /// Money came in.
    Paid,
    /// It is ready to go.
    Packed,
    /// It is on its way.
    Shipped,
    /// It has arrived.
    Delivered,
    /// It will not be.
    Cancelled,
    /// All or some of it came back.
    Returned,
    /// Money went back.
    Refunded,
    /// Something to remember.
    Note,
    /// Anything of the client's own: `x-` and more.
    Own(String),
}

/// A text that names no kind of event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {names}, or begin with x- and have at most {OWN_CHARS_MAX} characters, none of them a control character",
    names = EventKind::NAMED.map(|kind| kind.as_str().to_owned()).join(", "))]
pub struct NotAKind;

impl EventKind {
    /// All that have a name.
    pub const NAMED: [Self; 10] = [
        Self::Amended,
        Self::Confirmed,
        Self::Paid,
        Self::Packed,
        Self::Shipped,
        Self::Delivered,
        Self::Cancelled,
        Self::Returned,
        Self::Refunded,
        Self::Note,
    ];

    /// Its name.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Amended => "amended",
            Self::Confirmed => "confirmed",
            Self::Paid => "paid",
            Self::Packed => "packed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
            Self::Refunded => "refunded",
            Self::Note => "note",
            Self::Own(name) => name,
        }
    }

    /// The state that it brings an order to, where it does.
    pub fn state(&self) -> Option<Status> {
        match self {
            Self::Confirmed => Some(Status::Confirmed),
            Self::Packed => Some(Status::Packed),
            Self::Shipped => Some(Status::Shipped),
            Self::Delivered => Some(Status::Delivered),
            Self::Cancelled => Some(Status::Cancelled),
            Self::Returned => Some(Status::Returned),
            Self::Amended | Self::Paid | Self::Refunded | Self::Note | Self::Own(_) => None,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EventKind {
    type Err = NotAKind;

    fn from_str(text: &str) -> Result<Self, NotAKind> {
        if let Some(named) = Self::NAMED.into_iter().find(|kind| kind.as_str() == text) {
            return Ok(named);
        }
        let is_own = text.len() > 2 && text.starts_with("x-") && text.chars().count() <= OWN_CHARS_MAX;
        if is_own && !text.chars().any(char::is_control) { Ok(Self::Own(text.to_owned())) } else { Err(NotAKind) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_as_it_is_written() {
        for kind in EventKind::NAMED.into_iter().chain([EventKind::Own("x-recalled".to_owned())]) {
            assert_eq!(kind.as_str().parse(), Ok(kind));
        }
        for text in ["", "Shipped", "x-", "placed", "x-a\n", &format!("x-{}", "é".repeat(63))] {
            assert_eq!(text.parse::<EventKind>(), Err(NotAKind), "{text}");
        }
    }
}
