//! How far what follows from each shard's orders is known to be derived for each shard: by what notices say, and by what the
//! shards' own databases have said.
//!
//! It says what to wait for in a derived stream; whether an answer holds that is decided by the position that was read together
//! with the answer's rows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Instant;

use forebay_log::Notice;
use forebay_model::{Position, Receipt, ShardId, StreamId, StreamKind, Timestamp};
use tokio::sync::{Notify, watch};

use crate::position::SILENCE_MAX;
use crate::position::derived_marks::{DerivedMarks, Mark, is_there};
use crate::position::read_at::ReadAt;

/// What is known of every source. Nothing is, of one that was never spoken of.
#[derive(Debug)]
pub(crate) struct Derivations {
    sources: RwLock<BTreeMap<ShardId, Arc<Source>>>,
    /// Since when writers are listened to.
    since: Timestamp,
    /// Told when a writer is heard that was not.
    returned: Notify,
}

/// A shard whose writer derives.
#[derive(Debug, Default)]
struct Source {
    heard: Mutex<Heard>,
    /// The turn to ask its database.
    turn: Arc<tokio::sync::Mutex<()>>,
    targets: RwLock<BTreeMap<ShardId, watch::Sender<Derivation>>>,
}

/// When a source's writer said something last.
#[derive(Clone, Copy, Debug, Default)]
struct Heard {
    last: Option<(Instant, Timestamp)>,
    /// Nothing it says would be heard any more.
    is_deaf: bool,
    /// What its log took while it was not heard, and it has not committed yet.
    backlog: Option<Backlog>,
}

/// What a log took while its writer was not heard.
#[derive(Clone, Copy, Debug)]
struct Backlog {
    since: Timestamp,
    /// Where it ends, once that was asked.
    end: Option<Position>,
}

/// How far a source has derived for a target.
#[derive(Debug, Default)]
pub(crate) struct Derivation {
    pub(crate) marks: DerivedMarks,
    /// What the writer has said last.
    owed: Option<Owed>,
}

/// What is on its way for no longer is not told of.
const MOMENT_US: i64 = 1_000_000;

/// Whether a target is owed more than what is just on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    Nothing,
    Since(Timestamp),
}

/// Whether facts may be missing from a derived stream, which are not just on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Owing {
    /// Every writer has said that it owes nothing.
    Nothing,
    /// A writer has not been heard.
    Unknown,
    /// A writer has said that it owes something.
    Something,
}

impl Default for Derivations {
    fn default() -> Self {
        Self { sources: RwLock::default(), since: Timestamp::now(), returned: Notify::new() }
    }
}

impl Derivations {
    /// Takes note of what the writer of a logged stream says.
    pub(crate) fn note(&self, notice: &Notice) {
        if notice.stream.kind != StreamKind::Logged {
            return;
        }
        let source = self.source(notice.stream.shard);
        self.note_heard(&source, notice.after);
        for derived in &notice.derived {
            let target = source.target(derived.target);
            let mark = Mark { through: derived.through, published: derived.published };
            let owed = Some(derived.owed_since.map_or(Owed::Nothing, Owed::Since));
            target.send_if_modified(|known| {
                known.owed = owed;
                known.marks.note(mark, notice.after)
            });
        }
    }

    fn note_heard(&self, source: &Source, after: Position) {
        let now = Instant::now();
        let mut heard = lock(&source.heard);
        if heard.is_recent(now) {
            heard.backlog = heard.backlog.filter(|backlog| backlog.end.is_none_or(|end| end.is_later_than(after)));
        } else {
            let since = heard.last.map_or(self.since, |(_, last)| last);
            let since = heard.backlog.map_or(since, |backlog| backlog.since.min(since));
            heard.backlog = Some(Backlog { since, end: None });
            self.returned.notify_one();
        }
        (heard.last, heard.is_deaf) = (Some((now, Timestamp::now())), false);
    }

    /// The sources that are heard again, and of which it was not asked yet where their logs end. Waits until there are some.
    pub(crate) async fn returned(&self) -> Vec<ShardId> {
        loop {
            let is_to_be_asked = |source: &ShardId| {
                let backlog = lock(&self.source(*source).heard).backlog;
                backlog.is_some_and(|backlog| backlog.end.is_none())
            };
            let returned: Vec<ShardId> = self.sources().filter(is_to_be_asked).collect();
            if !returned.is_empty() {
                return returned;
            }
            self.returned.notified().await;
        }
    }

    /// Takes note of where the log of a source ends that is heard again, which has committed up to `committed` as far as is known.
    pub(crate) fn note_end(&self, source: ShardId, end: Position, committed: Option<Position>) {
        let source = self.source(source);
        let mut heard = lock(&source.heard);
        let is_behind = committed.is_none_or(|committed| end.is_later_than(committed)) && end.seq > 0;
        heard.backlog = heard.backlog.filter(|_| is_behind).map(|backlog| Backlog { end: Some(end), ..backlog });
    }

    /// Takes note of what a source's database says of a target, where the source has committed up to `at`.
    pub(crate) fn note_read(&self, source: ShardId, target: ShardId, mark: Mark, at: Position) {
        self.source(source).target(target).send_if_modified(|known| known.marks.note(mark, at));
    }

    /// No notices are heard any more.
    pub(crate) fn deafen(&self) {
        read(&self.sources).values().for_each(|source| lock(&source.heard).is_deaf = true);
    }

    /// Follows how far a source has derived for a target.
    pub(crate) fn follow(&self, source: ShardId, target: ShardId) -> watch::Receiver<Derivation> {
        self.source(source).target(target).subscribe()
    }

    /// The turn to ask a source's database; `None` while another request has it, whose answer will be noted here.
    pub(crate) fn take_turn(&self, source: ShardId) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        Arc::clone(&self.source(source).turn).try_lock_owned().ok()
    }

    /// Whether an answer that was read of a stream at a position is known to hold what a receipt names, and what follows from
    /// that.
    pub(crate) fn holds(&self, receipt: &Receipt, stream: StreamId, position: Position) -> bool {
        let is_direct = receipt.position(stream).is_none_or(|target| position.covers(target));
        let follows = |source: ShardId, logged: Position| {
            let derivation = self.source(source).target(stream.shard);
            let published = derivation.borrow().marks.published(logged);
            published.is_some_and(|published| is_there(published, position))
        };
        is_direct
            && (stream.kind == StreamKind::Logged
                || logged_parts(receipt).all(|(source, logged)| follows(source, logged)))
    }

    /// Whether these sources may owe these targets anything.
    pub(crate) fn owing(&self, sources: impl Iterator<Item = ShardId>, targets: &[ShardId]) -> Owing {
        let now = Instant::now();
        let of_pair = |source: &Source, target: ShardId| match source.target(target).borrow().owed {
            Some(Owed::Since(_)) => Owing::Something,
            Some(Owed::Nothing) if source.is_heard(now) => Owing::Nothing,
            Some(Owed::Nothing) | None => Owing::Unknown,
        };
        let of_source = |source: ShardId| {
            let source = self.source(source);
            targets.iter().map(|&target| of_pair(&source, target)).max().unwrap_or(Owing::Nothing)
        };
        sources.map(of_source).max().unwrap_or(Owing::Nothing)
    }

    /// Whether more has been published for the derived streams that an answer was read from than is committed where it was read.
    pub(crate) fn is_behind(&self, read_at: &ReadAt) -> bool {
        let mut derived = read_at.iter().filter(|(stream, _)| stream.kind == StreamKind::Derived);
        derived.any(|(stream, position)| {
            self.sources().any(|source| self.source(source).target(stream.shard).borrow().marks.has_beyond(position))
        })
    }

    /// The sources that have published something for a target which is not committed there at that position, for longer than a moment: each with since when.
    pub(crate) fn uncommitted(&self, target: ShardId, position: Position) -> Vec<(ShardId, Timestamp)> {
        let now = Timestamp::now();
        let since = |source| {
            let since = self.source(source).target(target).borrow().marks.beyond_since(position);
            since.filter(|since| now.unix_us() - since.unix_us() > MOMENT_US)
        };
        self.sources().filter_map(|source| Some((source, since(source)?))).collect()
    }

    /// Since when a source owes a target something, as far as is known.
    pub(crate) fn owed_since(&self, source: ShardId, target: ShardId) -> Option<Timestamp> {
        match self.source(source).target(target).borrow().owed? {
            Owed::Since(since) => Some(since),
            Owed::Nothing => None,
        }
    }

    /// The sources that owe these targets something, each with since when; those that were not heard lately as they were last
    /// known.
    pub(crate) fn debtors(&self, targets: &[ShardId]) -> Vec<(ShardId, Timestamp)> {
        let since = |source| targets.iter().filter_map(|&target| self.owed_since(source, target)).min();
        self.sources().filter_map(|source| Some((source, since(source)?))).collect()
    }

    /// Those of some sources that take orders without committing them, or may: whose writers are not heard, or have not committed yet what their logs took
    /// meanwhile. Each with since when. Nobody knows what they owe; what lies in their logs is not even owed yet.
    pub(crate) fn silent(&self, sources: impl Iterator<Item = ShardId>) -> Vec<(ShardId, Timestamp)> {
        let since = |source| match *lock(&self.source(source).heard) {
            Heard { backlog: Some(backlog), .. } => Some(backlog.since),
            Heard { last: Some((at, last)), .. } => (at.elapsed() > SILENCE_MAX).then_some(last),
            Heard { last: None, .. } => Some(self.since),
        };
        sources.filter_map(|source| Some((source, since(source)?))).collect()
    }

    /// Every source that was spoken of.
    fn sources(&self) -> impl Iterator<Item = ShardId> {
        read(&self.sources).keys().copied().collect::<Vec<_>>().into_iter()
    }

    fn source(&self, source: ShardId) -> Arc<Source> {
        if let Some(known) = read(&self.sources).get(&source) {
            return Arc::clone(known);
        }
        Arc::clone(write(&self.sources).entry(source).or_default())
    }
}

fn read<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write<T>(lock: &RwLock<T>) -> RwLockWriteGuard<'_, T> {
    lock.write().unwrap_or_else(PoisonError::into_inner)
}

/// The parts of a receipt from which something follows.
pub(crate) fn logged_parts(receipt: &Receipt) -> impl Iterator<Item = (ShardId, Position)> + '_ {
    let logged = receipt.positions().filter(|(stream, _)| stream.kind == StreamKind::Logged);
    logged.map(|(stream, position)| (stream.shard, position))
}

impl Heard {
    fn is_recent(&self, now: Instant) -> bool {
        !self.is_deaf && self.last.is_some_and(|(last, _)| now.duration_since(last) <= SILENCE_MAX)
    }
}

impl Source {
    fn target(&self, target: ShardId) -> watch::Sender<Derivation> {
        if let Some(known) = read(&self.targets).get(&target) {
            return known.clone();
        }
        write(&self.targets).entry(target).or_default().clone()
    }

    fn is_heard(&self, now: Instant) -> bool {
        lock(&self.heard).is_recent(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{DerivedThrough, Incarnation};

    fn at(incarnation: u64, seq: u64) -> Position {
        Position { incarnation: Incarnation::new(incarnation), seq }
    }

    /// A notice of source 0, which has derived everything up to `seq` for target 1.
    fn notice(seq: u64, published: Position, owed_since: Option<i64>) -> Notice {
        let stream = StreamKind::Logged.on(ShardId(0));
        let owed_since = owed_since.map(Timestamp::from_unix_us);
        let derived = DerivedThrough { target: ShardId(1), through: at(1, seq), published, owed_since };
        let heartbeat = Notice::heartbeat(stream, at(1, seq), Timestamp::from_unix_us(0));
        Notice { derived: vec![derived], ..heartbeat }
    }

    #[test]
    fn a_receipt_of_orders_is_held_by_what_follows_from_them() {
        let derivations = Derivations::default();
        let receipt: Receipt = "l0.1.5".parse().unwrap();
        let target = StreamKind::Derived.on(ShardId(1));
        assert!(!derivations.holds(&receipt, target, at(7, 100)), "nobody knows where they are");
        derivations.note(&notice(4, at(7, 8), None));
        assert!(!derivations.holds(&receipt, target, at(7, 100)), "they are not derived");
        derivations.note(&notice(6, at(7, 9), None));
        assert!(!derivations.holds(&receipt, target, at(7, 8)) && derivations.holds(&receipt, target, at(7, 9)));
        assert!(!derivations.holds(&receipt, target, at(8, 9)), "of another making");
        let both: Receipt = "l0.1.5~d1.7.12".parse().unwrap();
        assert!(!derivations.holds(&both, target, at(7, 11)) && derivations.holds(&both, target, at(7, 12)));
        let logged = StreamKind::Logged.on(ShardId(0));
        assert!(!derivations.holds(&both, logged, at(1, 4)) && derivations.holds(&both, logged, at(1, 5)));
    }

    #[test]
    fn where_nothing_was_published_nothing_is_missing() {
        let derivations = Derivations::default();
        derivations.note(&notice(6, at(0, 0), None));
        let receipt: Receipt = "l0.1.5".parse().unwrap();
        assert!(derivations.holds(&receipt, StreamKind::Derived.on(ShardId(1)), at(7, 0)));
    }

    #[test]
    fn who_was_not_heard_may_owe_something() {
        let derivations = Derivations::default();
        let owing = || derivations.owing([ShardId(0)].into_iter(), &[ShardId(1)]);
        assert_eq!(owing(), Owing::Unknown);
        derivations.note(&notice(6, at(7, 9), None));
        assert_eq!((owing(), derivations.debtors(&[ShardId(1)])), (Owing::Nothing, vec![]));
        assert_eq!(derivations.owing([ShardId(0), ShardId(1)].into_iter(), &[ShardId(1)]), Owing::Unknown);
        derivations.deafen();
        assert_eq!(owing(), Owing::Unknown);
        derivations.note(&notice(7, at(7, 9), Some(5)));
        let debts = vec![(ShardId(0), Timestamp::from_unix_us(5))];
        assert_eq!((owing(), derivations.debtors(&[ShardId(0), ShardId(1)])), (Owing::Something, debts.clone()));
        derivations.deafen();
        assert_eq!((owing(), derivations.debtors(&[ShardId(1)])), (Owing::Something, debts));
        // A shard that comes later is heard of like the others.
        let mut later = notice(8, at(7, 9), None);
        later.stream.shard = ShardId(9);
        derivations.note(&later);
        assert_eq!(derivations.owing([ShardId(9)].into_iter(), &[ShardId(1)]), Owing::Nothing);
    }
}
