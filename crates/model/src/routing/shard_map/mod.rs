//! The shard map: where the shards are; for each bucket, the shard that it is written to, and where readers begin; what is under way from one
//! shard to another; and the settings of the system.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

use crate::bucket::BUCKETS;
use crate::ownership::{MoveEntry, MoveId, Ownership, Phase, Unit};
use crate::routing::departure::{Departure, LastPlaces, StillNamed};
use crate::routing::queue::{MoveQueue, Pace};
use crate::{
    Bucket, CustomerId, Epoch, Hash, Lane, Member, PerKind, Receipt, ShardId, StreamId, StreamKind, SystemId,
    SystemSettings, Tenant,
};

/// For every bucket, and each kind of streams, the shard that its facts are logged to and where readers begin; the units that are under way
/// from one to another; where the shards are; and the system's settings. As JSON it has `epoch`, `system`, `hash`, `settings`, `founders` (on how
/// many shards the system began), `shards` (by number), `departures` (shards that leave, or are gone), `logged` and `derived` (4096 shard numbers
/// each), `moves` and `kept` (what is under way, those last that are owned where they go), and `queue`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Unchecked", into = "Unchecked")]
pub struct ShardMap {
    epoch: Epoch,
    system: SystemId,
    hash: Hash,
    settings: SystemSettings,
    founders: NonZeroU16,
    places: PerKind<Vec<ShardId>>,
    /// In the order of their units.
    moves: Vec<MoveEntry>,
    queue: MoveQueue,
    /// Where shards are. One that is not here is where each process was told.
    members: BTreeMap<ShardId, Member>,
    /// Shards that leave, and those that are gone.
    departures: BTreeMap<ShardId, Departure>,
    /// Every shard of any of these that is not gone, once, in order.
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
    /// Something is on a shard that leaves, or is gone, or is to go there or comes from there.
    #[error("shard {0} of the shard map leaves, or is gone, and has something")]
    Departed(ShardId),
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
            departures: BTreeMap::new(),
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

    /// The number of the next shard that comes. None is ever that of another one.
    pub fn next_shard(&self) -> ShardId {
        let last = self.shards.last().into_iter().chain(self.departures.keys()).max();
        ShardId(last.map_or(0, |last| last.0 + 1))
    }

    /// Whether there is such a shard.
    pub fn has(&self, shard: ShardId) -> bool {
        self.shards.binary_search(&shard).is_ok()
    }

    /// Whether a shard leaves: nothing goes there any more.
    pub fn is_leaving(&self, shard: ShardId) -> bool {
        self.departures.get(&shard) == Some(&Departure::Leaving)
    }

    /// Where the logs of a shard ended that is gone; `None` of every other.
    pub fn gone(&self, shard: ShardId) -> Option<LastPlaces> {
        match self.departures.get(&shard)? {
            Departure::Gone(last) => Some(*last),
            Departure::Leaving => None,
        }
    }

    /// Every shard that is gone, in order.
    pub fn all_gone(&self) -> impl Iterator<Item = (ShardId, LastPlaces)> + '_ {
        self.departures.keys().filter_map(|&shard| Some((shard, self.gone(shard)?)))
    }

    /// What a shard says of a unit, read by this map: of shards that are gone it says nothing.
    pub fn read(&self, unit: Unit, said: Ownership) -> Ownership {
        if self.all_gone().next().is_none() {
            return said;
        }
        said.without(|shard| self.gone(shard).is_some(), self.shard(unit.stream(), unit.bucket()))
    }

    /// A receipt without what lay in the logs of shards that are gone: it is where it belongs.
    pub fn reached(&self, receipt: &Receipt) -> Receipt {
        receipt.only(|stream| self.gone(stream.shard).is_none())
    }

    /// Every shard but those that leave, in order: facts go to these.
    pub fn staying(&self) -> impl Iterator<Item = ShardId> + '_ {
        self.shards().filter(|&shard| !self.is_leaving(shard))
    }

    /// What names a shard, other than that it is there: as long as it is anything, the shard cannot leave.
    ///
    /// # Errors
    /// [`StillNamed`].
    pub fn may_leave(&self, shard: ShardId) -> Result<(), StillNamed> {
        let has = |places: &Vec<ShardId>| places.iter().filter(|&&at| at == shard).count();
        let is_of = |entry: &&MoveEntry| [entry.from, entry.to].contains(&shard);
        let (kept, under_way) = self.moves.iter().filter(is_of).partition::<Vec<_>, _>(|entry| entry.phase.is_owned());
        let named = StillNamed {
            shard,
            buckets: self.places.iter().map(|(_, places)| has(places)).sum(),
            under_way: under_way.len() + self.queue.targets().filter(|&to| to == shard).count(),
            kept: kept.len(),
            is_last: self.staying().all(|other| other == shard),
        };
        if named.is_nothing() { Ok(()) } else { Err(named) }
    }

    /// The next map, in which a shard leaves.
    ///
    /// # Errors
    /// As [`ShardMap::may_leave`].
    pub fn next_leaving(&self, shard: ShardId) -> Result<Self, StillNamed> {
        self.may_leave(shard)?;
        Ok(self.next_departing(shard, Departure::Leaving))
    }

    /// The next map, in which a shard is gone that was leaving.
    pub fn next_without(&self, shard: ShardId, last: LastPlaces) -> Option<Self> {
        self.is_leaving(shard).then(|| self.next_departing(shard, Departure::Gone(last)))
    }

    fn next_departing(&self, shard: ShardId, departure: Departure) -> Self {
        let mut next = Unchecked::from(self.clone());
        next.epoch = Epoch(self.epoch.0 + 1);
        if let Departure::Gone(_) = departure {
            next.shards.remove(&shard);
        }
        next.departures.insert(shard, departure);
        next.into_map()
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

    /// Bytes that all streams of the log may take together.
    pub fn log_bytes_max(&self) -> u64 {
        let streams = self.shards().len() * StreamKind::ALL.len();
        self.settings.streams.bytes_max.saturating_mul(streams as u64)
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
        self.places[stream][usize::from(bucket.number())]
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
    pub fn moves(&self) -> &[MoveEntry] {
        &self.moves
    }

    /// Whether a unit is elsewhere than when the system began, or under way.
    pub fn has_moved(&self) -> bool {
        self.has_moved
    }

    /// Of a unit that is under way, what is decided.
    pub fn moving(&self, unit: Unit) -> Option<&MoveEntry> {
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

    /// Every shard that there is, in order: the map says where it is, or it has a bucket, or one is under way or is to go to it, or it leaves.
    pub fn shards(&self) -> impl ExactSizeIterator<Item = ShardId> {
        self.shards.iter().copied()
    }

    /// The next map, with these units under way besides, or as they are now; or, where nothing follows any more, no longer; and with that queue.
    pub(super) fn next_moving(&self, changed: &[(Unit, Option<MoveEntry>)], queue: MoveQueue) -> Self {
        let mut next = Unchecked { queue, ..Unchecked::from(self.clone()) };
        next.epoch = Epoch(self.epoch.0 + 1);
        let mut moves: BTreeMap<Unit, MoveEntry> =
            self.moves.iter().cloned().map(|entry| (entry.unit, entry)).collect();
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
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    departures: BTreeMap<ShardId, Departure>,
    logged: Vec<ShardId>,
    derived: Vec<ShardId>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    moves: Vec<MoveEntry>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    kept: Vec<Kept>,
    #[serde(default, skip_serializing_if = "MoveQueue::is_empty")]
    queue: MoveQueue,
}

/// A unit that is owned where it goes, in few bytes: there may be thousands. Its kind, its bucket, its move and epoch, from where and to where.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Kept(StreamKind, Bucket, MoveId, Epoch, ShardId, ShardId);

/// Those that are owned where they go, and the others.
fn kept(moves: impl Iterator<Item = MoveEntry>) -> (Vec<Kept>, Vec<MoveEntry>) {
    let (owned, moves): (Vec<MoveEntry>, Vec<MoveEntry>) = moves.partition(|entry| entry.phase == Phase::Owned);
    let kept = |&MoveEntry { unit, of, epoch, from, to, .. }: &MoveEntry| {
        Kept(unit.stream(), unit.bucket(), of, epoch, from, to)
    };
    (owned.iter().map(kept).collect(), moves)
}

impl From<Kept> for MoveEntry {
    fn from(Kept(stream, bucket, of, epoch, from, to): Kept) -> Self {
        Self { unit: Unit::of(stream, bucket), of, epoch, from, to, phase: Phase::Owned }
    }
}

impl Unchecked {
    /// What is under way, in the order of the units.
    fn moves(&self) -> Vec<MoveEntry> {
        let mut moves: Vec<MoveEntry> =
            self.moves.iter().cloned().chain(self.kept.iter().copied().map(MoveEntry::from)).collect();
        moves.sort_by_key(|entry| entry.unit);
        moves
    }

    fn into_map(self) -> ShardMap {
        let moves = self.moves();
        let Self {
            epoch, system, hash, settings, founders, shards: members, departures, logged, derived, queue, ..
        } = self;
        let sides = moves.iter().flat_map(|entry| [entry.from, entry.to]);
        let leaving = departures.iter().filter(|(_, departure)| **departure == Departure::Leaving);
        let placed = members.keys().chain(&logged).chain(&derived).chain(leaving.map(|(shard, _)| shard));
        let shards: BTreeSet<ShardId> = placed.copied().chain(sides).chain(queue.targets()).collect();
        let shards = shards.into_iter().collect();
        let is_away = |places: &Vec<ShardId>| Bucket::all().zip(places).any(|(of, &at)| at != founder(founders, of));
        let has_moved = !moves.is_empty() || is_away(&logged) || is_away(&derived);
        let places = PerKind::of(logged, derived);
        ShardMap {
            epoch,
            system,
            hash,
            settings,
            founders,
            places,
            moves,
            queue,
            members,
            departures,
            shards,
            has_moved,
        }
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
        let is_there = |entry: &MoveEntry| {
            let place = map.places(entry.unit.stream())[usize::from(entry.unit.bucket().number())];
            place == entry.shard() && entry.epoch <= map.epoch && entry.of.0 <= entry.epoch
        };
        let moves = map.moves();
        let rise = moves.windows(2).all(|pair| pair[0].unit < pair[1].unit);
        let in_order = map.moves.windows(2).all(|pair| pair[0].unit < pair[1].unit);
        if !(rise && in_order && moves.iter().all(is_there)) {
            return Err(ShardMapError::Moves);
        }
        if !map.queue.is_sound() {
            return Err(ShardMapError::Queue);
        }
        let map = map.into_map();
        let is_gone = |shard: ShardId| map.gone(shard).is_some() && map.has(shard);
        let departed = map.departures.keys().copied();
        match departed.into_iter().find(|&shard| is_gone(shard) || map.may_leave(shard).is_err()) {
            Some(shard) => Err(ShardMapError::Departed(shard)),
            None => Ok(map),
        }
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
            departures,
            shards: _,
            has_moved: _,
        } = map;
        let (logged, derived) = places.into_both();
        let (kept, moves) = kept(moves.into_iter());
        Self {
            epoch,
            system,
            hash,
            settings,
            founders,
            shards: members,
            departures,
            logged,
            derived,
            moves,
            kept,
            queue,
        }
    }
}

#[cfg(test)]
mod tests;
