//! A client, and what it may do.

use std::num::NonZeroU32;

use forebay_api::Right;

use super::binding::Binding;
use crate::http::peer::ClientName;

/// A set of rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rights(u8);

/// Who sends a request. An extractor for handlers of routes behind a [`Guard`](super::Guard).
#[derive(Debug, Clone)]
pub struct Client {
    /// The name that the client is known by.
    pub name: ClientName,
    /// What the client was given to do. What it may do is less where it is bound: see [`Client::may`].
    pub rights: Rights,
    /// The client's own rate limit, where it has one.
    pub orders_per_s: Option<NonZeroU32>,
    /// The like for questions.
    pub requests_per_s: Option<NonZeroU32>,
    /// What the client sees of the system and nothing else; `None` is all of it.
    pub binding: Option<Binding>,
}

impl Client {
    /// Whether the client may do what needs that right.
    pub fn may(&self, right: Right) -> bool {
        self.rights.has(right) && self.binding.as_ref().is_none_or(|binding| binding.leaves(right))
    }
}

impl Rights {
    /// Everything: what open access gives.
    pub const ALL: Self = Self(u8::MAX);

    /// Whether the right is in the set.
    pub fn has(self, right: Right) -> bool {
        self.0 & bit(right) != 0
    }
}

impl FromIterator<Right> for Rights {
    fn from_iter<I: IntoIterator<Item = Right>>(rights: I) -> Self {
        Self(rights.into_iter().fold(0, |set, right| set | bit(right)))
    }
}

fn bit(right: Right) -> u8 {
    1 << right as u8
}
