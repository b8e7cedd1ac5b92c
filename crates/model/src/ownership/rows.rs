//! What a writer does with a row, and with a copy: by the unit's state at that position of the log.

use crate::ShardId;
use crate::ownership::{MoveId, Ownership, State};

/// What becomes of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowFate {
    /// It is stored, a duplicate or dead. What is stored is published to the log of `copy_to` as well, before the commit; where
    /// that log refuses it, it is committed all the same, and a mover copies it.
    Decide {
        /// Where a copy goes, and of which move it is.
        copy_to: Option<(ShardId, MoveId)>,
    },
    /// It is published to that shard's log and acknowledged, then committed with that position as an
    /// [edge](Ownership::note_edge). Where that log refuses it, it is parked.
    SendOn(ShardId),
    /// It is kept, with its position, in the order of the log.
    Park,
}

/// What becomes of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyFate {
    /// It is stored, where it is not here yet. Nothing follows from it: the shard that stored it first has derived that.
    Store,
    /// It is late, or not for this shard any more.
    PassOver,
}

impl Ownership {
    /// What becomes of a row on the shard `here`, while the map says that its unit is written to the shard `map`. Rows that are
    /// parked before it (`is_any_parked`) are not overtaken.
    pub fn row(&self, here: ShardId, map: ShardId, is_any_parked: bool) -> RowFate {
        match self.state {
            State::Owned => RowFate::Decide { copy_to: None },
            State::Copying { to } => RowFate::Decide { copy_to: self.of.map(|of| (to, of)) },
            _ if is_any_parked => RowFate::Park,
            _ => self.sends_to(here, map).map_or(RowFate::Park, RowFate::SendOn),
        }
    }

    /// Where the unit's rows are sent on to from the shard `here`, those that are parked first; `None` where they are decided or
    /// wait here. All that is parked is published in its order, acknowledged, and then taken out in one transaction, with an edge.
    pub fn sends_to(&self, here: ShardId, map: ShardId) -> Option<ShardId> {
        let to = match self.state {
            State::Owned | State::Copying { .. } | State::Awaiting { .. } => return None,
            State::Receiving { from } => from,
            State::Released { to } | State::Cleaned { to } => to,
            State::None => map,
        };
        (to != here).then_some(to)
    }

    /// What becomes of a copy that a move has made.
    pub fn copy(&self, of: MoveId) -> CopyFate {
        if self.state.takes_copies() && self.is_of(of) { CopyFate::Store } else { CopyFate::PassOver }
    }

    /// Whether the unit's rows may be deleted here, piece by piece, each in a transaction that asks this again.
    pub fn may_delete(&self) -> bool {
        matches!(self.state, State::Cleaned { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Epoch;

    const HERE: ShardId = ShardId(0);
    const OTHER: ShardId = ShardId(1);
    const MAP: ShardId = ShardId(2);
    const OF: MoveId = MoveId(Epoch(7));

    fn in_state(state: State) -> Ownership {
        Ownership { state, of: Some(OF), ..Ownership::default() }
    }

    #[test]
    fn a_row_and_a_copy_go_by_the_state() {
        use CopyFate::{PassOver, Store};
        use RowFate::{Decide, Park, SendOn};
        let (from, to) = (OTHER, OTHER);
        for (state, row, copy) in [
            (State::None, SendOn(MAP), PassOver),
            (State::Owned, Decide { copy_to: None }, PassOver),
            (State::Copying { to }, Decide { copy_to: Some((OTHER, OF)) }, PassOver),
            (State::Receiving { from }, SendOn(OTHER), Store),
            (State::Awaiting { from }, Park, Store),
            (State::Released { to }, SendOn(OTHER), PassOver),
            (State::Cleaned { to }, SendOn(OTHER), PassOver),
        ] {
            let ownership = in_state(state);
            assert_eq!((ownership.row(HERE, MAP, false), ownership.copy(OF)), (row, copy), "{state:?}");
            assert_eq!(ownership.copy(MoveId(Epoch(6))), PassOver, "of another move: {state:?}");
            let behind_parked = if matches!(row, SendOn(_)) { Park } else { row };
            assert_eq!(ownership.row(HERE, MAP, true), behind_parked, "{state:?}");
        }
        assert_eq!(Ownership::default().row(HERE, HERE, false), Park, "the map names this very shard");
    }
}
