//! Receipts through derived streams: what a receipt of orders means where readers see what follows from them.
//!
//! Only the shard that has stored an order knows where its index entry and its views lie: its writer publishes them behind the
//! commit, and then notes how far it has come for each target, and the last position there. A read of a target with a
//! receipt waits until the source has come past the receipt, and takes that position from the very note that says so: from a
//! notice, as old a one as will do, or else from the source's database.

use forebay_model::{Position, ShardId, StreamKind};
use forebay_shard::read::DerivedAt;
use futures::FutureExt;
use futures::future::try_join_all;
use tokio::time::{Instant, timeout_at};

use crate::error::ReadError;
use crate::position::derivations::{Derivation, logged_parts};
use crate::position::derived_marks::Mark;
use crate::position::patience::Patience;
use crate::replica::shard::Shard;
use crate::replica::shards::Shards;
use crate::replica::wait::POLL_EVERY;

impl Shards {
    /// For each order's position that a receipt names, the position in a shard's derived stream that holds what follows, where
    /// anything was published there.
    ///
    /// # Errors
    /// [`ReadError::NotYetDerived`] when the time is over.
    pub(super) async fn follow_all(&self, target: &Shard, patience: &Patience) -> Result<Vec<Position>, ReadError> {
        let parts = logged_parts(&patience.receipt);
        let followed = parts.map(|(source, logged)| self.follow(source, logged, target, patience.until));
        let published = try_join_all(followed).await?;
        Ok(published.into_iter().filter(|published| published.seq > 0).collect())
    }

    /// The position in a target's derived stream that holds what follows from what a source has logged up to a position; sequence 0 where nothing was
    /// published there.
    ///
    /// # Errors
    /// [`ReadError::NotYetDerived`] when the time is over.
    pub(crate) async fn follow(
        &self,
        source: ShardId,
        logged: Position,
        target: &Shard,
        until: Instant,
    ) -> Result<Position, ReadError> {
        let not_yet = ReadError::NotYetDerived { source_shard: source, logged, target: target.id() };
        let mut followed = self.derivations().follow(source, target.id());
        // A note of another making of the stream than the one that is read says nothing of that one.
        let is_of = |published: &Position| {
            let known = *target.known().follow(StreamKind::Derived).borrow();
            published.seq == 0 || known.is_none_or(|known| known.incarnation == published.incarnation)
        };
        let published = |derivation: &Derivation| derivation.marks.published(logged).filter(is_of);
        loop {
            if let Some(published) = published(&followed.borrow_and_update()) {
                return Ok(published);
            }
            if let Some(published) = self.ask(source, logged, target.id()).await?.filter(is_of) {
                return Ok(published);
            }
            let next_poll = until.min(Instant::now() + POLL_EVERY);
            match timeout_at(next_poll, followed.wait_for(|derivation| published(derivation).is_some())).await {
                Err(_) if Instant::now() >= until => return Err(not_yet),
                _ => {}
            }
        }
    }

    /// Asks a source's database where what follows from a position lies, where it has come as far; one request at a time asks for
    /// all that wait.
    async fn ask(&self, source: ShardId, logged: Position, target: ShardId) -> Result<Option<Position>, ReadError> {
        let Some(_turn) = self.derivations().take_turn(source) else { return Ok(None) };
        let shard = self.get(source)?;
        let read = match shard.with_connection("derived", &|connection| DerivedAt::read(connection).boxed()).await {
            Ok(read) => read,
            Err(error) if error.is_outage() => {
                // It may be back in time, and its writer may tell by a notice.
                error.log();
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let Some(DerivedAt { position, derived }) = read else { return Ok(None) };
        let is_let_go = derived.iter().all(|note| note.target != target) && self.moved().map()?.is_leaving(target);
        if is_let_go && position.covers(logged) {
            // Nothing is derived for a shard that leaves.
            return Ok(Some(Position::NOWHERE));
        }
        let mut answer = None;
        for note in derived {
            let mark = Mark { through: note.through, published: note.published.position };
            self.derivations().note_read(source, note.target, mark, position);
            if note.target == target && note.through.covers(logged) {
                answer = Some(mark.published);
            }
        }
        Ok(answer)
    }
}
