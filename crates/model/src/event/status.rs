//! What has become of an order, in a word.

use std::fmt;
use std::str::FromStr;

/// What has become of an order: placed, or the state that the latest of its events has brought. Of those that events of one instant bring
/// the last in this order counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// No event has changed it.
    #[default]
    Placed,
    /// Somebody is at it.
    Confirmed,
    /// It is ready to go.
    Packed,
    /// It is on its way.
    Shipped,
    /// It has arrived.
    Delivered,
    /// It will not be.
    Cancelled,
    /// All of it came back.
    Returned,
}

/// A text that names no status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be one of {}", Status::ALL.map(Status::as_str).join(", "))]
pub struct NotAStatus;

impl Status {
    /// Every status, each at the place that its number says.
    pub const ALL: [Self; 7] =
        [Self::Placed, Self::Confirmed, Self::Packed, Self::Shipped, Self::Delivered, Self::Cancelled, Self::Returned];

    /// As it stands in answers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::Confirmed => "confirmed",
            Self::Packed => "packed",
            Self::Shipped => "shipped",
            Self::Delivered => "delivered",
            Self::Cancelled => "cancelled",
            Self::Returned => "returned",
        }
    }

    /// As it stands in tables: 0 is placed.
    pub const fn number(self) -> i16 {
        self as i16
    }
}

impl FromStr for Status {
    type Err = NotAStatus;

    fn from_str(text: &str) -> Result<Self, NotAStatus> {
        Self::ALL.into_iter().find(|status| status.as_str() == text).ok_or(NotAStatus)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    #[test]
    fn a_status_is_read_as_it_is_written_and_called_like_its_event() {
        for (number, status) in (0..).zip(Status::ALL) {
            assert_eq!((status.number(), status.as_str().parse()), (number, Ok(status)));
        }
        for kind in EventKind::NAMED {
            assert!(kind.state().is_none_or(|status| status.as_str() == kind.as_str()), "{kind}");
        }
        assert_eq!("Shipped".parse::<Status>(), Err(NotAStatus));
    }
}
