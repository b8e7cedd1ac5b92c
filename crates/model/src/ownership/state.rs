//! What a shard says of a unit. It stands in the shard's database, one row a unit and kind of stream, beside the position.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Epoch, Position, ShardId};

/// A move of a unit, by the epoch with which it began. A copy says of which move it is, so that one that comes late is not taken
/// for one of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MoveId(pub Epoch);

/// What a shard is to a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum State {
    /// Nothing was ever said of it here: the map says where it is.
    #[default]
    None,
    /// It decides the unit's rows: stored, duplicate or dead.
    Owned,
    /// It owns the unit, and publishes what it stores to another shard's log as well.
    Copying {
        /// The shard that is to own it.
        to: ShardId,
    },
    /// It takes copies. Other rows are still the owner's.
    Receiving {
        /// The owner.
        from: ShardId,
    },
    /// It takes copies, and parks other rows: the owner is about to leave the unit to it.
    Awaiting {
        /// The owner, or the one that was.
        from: ShardId,
    },
    /// It has what it stored, takes nothing more, and sends rows on.
    Released {
        /// Where they go.
        to: ShardId,
    },
    /// What it stored is nobody's any more, and is being deleted.
    Cleaned {
        /// Where its rows go.
        to: ShardId,
    },
}

/// The frames of one log whose rows a shard decided as the owner: from one control frame to another, neither of which has rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tenure {
    /// The control frame by which it became the owner.
    pub since: Position,
    /// The one by which it released the unit; `None` while it owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Position>,
}

/// What a shard says of a unit: what it is to it, and where in the logs that began. The default is that of a unit that the shard
/// has never heard of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ownership {
    /// What the shard is to it.
    pub state: State,
    /// The epoch of the control frame that said so; 0 where none did.
    pub epoch: Epoch,
    /// The last move that it was part of here.
    #[serde(rename = "move", default, skip_serializing_if = "Option::is_none")]
    pub of: Option<MoveId>,
    /// When this shard owned it last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenure: Option<Tenure>,
    /// Of each shard that owned it before, when it did last. All that was stored then has come here.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub origins: BTreeMap<ShardId, Tenure>,
    /// For each shard that rows were sent on to: the position there of the last of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub edges: BTreeMap<ShardId, Position>,
    /// The epoch of an `owned` that was refused, because the rows here were not those that the former owner had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<Epoch>,
}

impl State {
    /// Whether it decides rows.
    pub const fn owns(self) -> bool {
        matches!(self, Self::Owned | Self::Copying { .. })
    }

    /// Whether it takes copies.
    pub const fn takes_copies(self) -> bool {
        matches!(self, Self::Receiving { .. } | Self::Awaiting { .. })
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Owned => "owned",
            Self::Copying { .. } => "copying",
            Self::Receiving { .. } => "receiving",
            Self::Awaiting { .. } => "awaiting",
            Self::Released { .. } => "released",
            Self::Cleaned { .. } => "cleaned",
        }
    }
}

impl Tenure {
    /// One that begins.
    pub const fn since(since: Position) -> Self {
        Self { since, left: None }
    }

    /// Whether the rows of the frame at `position` were, or will be, decided in it.
    pub fn holds(self, position: Position) -> bool {
        position.covers(self.since) && self.left.is_none_or(|left| left.covers(position))
    }
}

impl Ownership {
    /// Of the first owner of a unit, which has taken `owned` at that position.
    pub fn first(epoch: Epoch, at: Position) -> Self {
        Self { state: State::Owned, epoch, tenure: Some(Tenure::since(at)), ..Self::default() }
    }

    /// Whether it is part of that move.
    pub fn is_of(&self, of: MoveId) -> bool {
        self.of == Some(of)
    }

    /// The same where shards are gone: a state that names one means the shard that the map names, and what was sent on there has come to where it
    /// belongs.
    #[must_use]
    pub fn without(mut self, is_gone: impl Fn(ShardId) -> bool, map: ShardId) -> Self {
        self.edges.retain(|&to, _| !is_gone(to));
        match &mut self.state {
            State::None | State::Owned => {}
            State::Copying { to: other }
            | State::Released { to: other }
            | State::Cleaned { to: other }
            | State::Receiving { from: other }
            | State::Awaiting { from: other } => {
                if is_gone(*other) {
                    *other = map;
                }
            }
        }
        self
    }

    /// Notes that rows were sent on to a shard, and acknowledged there at a position: in the transaction that moves this shard's
    /// position over them, or takes them from what is parked.
    pub fn note_edge(&mut self, to: ShardId, at: Position) {
        let edge = self.edges.entry(to).or_insert(at);
        *edge = edge.later(at);
    }
}
