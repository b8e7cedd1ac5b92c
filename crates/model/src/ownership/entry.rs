//! What the map says of a unit that is under way. It changes by compare-and-swap only, so that of two decisions one is made.

use serde::{Deserialize, Serialize};

use crate::ownership::{Change, Inheritance, MoveId, NewState, Unit};
use crate::{Epoch, ShardId};

/// A unit that is under way from one shard to another: from the moment at which that begins until nothing of it is left where it was.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveEntry {
    /// What is under way.
    pub unit: Unit,
    /// Which move of it.
    #[serde(rename = "move")]
    pub of: MoveId,
    /// The epoch of the map that has brought the phase; of [`Phase::Owned`] that of [`Phase::Active`], of which it is what is left.
    pub epoch: Epoch,
    /// The shard that owned it when the move began.
    pub from: ShardId,
    /// The shard that is to own it.
    pub to: ShardId,
    /// How far it is decided.
    pub phase: Phase,
}

/// How far a move is decided. What follows from it may still have to be done.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The unit is copied.
    Copying,
    /// The source is to release it.
    Releasing,
    /// The source's log says so: ingest writes to the target.
    Routed,
    /// The target has what the source had. This is decided for good, but where the target refuses it.
    Active(Inheritance),
    /// The target owns it, and has said so; the source keeps its rows for a while.
    Owned,
    /// The target did not have it any more, when it was to own the unit, and must forget that it was.
    Refused,
    /// The source is to own it again.
    TurnedBack,
}

impl Phase {
    /// Its name.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Releasing => "releasing",
            Self::Routed => "routed",
            Self::Active(_) => "active",
            Self::Owned => "owned",
            Self::Refused => "refused",
            Self::TurnedBack => "turned_back",
        }
    }

    /// Whether the target owns the unit, and has said so.
    pub const fn is_owned(&self) -> bool {
        matches!(self, Self::Owned)
    }

    /// Whether the move can still be turned back.
    pub const fn can_turn_back(&self) -> bool {
        matches!(self, Self::Copying | Self::Releasing | Self::Routed)
    }
}

impl MoveEntry {
    /// A move that begins with that epoch of the map.
    pub const fn begin(unit: Unit, epoch: Epoch, from: ShardId, to: ShardId) -> Self {
        Self { unit, of: MoveId(epoch), epoch, from, to, phase: Phase::Copying }
    }

    /// What the map says next, with its next epoch. `None` where that cannot follow.
    #[must_use]
    pub fn followed_by(&self, phase: Phase, epoch: Epoch) -> Option<Self> {
        use Phase::{Active, Copying, Owned, Refused, Releasing, Routed, TurnedBack};
        let can_follow = matches!(
            (&self.phase, &phase),
            (Copying, Releasing)
                | (Releasing, Routed)
                | (Routed, Active(_))
                | (Active(_), Owned)
                | (Active(_) | Owned, Refused)
                | (Copying | Releasing | Routed | Refused, TurnedBack)
        );
        let of_phase = if phase == Owned { self.epoch } else { epoch };
        (can_follow && epoch > self.epoch).then(|| Self { epoch: of_phase, phase, ..self.clone() })
    }

    /// The shard that ingest writes the unit to, and where readers begin.
    pub const fn shard(&self) -> ShardId {
        match self.phase {
            Phase::Copying | Phase::Releasing | Phase::TurnedBack => self.from,
            Phase::Routed | Phase::Active(_) | Phase::Owned | Phase::Refused => self.to,
        }
    }

    /// What this phase has to say in the source's log.
    pub fn to_source(&self) -> Option<Change> {
        let to = self.to;
        let state = match self.phase {
            Phase::Copying => NewState::Copying { to },
            Phase::Releasing => NewState::Released { to },
            Phase::Routed | Phase::Refused => return None,
            Phase::Active(_) | Phase::Owned => NewState::Cleaned { to },
            Phase::TurnedBack => NewState::Owned { inherits: None },
        };
        Some(self.saying(state))
    }

    /// What this phase has to say in the target's log.
    pub fn to_target(&self) -> Option<Change> {
        let from = self.from;
        let state = match &self.phase {
            Phase::Copying => NewState::Receiving { from },
            Phase::Releasing | Phase::Refused => NewState::Awaiting { from },
            Phase::Routed | Phase::Owned => return None,
            Phase::Active(inheritance) => NewState::Owned { inherits: Some(inheritance.clone()) },
            Phase::TurnedBack => NewState::Cleaned { to: from },
        };
        Some(self.saying(state))
    }

    fn saying(&self, state: NewState) -> Change {
        Change { unit: self.unit, epoch: self.epoch, of: self.of, state }
    }
}
