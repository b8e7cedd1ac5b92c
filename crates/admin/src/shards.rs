//! The shard map and each shard's figures: what the log and the shards say about themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_log::{Log, LogError, StreamState};
use forebay_model::{Bucket, Labels, Lane, ShardId, ShardMap, StreamId, StreamKind};
use forebay_shard::database::Footprint;
use forebay_shard::{Derived, PoolSettings, ShardAddresses, ShardPool, StreamPosition, Tally};
use futures::future::join_all;
use serde::Serialize;

use crate::facts::owed::frames_owed;
use crate::room::Room;
use crate::system::System;

/// The map and the shards, as `--json` prints them.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The map's.
    pub epoch: u64,
    /// How customers become buckets.
    pub hash: forebay_model::Hash,
    /// Each shard of the map.
    pub shards: Vec<ShardFigures>,
}

/// One shard.
#[derive(Debug, Serialize)]
pub struct ShardFigures {
    /// Its number.
    pub shard: ShardId,
    /// Where it is.
    pub addresses: String,
    /// What it is labelled with.
    pub labels: Labels,
    /// How many buckets of customers are written to it.
    pub buckets: usize,
    /// Whether it leaves the system: nothing moves there any more.
    pub leaving: bool,
    /// Why it cannot be asked.
    pub unreachable: Option<String>,
    /// What its database takes, and what its disk has left; `null` where it cannot be asked.
    pub room: Option<Room>,
    /// Each of its streams.
    pub streams: Vec<StreamFigures>,
    /// Each of its lanes.
    pub lanes: Vec<LaneFigures>,
    /// How far what follows from its orders is derived, for each shard that it goes to.
    pub derived: Vec<DerivedFigures>,
}

/// One stream of a shard. What is not known is `null`.
#[derive(Debug, Serialize)]
pub struct StreamFigures {
    /// Which.
    pub stream: StreamKind,
    /// The last frame that is committed.
    pub position: Option<String>,
    /// When.
    pub committed_at: Option<String>,
    /// Frames in the log behind the position.
    pub lag_frames: Option<u64>,
    /// The last frame in the log.
    pub log_last: Option<u64>,
    /// Frames in the log.
    pub log_frames: Option<u64>,
    /// Bytes of these.
    pub log_bytes: Option<u64>,
    /// What is wrong with the stream, or with the position in it.
    pub fault: Option<String>,
}

/// What became of the rows of one lane of a shard. What is not known is `null`.
#[derive(Debug, Serialize)]
pub struct LaneFigures {
    /// Which.
    pub lane: Lane,
    /// Rows that were stored.
    pub stored: Option<u64>,
    /// Rows that were there already.
    pub duplicate: Option<u64>,
    /// Rows that became dead letters.
    pub dead: Option<u64>,
}

/// How far what follows from a shard's orders is derived for one shard.
#[derive(Debug, Serialize)]
pub struct DerivedFigures {
    /// The shard that the facts go to.
    pub target: ShardId,
    /// The frame of the logged stream up to which everything is derived.
    pub through: String,
    /// How many committed frames lie behind that; `null` where everything is owed, or where that is not known.
    pub frames_owed: Option<u64>,
    /// When the first of them was logged; `null` where there is none, or it is not in the log any more.
    pub owed_since: Option<String>,
}

/// What a shard's database says.
#[derive(Debug, Default)]
struct StoredFigures {
    positions: Vec<StreamPosition>,
    derived: Vec<Derived>,
    room: Option<Room>,
}

type States = BTreeMap<StreamId, Result<StreamState, LogError>>;

/// Reads the figures of a system.
///
/// # Errors
/// When the log has no map.
pub async fn read(log: &Log, system: &System) -> Result<Figures> {
    let map = system.map(log).await?;
    let told = join_all(map.shards().map(|shard| StoredFigures::read(shard, system.shards.get(shard)))).await;
    // Behind the positions, so that what was noted there is in the streams here.
    let streams = map.shards().flat_map(StreamId::all_of);
    let states: States =
        join_all(streams.map(async |stream| (stream, log.stream_state(stream).await))).await.into_iter().collect();
    let figures = map.shards().zip(told).map(|(shard, told)| {
        let addresses = system.shards.get(shard);
        ShardFigures::new(log, &map, shard, addresses, told, &states)
    });
    Ok(Figures { epoch: map.epoch().0, hash: map.hash(), shards: join_all(figures).await })
}

impl Figures {
    /// Frames in the log that no shard holds yet; nothing where that is not known of every shard.
    pub fn lag_frames(&self) -> Option<u64> {
        self.shards.iter().flat_map(|shard| &shard.streams).map(|stream| stream.lag_frames).sum()
    }

    /// Committed frames that something is still owed of, for each shard that it is owed to; nothing where that is not known.
    pub fn frames_owed(&self) -> Option<u64> {
        self.shards.iter().flat_map(|shard| &shard.derived).map(|derived| derived.frames_owed).sum()
    }

    /// Whether the shards hold everything that is in the log, and everything that follows from it.
    pub fn is_drained(&self) -> bool {
        (self.lag_frames(), self.frames_owed()) == (Some(0), Some(0)) && self.problems().is_empty()
    }

    /// Whether something is wrong that waiting does not change: with a stream, or with the position in it.
    pub fn has_faults(&self) -> bool {
        self.shards.iter().flat_map(|shard| &shard.streams).any(|stream| stream.fault.is_some())
    }

    /// What became of the rows of a lane, over all shards.
    pub fn rows(&self, lane: Lane) -> Tally {
        let lanes = self.shards.iter().flat_map(|shard| &shard.lanes).filter(|figures| figures.lane == lane);
        lanes.fold(Tally::default(), |sum, figures| sum + figures.rows())
    }

    /// One sentence for each thing that is wrong.
    pub fn problems(&self) -> Vec<String> {
        let unreachable = self.shards.iter().filter_map(|shard| shard.unreachable.clone());
        let streams =
            self.shards.iter().flat_map(|shard| shard.streams.iter().map(move |stream| (shard.shard, stream)));
        let faults = streams.filter_map(|(shard, of)| Some(format!("{}: {}", of.stream.on(shard), of.fault.as_ref()?)));
        unreachable.chain(faults).collect()
    }

    /// One sentence for each shard that is nearly full.
    pub fn scarce(&self) -> Vec<String> {
        let scarce = |shard: &ShardFigures| {
            let room = shard.room.filter(Room::is_scarce)?;
            let free = room.free.unwrap_or_default() >> 20;
            Some(format!("shard {} is nearly full: {free} MiB are free on its disk", shard.shard))
        };
        self.shards.iter().filter_map(scarce).collect()
    }
}

impl ShardFigures {
    async fn new(
        log: &Log,
        map: &ShardMap,
        shard: ShardId,
        addresses: Option<&ShardAddresses>,
        told: Result<StoredFigures>,
        states: &States,
    ) -> Self {
        let unreachable = told.as_ref().err().map(|error| format!("{error:#}"));
        let is_known = told.is_ok();
        let told = told.unwrap_or_default();
        let position = |kind| told.positions.iter().find(|position| position.stream == kind);
        let stream = |stream: StreamId| StreamFigures::new(stream.kind, position(stream.kind), states.get(&stream));
        let lane = |lane: Lane| {
            let rows = position(lane.kind()).map(|position| position.rows[lane]);
            LaneFigures::new(lane, rows.or_else(|| is_known.then(Tally::default)))
        };
        let logged = position(StreamKind::Logged);
        let derived = told.derived.iter().map(|note| DerivedFigures::read(log, shard, note, logged, states));
        Self {
            shard,
            addresses: addresses.map_or_else(String::new, ToString::to_string),
            labels: map.member(shard).map(|member| member.labels.clone()).unwrap_or_default(),
            buckets: Bucket::all().filter(|&bucket| map.shard(StreamKind::Logged, bucket) == shard).count(),
            leaving: map.is_leaving(shard),
            unreachable,
            room: told.room,
            streams: StreamId::all_of(shard).map(stream).collect(),
            lanes: Lane::ALL.map(lane).into(),
            derived: join_all(derived).await,
        }
    }
}

impl LaneFigures {
    /// What became of its rows, as far as that is known.
    pub fn rows(&self) -> Tally {
        let known = |rows: Option<u64>| rows.unwrap_or_default();
        Tally {
            stored: known(self.stored),
            duplicate: known(self.duplicate),
            dead: known(self.dead),
            ..Tally::default()
        }
    }

    fn new(lane: Lane, rows: Option<Tally>) -> Self {
        Self {
            lane,
            stored: rows.map(|rows| rows.stored),
            duplicate: rows.map(|rows| rows.duplicate),
            dead: rows.map(|rows| rows.dead),
        }
    }
}

impl StreamFigures {
    fn new(
        stream: StreamKind,
        position: Option<&StreamPosition>,
        state: Option<&Result<StreamState, LogError>>,
    ) -> Self {
        let (state, fault) = match state {
            Some(Ok(state)) => (Some(state), None),
            Some(Err(error)) => (None, Some(error.to_string())),
            None => (None, None),
        };
        let (lag_frames, lost) = match (state, position) {
            (Some(state), Some(position)) => lag(state, position),
            (Some(state), None) => (Some(state.last_seq), None),
            (None, _) => (None, None),
        };
        Self {
            stream,
            position: position.map(|position| position.position.to_string()),
            committed_at: position.map(|position| position.committed_at.to_string()),
            lag_frames,
            log_last: state.map(|state| state.last_seq),
            log_frames: state.map(|state| state.frames),
            log_bytes: state.map(|state| state.bytes),
            fault: fault.or(lost),
        }
    }
}

impl DerivedFigures {
    async fn read(log: &Log, of: ShardId, note: &Derived, logged: Option<&StreamPosition>, states: &States) -> Self {
        let target = states.get(&StreamKind::Derived.on(note.target)).and_then(|state| state.as_ref().ok());
        let frames_owed = logged.zip(target).and_then(|(logged, target)| frames_owed(note, logged.position, target));
        let first_owed = frames_owed.filter(|&frames| frames > 0).map(|_| note.through.seq + 1);
        let owed_since = match first_owed {
            Some(seq) => {
                let stored = log.frame(StreamKind::Logged.on(of), seq).await.ok().flatten();
                stored.and_then(|stored| Some(stored.ok()?.frame.ok()?.enqueued_at.to_string()))
            }
            None => None,
        };
        Self { target: note.target, through: note.through.to_string(), frames_owed, owed_since }
    }
}

/// Frames behind the position; where the position is not one of this stream, what that means.
fn lag(state: &StreamState, position: &StreamPosition) -> (Option<u64>, Option<String>) {
    let at = position.position;
    if at.incarnation != state.incarnation {
        return (
            None,
            Some(format!(
                "the position {at} is of another stream, which was there before; see `forebay log accept-loss`"
            )),
        );
    }
    match state.last_seq.checked_sub(at.seq) {
        Some(lag) => (Some(lag), None),
        None => {
            let ends = format!("the log ends at frame {}, before the position {at}", state.last_seq);
            (None, Some(format!("{ends}; see `forebay log accept-loss`")))
        }
    }
}

impl StoredFigures {
    async fn read(shard: ShardId, addresses: Option<&ShardAddresses>) -> Result<Self> {
        let settings = PoolSettings {
            application_name: "forebay-shards".to_owned(),
            connections_max: 1,
            acquire_timeout: Duration::from_secs(2),
            statement_timeout: Duration::from_secs(5),
            ..PoolSettings::default()
        };
        let addresses = addresses.with_context(|| format!("the map does not say where shard {shard} is"))?;
        let pool = ShardPool::new(shard, addresses, &settings);
        let mut connection = pool.acquire().await?;
        let silent = || format!("shard {shard} ({addresses}) does not tell its positions");
        // In this order: the position that comes later is never before what is derived.
        let derived = Derived::all(&mut connection).await.with_context(silent)?;
        let positions = StreamPosition::all(&mut connection).await.with_context(silent)?;
        let footprint = Footprint::read(&mut connection).await.with_context(silent)?;
        Ok(Self { positions, derived, room: Some(Room::of(&footprint)) })
    }
}
