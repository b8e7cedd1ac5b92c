//! What is in hand of a source: pieces that follow one another, each of one snapshot.

use std::collections::VecDeque;
use std::sync::Arc;

use forebay_model::ShardId;
use forebay_shard::read::{Direction, Key, KeyRef, OrderRow, ShardOwnership};

/// A row of a list.
pub(crate) trait ListRow {
    /// Where it stands.
    fn key(&self) -> KeyRef<'_>;
}

impl ListRow for OrderRow {
    fn key(&self) -> KeyRef<'_> {
        OrderRow::key(self)
    }
}

/// What one statement has given of a list.
#[derive(Debug)]
pub(crate) struct Piece<R = OrderRow> {
    rows: VecDeque<R>,
    /// Behind the piece before it has everything up to this key; nothing where it reaches to the list's end.
    until: Option<Key>,
    /// What the shard says of all units in that snapshot; nothing where the list is of one unit.
    units: Option<Arc<ShardOwnership>>,
}

/// The pieces of a source that are in hand.
#[derive(Debug)]
pub(crate) struct Hand<R = OrderRow> {
    shard: ShardId,
    /// Which part of the list's filter it is of.
    part: usize,
    pieces: VecDeque<Piece<R>>,
    /// Whether the source was given up on.
    is_out: bool,
}

impl<R: ListRow> Piece<R> {
    pub(crate) fn new(rows: Vec<R>, until: Option<Key>, units: Option<Arc<ShardOwnership>>) -> Self {
        Self { rows: rows.into(), until, units }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.iter()
    }
}

impl<R: ListRow> Hand<R> {
    /// Of a part of what a shard has of a list: nothing yet.
    pub(crate) fn new(shard: ShardId, part: usize) -> Self {
        Self { shard, part, pieces: VecDeque::new(), is_out: false }
    }

    pub(crate) fn shard(&self) -> ShardId {
        self.shard
    }

    pub(crate) fn part(&self) -> usize {
        self.part
    }

    pub(crate) fn push(&mut self, piece: Piece<R>) {
        self.pieces.push_back(piece);
    }

    /// Takes what is in hand away, as far as it goes.
    pub(crate) fn take(&mut self) -> Self {
        Self { pieces: std::mem::take(&mut self.pieces), ..*self }
    }

    /// Adds what was in another's.
    pub(crate) fn extend(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece<R>> {
        self.pieces.iter()
    }

    /// How many rows are in hand.
    pub(crate) fn len(&self) -> usize {
        self.pieces.iter().map(|piece| piece.rows.len()).sum()
    }

    /// Whether it is not known what comes next.
    pub(crate) fn is_empty(&self) -> bool {
        !self.is_out && self.pieces.is_empty()
    }

    /// Nothing comes of it any more.
    pub(crate) fn give_up(&mut self) {
        self.is_out = true;
        self.pieces.clear();
    }

    /// What its shard says of all units in the snapshot of the next rows; nothing where the list is of one, or it was given up on.
    pub(crate) fn units(&self) -> Option<&Arc<ShardOwnership>> {
        self.pieces.front().and_then(|piece| piece.units.as_ref())
    }

    /// How far the snapshot of the next rows reaches: nothing where that is the list's end.
    pub(crate) fn reach(&self) -> Option<KeyRef<'_>> {
        self.pieces.front().and_then(|piece| piece.until.as_ref()).map(Key::borrowed)
    }

    /// The next row of that snapshot.
    pub(crate) fn head(&self) -> Option<KeyRef<'_>> {
        self.pieces.front().and_then(|piece| piece.rows.front()).map(R::key)
    }

    pub(crate) fn pop(&mut self) -> Option<R> {
        self.pieces.front_mut().and_then(|piece| piece.rows.pop_front())
    }

    /// Goes on to the next piece where the one before reaches no farther.
    pub(crate) fn pass(&mut self, reached: KeyRef<'_>, direction: Direction) {
        if self.reach().is_some_and(|reach| !direction.is_before(reached, reach)) {
            self.pieces.pop_front();
        }
    }
}
