//! The shard map: where the shards are; for each bucket, the shard that it is written to, and where readers begin; what is under way from one
//! shard to another; and the settings of the system.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::ownership::{Entry, MoveId, Phase, Unit};
use crate::routing::bucket::BUCKETS;
use crate::routing::queue::{MoveQueue, Pace};
use crate::{Bucket, CustomerId, Hash, Lane, Member, StreamId, StreamKind, SystemId, SystemSettings, Tenant};

/// A shard's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u16);

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The version of a shard map. Every change makes the next one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// For every bucket, and each kind of streams, the shard that its facts are logged to and where readers begin; the units that are under way
/// from one to another; where the shards are; and the system's settings. As JSON it has `epoch`, `system`, `hash`, `settings`, `founders` (on how
/// many shards the system began), `shards` (by number), `logged` and `derived` (4096 shard numbers each), `moves` and `kept` (what is under way,
/// those last that are owned where they go), and `queue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct ShardMap {
    epoch: Epoch,
    system: SystemId,
    hash: Hash,
    settings: SystemSettings,
    founders: NonZeroU16,
    places: [Vec<ShardId>; StreamKind::ALL.len()],
    /// In the order of their units.
    moves: Vec<Entry>,
    queue: MoveQueue,
    /// Where shards are. One that is not here is where each process was told.
    members: BTreeMap<ShardId, Member>,
    /// Every shard of any of these, once, in order.
    shards: Vec<ShardId>,
    /// Whether a unit is elsewhere than when the system began, or under way.
    has_moved: bool,
}

/// What is wrong with the JSON of a shard map.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ShardMapError {
    /// Not exactly one shard per bucket.
    #[error("the shard map has {1} {0} shards instead of 4096")]
    Places(StreamKind, usize),
    /// Units under way that stand there twice, or not in order; or one that is not where its move says, or of a later map.
    #[error("the shard map's moves do not fit its shards")]
    Moves,
    /// A unit waits twice.
    #[error("the shard map's queue has a unit twice")]
    Queue,
}

impl ShardMap {
    /// The first map of a system with the usual settings: buckets dealt out in turn to that many shards, so each has its share to
    /// within one bucket.
    pub fn even(shards: NonZeroU16, hash: Hash) -> Self {
        let place: Vec<ShardId> = Bucket::all().map(|bucket| founder(shards, bucket)).collect();
        let (settings, system) = (SystemSettings::default(), SystemId::default());
        Unchecked {
            epoch: Self::FIRST_EPOCH,
            system,
            hash,
            settings,
            founders: shards,
            shards: BTreeMap::new(),
            logged: place.clone(),
            derived: place,
            moves: Vec::new(),
            kept: Vec::new(),
            queue: MoveQueue::default(),
        }
        .into_map()
    }

    /// The epoch of a first map.
    pub const FIRST_EPOCH: Epoch = Epoch(1);

    /// The same map of that system: a first one, before anybody has seen it.
    #[must_use]
    pub fn of_system(self, system: SystemId) -> Self {
        Self { system, ..self }
    }

    /// The same map of a system with these settings: a first one, before anybody has seen it.
    #[must_use]
    pub fn with_settings(self, settings: SystemSettings) -> Self {
        Self { settings, ..self }
    }

    /// The same map with these shards: a first one, before anybody has seen it.
    #[must_use]
    pub fn with_members(self, members: BTreeMap<ShardId, Member>) -> Self {
        Unchecked { shards: members, ..Unchecked::from(self) }.into_map()
    }

    /// The next map, in which a shard is there, or elsewhere.
    #[must_use]
    pub fn next_with_members(&self, members: impl IntoIterator<Item = (ShardId, Member)>) -> Self {
        let mut next = Unchecked::from(self.clone());
        next.epoch = Epoch(self.epoch.0 + 1);
        next.shards.extend(members);
        next.into_map()
    }

    /// Where a shard is, where the map says it.
    pub fn member(&self, shard: ShardId) -> Option<&Member> {
        self.members.get(&shard)
    }

    /// The number of the next shard that comes.
    pub fn next_shard(&self) -> ShardId {
        ShardId(self.shards.last().map_or(0, |last| last.0 + 1))
    }

    /// The next map, which has other settings.
    #[must_use]
    pub fn next_with(&self, settings: SystemSettings) -> Self {
        Self { epoch: Epoch(self.epoch.0 + 1), ..self.clone().with_settings(settings) }
    }

    /// The system's settings.
    pub fn settings(&self) -> &SystemSettings {
        &self.settings
    }

    /// Its version.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whose map it is.
    pub fn system(&self) -> SystemId {
        self.system
    }

    /// How customers' ids become buckets.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The bucket of a tenant's customer.
    pub fn bucket_of(&self, tenant: &Tenant, customer_id: &CustomerId) -> Bucket {
        self.hash.bucket_of(tenant, customer_id.as_str())
    }

    /// The shard that a bucket's facts of a kind of streams are logged to, and where readers of them begin.
    pub fn shard(&self, stream: StreamKind, bucket: Bucket) -> ShardId {
        self.places[stream as usize][usize::from(bucket.number())]
    }

    /// The log of a lane's facts of a bucket.
    pub fn stream(&self, lane: Lane, bucket: Bucket) -> StreamId {
        lane.on(self.shard(lane.kind(), bucket))
    }

    /// The shard that owned a bucket when the system began. It is the same in every map of a system, so that of a unit of which nothing was
    /// ever said to a shard everybody knows, without asking, whether it owns it.
    pub fn founder(&self, bucket: Bucket) -> ShardId {
        founder(self.founders, bucket)
    }

    /// What is under way, in the order of the units.
    pub fn moves(&self) -> &[Entry] {
        &self.moves
    }

    /// Whether a unit is elsewhere than when the system began, or under way.
    pub fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// Of a unit that is under way, what is decided.
    pub fn moving(&self, unit: Unit) -> Option<&Entry> {
        self.moves.binary_search_by_key(&unit, |entry| entry.unit).ok().map(|place| &self.moves[place])
    }

    /// What waits to move, and how fast it is to.
    pub fn queue(&self) -> &MoveQueue {
        &self.queue
    }

    /// The next map, in which units move at another pace.
    #[must_use]
    pub fn next_with_pace(&self, pace: Pace) -> Self {
        let mut queue = self.queue.clone();
        queue.pace = pace;
        Self { epoch: Epoch(self.epoch.0 + 1), queue, ..self.clone() }
    }

    /// Every shard that the map knows, in order: it says where the shard is, or the shard has a bucket, or one is under way or is to go to it.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = ShardId> {
        self.shards.iter().copied()
    }

    /// The next map, with these units under way besides, or as they are now; or, where nothing follows any more, no longer; and with that queue.
    pub(super) fn next_moving(&self, changed: &[(Unit, Option<Entry>)], queue: MoveQueue) -> Self {
        let mut next = Unchecked { queue, ..Unchecked::from(self.clone()) };
        next.epoch = Epoch(self.epoch.0 + 1);
        let mut moves: BTreeMap<Unit, Entry> = self.moves.iter().cloned().map(|entry| (entry.unit, entry)).collect();
        for (unit, entry) in changed {
            let Some(entry) = entry else {
                moves.remove(unit);
                continue;
            };
            let places = match unit.stream() {
                StreamKind::Logged => &mut next.logged,
                StreamKind::Derived => &mut next.derived,
            };
            places[usize::from(unit.bucket().number())] = entry.shard();
            moves.insert(*unit, entry.clone());
        }
        (next.kept, next.moves) = kept(moves.into_values());
        next.into_map()
    }
}

fn founder(shards: NonZeroU16, bucket: Bucket) -> ShardId {
    ShardId(bucket.number() % shards)
}

/// What a later version says of it besides must not be passed over.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Unchecked {
    epoch: Epoch,
    system: SystemId,
    hash: Hash,
    settings: SystemSettings,
    founders: NonZeroU16,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    shards: BTreeMap<ShardId, Member>,
    logged: Vec<ShardId>,
    derived: Vec<ShardId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moves: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Kept>,
    #[serde(default, skip_serializing_if = "MoveQueue::is_empty")]
    queue: MoveQueue,
}

/// A unit that is owned where it goes, in few bytes: there may be thousands. Its kind, its bucket, its move and epoch, from where and to where.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Kept(StreamKind, Bucket, MoveId, Epoch, ShardId, ShardId);

/// Those that are owned where they go, and the others.
fn kept(moves: impl Iterator<Item = Entry>) -> (Vec<Kept>, Vec<Entry>) {
    let (owned, moves): (Vec<Entry>, Vec<Entry>) = moves.partition(|entry| entry.phase == Phase::Owned);
    let kept =
        |&Entry { unit, of, epoch, from, to, .. }: &Entry| Kept(unit.stream(), unit.bucket(), of, epoch, from, to);
    (owned.iter().map(kept).collect(), moves)
}

impl From<Kept> for Entry {
    fn from(Kept(stream, bucket, of, epoch, from, to): Kept) -> Self {
        Self { unit: Unit::of(stream, bucket), of, epoch, from, to, phase: Phase::Owned }
    }
}

impl Unchecked {
    /// What is under way, in the order of the units.
    fn moves(&self) -> Vec<Entry> {
        let mut moves: Vec<Entry> =
            self.moves.iter().cloned().chain(self.kept.iter().copied().map(Entry::from)).collect();
        moves.sort_by_key(|entry| entry.unit);
        moves
    }

    fn into_map(self) -> ShardMap {
        let moves = self.moves();
        let Self { epoch, system, hash, settings, founders, shards: members, logged, derived, queue, .. } = self;
        let sides = moves.iter().flat_map(|entry| [entry.from, entry.to]);
        let shards: BTreeSet<ShardId> =
            members.keys().chain(&logged).chain(&derived).copied().chain(sides).chain(queue.targets()).collect();
        let (places, shards) = ([logged, derived], shards.into_iter().collect());
        let is_away = |places: &Vec<ShardId>| Bucket::all().zip(places).any(|(of, &at)| at != founder(founders, of));
        let has_moved = !moves.is_empty() || places.iter().any(is_away);
        ShardMap { epoch, system, hash, settings, founders, places, moves, queue, members, shards, has_moved }
    }

    fn places(&self, stream: StreamKind) -> &[ShardId] {
        match stream {
            StreamKind::Logged => &self.logged,
            StreamKind::Derived => &self.derived,
        }
    }
}

impl TryFrom<Unchecked> for ShardMap {
    type Error = ShardMapError;

    fn try_from(map: Unchecked) -> Result<Self, ShardMapError> {
        for stream in StreamKind::ALL {
            let places = map.places(stream).len();
            if places != usize::from(BUCKETS) {
                return Err(ShardMapError::Places(stream, places));
            }
        }
        let is_there = |entry: &Entry| {
            let place = map.places(entry.unit.stream())[usize::from(entry.unit.bucket().number())];
            place == entry.shard() && entry.epoch <= map.epoch && entry.of.0 <= entry.epoch
        };
        let moves = map.moves();
        let rise = moves.windows(2).all(|pair| pair[0].unit < pair[1].unit);
        let in_order = map.moves.windows(2).all(|pair| pair[0].unit < pair[1].unit);
        if !(rise && in_order && moves.iter().all(is_there)) {
            return Err(ShardMapError::Moves);
        }
        if map.queue.is_sound() { Ok(map.into_map()) } else { Err(ShardMapError::Queue) }
    }
}

impl From<ShardMap> for Unchecked {
    fn from(map: ShardMap) -> Self {
        let ShardMap {
            epoch,
            system,
            hash,
            settings,
            founders,
            places,
            moves,
            queue,
            members,
            shards: _,
            has_moved: _,
        } = map;
        let [logged, derived] = places;
        let (kept, moves) = kept(moves.into_iter());
        Self { epoch, system, hash, settings, founders, shards: members, logged, derived, moves, kept, queue }
    }
}

#[cfg(test)]
mod tests;
