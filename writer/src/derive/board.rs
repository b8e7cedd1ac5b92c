//! How far each target's worker has come, and what of that stands in the shard's database.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_model::{DerivedThrough, Position, ShardId, StreamId, Timestamp};
use forebay_shard::{Derived, DerivedNote};
use metrics::gauge;
use tokio::sync::Notify;

use crate::metrics::{DERIVED_FRAMES_OWED, DERIVED_OWED_SECONDS};

/// What the workers of one logged stream write, and its session reads.
#[derive(Debug)]
pub(crate) struct Board {
    of: StreamId,
    targets: Mutex<BTreeMap<ShardId, TargetProgress>>,
    /// Told where something can be noted.
    news: Notify,
}

#[derive(Clone, Debug)]
struct TargetProgress {
    /// As it stands in the database.
    noted: Derived,
    /// What the worker has come to, where that is not noted yet.
    reached: Option<Derived>,
    owed_since: Option<Timestamp>,
}

/// How one target stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TargetReport {
    pub(crate) target: ShardId,
    pub(crate) through: Position,
    /// Committed frames that are not derived for it; `None` where the note is of another making of the stream.
    pub(crate) frames_owed: Option<u64>,
    pub(crate) owed_since: Option<Timestamp>,
}

impl Board {
    pub(crate) fn new(of: StreamId) -> Self {
        Self { of, targets: Mutex::default(), news: Notify::new() }
    }

    /// A session begins with these notes.
    pub(super) fn begin(&self, notes: &[Derived]) {
        let mut targets = self.targets();
        let owed = |target| targets.get(&target).and_then(|entry: &TargetProgress| entry.owed_since);
        let entry = |note: &Derived| {
            let owed_since = owed(note.target);
            (note.target, TargetProgress { noted: note.clone(), reached: None, owed_since })
        };
        let begun: BTreeMap<ShardId, TargetProgress> = notes.iter().map(entry).collect();
        // Nobody is owed anything for a shard that is no target any more.
        for target in targets.keys().filter(|target| !begun.contains_key(target)) {
            let labels = [("shard", self.of.shard.to_string()), ("target", target.to_string())];
            gauge!(DERIVED_FRAMES_OWED.name, &labels).set(0.0);
            gauge!(DERIVED_OWED_SECONDS.name, &labels).set(0.0);
        }
        *targets = begun;
    }

    /// A worker has come as far as that.
    pub(super) fn reach(&self, reached: Derived) {
        if let Some(entry) = self.targets().get_mut(&reached.target) {
            entry.reached = (reached != entry.noted).then_some(reached);
        }
        self.news.notify_one();
    }

    /// A target is owed more than what is just on its way, or not any more. Returns whether that is news.
    pub(super) fn set_owed(&self, target: ShardId, is_owed: bool) -> bool {
        let mut targets = self.targets();
        let Some(entry) = targets.get_mut(&target) else { return false };
        let is_news = entry.owed_since.is_some() != is_owed;
        if is_news {
            entry.owed_since = is_owed.then(Timestamp::now);
            self.news.notify_one();
        }
        is_news
    }

    /// Waits for something to note.
    pub(crate) async fn news(&self) {
        self.news.notified().await;
    }

    /// What can be noted now.
    pub(crate) fn notes(&self) -> Vec<DerivedNote> {
        let targets = self.targets();
        let note =
            |entry: &TargetProgress| Some(DerivedNote { before: entry.noted.clone(), after: entry.reached.clone()? });
        targets.values().filter_map(note).collect()
    }

    /// These notes stand in the database.
    pub(crate) fn noted(&self, notes: Vec<DerivedNote>) {
        let mut targets = self.targets();
        for note in notes {
            if let Some(entry) = targets.get_mut(&note.after.target) {
                entry.reached.take_if(|reached| *reached == note.after);
                entry.noted = note.after;
            }
        }
    }

    /// What notices tell of every target: only what is noted.
    pub(crate) fn told(&self) -> Vec<DerivedThrough> {
        let told = |entry: &TargetProgress| DerivedThrough {
            target: entry.noted.target,
            through: entry.noted.through,
            published: entry.noted.published.position,
            owed_since: entry.owed_since,
        };
        self.targets().values().map(told).collect()
    }

    /// How each target stands, where the stream is committed up to a position.
    pub(crate) fn standings(&self, position: Option<Position>) -> Vec<TargetReport> {
        let standing = |entry: &TargetProgress| {
            let through = entry.noted.through;
            let frames_owed = position.and_then(|position| position.frames_behind(through));
            TargetReport { target: entry.noted.target, through, frames_owed, owed_since: entry.owed_since }
        };
        self.targets().values().map(standing).collect()
    }

    /// The sequence number up to which everything is derived for every target; `None` where some note is of another making of
    /// the stream.
    pub(crate) fn derived_seq(&self, position: Position) -> Option<u64> {
        let standings = self.standings(Some(position));
        standings
            .iter()
            .map(|standing| standing.frames_owed.map(|_| standing.through.seq))
            .min()
            .unwrap_or(Some(position.seq))
    }

    /// Sets the gauges.
    pub(crate) fn measure(&self, position: Option<Position>, now: Timestamp) {
        for standing in self.standings(position) {
            let labels = [("shard", self.of.shard.to_string()), ("target", standing.target.to_string())];
            gauge!(DERIVED_FRAMES_OWED.name, &labels).set(standing.frames_owed.unwrap_or_default() as f64);
            let owed_for = standing.owed_since.map_or(Duration::ZERO, |since| now.since(since));
            gauge!(DERIVED_OWED_SECONDS.name, &labels).set(owed_for.as_secs_f64());
        }
    }

    fn targets(&self) -> MutexGuard<'_, BTreeMap<ShardId, TargetProgress>> {
        self.targets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Incarnation, StreamKind};
    use forebay_shard::Published;

    fn derived(through: u64, published: u64) -> Derived {
        let at = |seq| Position { incarnation: Incarnation::new(1), seq };
        let published = Published { position: at(published), frame_id: published.to_string() };
        Derived { target: ShardId(0), through: at(through), published }
    }

    /// A reader that is told of it waits for nothing any more; a crash would take it back.
    #[test]
    fn nothing_is_told_before_it_is_noted() {
        let board = Board::new(StreamKind::Logged.on(ShardId(0)));
        let told = || board.told().iter().map(|told| (told.through.seq, told.published.seq)).collect::<Vec<_>>();
        board.begin(&[derived(3, 1)]);
        board.reach(derived(9, 4));
        assert_eq!(told(), [(3, 1)]);
        let notes = board.notes();
        assert_eq!(told(), [(3, 1)]);
        board.reach(derived(11, 5));
        board.noted(notes);
        assert_eq!(told(), [(9, 4)]);
        assert_eq!(board.notes().iter().map(|note| note.after.through.seq).collect::<Vec<_>>(), [11]);
    }
}
