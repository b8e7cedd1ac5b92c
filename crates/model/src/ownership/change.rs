//! Control frames that change who owns a unit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ownership::{MoveId, State, Sums, Tenure, Unit};
use crate::{Epoch, ShardId};

/// What a control frame says of a unit. It is decided by the map's entry of that epoch, and may be appended any number of times,
/// by anybody, at any time after that entry.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// Of what.
    pub unit: Unit,
    /// The epoch of the map that has decided it.
    pub epoch: Epoch,
    /// The move that it is part of.
    #[serde(rename = "move")]
    pub of: MoveId,
    /// What the shard is to the unit from here on.
    pub state: NewState,
}

/// What a shard is to a unit from a control frame on. See [`State`] for what each means.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum NewState {
    /// It takes copies from the owner.
    Receiving {
        /// The owner.
        from: ShardId,
    },
    /// It owns the unit, and copies it.
    Copying {
        /// The shard that is to own it.
        to: ShardId,
    },
    /// It parks what comes.
    Awaiting {
        /// The owner.
        from: ShardId,
    },
    /// It owns the unit no more.
    Released {
        /// The shard that is to own it.
        to: ShardId,
    },
    /// It owns the unit: as the target of a move that has succeeded, where it inherits, or as the source of one that was turned back.
    Owned {
        /// What the target must have, and what it has it from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        inherits: Option<Inheritance>,
    },
    /// Its rows are nobody's any more.
    Cleaned {
        /// The owner.
        to: ShardId,
    },
}

/// What the target of a move takes over from its source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Inheritance {
    /// What the source had stored, and the target must have.
    pub sums: Sums,
    /// Of each shard that has owned the unit, the source among them, when it did last.
    pub origins: BTreeMap<ShardId, Tenure>,
}

impl NewState {
    /// The state that it brings.
    pub const fn state(&self) -> State {
        match *self {
            Self::Receiving { from } => State::Receiving { from },
            Self::Copying { to } => State::Copying { to },
            Self::Awaiting { from } => State::Awaiting { from },
            Self::Released { to } => State::Released { to },
            Self::Owned { .. } => State::Owned,
            Self::Cleaned { to } => State::Cleaned { to },
        }
    }
}
