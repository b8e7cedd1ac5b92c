//! A client, and what it may do.

use std::num::NonZeroU32;

use crate::http::peer::ClientName;

/// What a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Ask questions.
    Read,
    /// Send orders.
    Write,
}

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights {
    read: bool,
    write: bool,
}

/// Who sends a request. An extractor for handlers of routes behind a [`Guard`].
#[derive(Debug, Clone)]
pub struct Client {
    /// The name that the client is known by.
    pub name: ClientName,
    /// What the client may do.
    pub rights: Rights,
    /// The client's own rate limit, where the clients file gives one.
    pub orders_per_s: Option<NonZeroU32>,
}

impl Rights {
    /// Everything: what open access gives.
    pub const ALL: Self = Self { read: true, write: true };

    /// Whether the right is in the set.
    pub fn has(self, right: Right) -> bool {
        match right {
            Right::Read => self.read,
            Right::Write => self.write,
        }
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        rights.into_iter().fold(Self::default(), |set, right| match right {
            Right::Read => Self { read: true, ..set },
            Right::Write => Self { write: true, ..set },
        })
    }
}
