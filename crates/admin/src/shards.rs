//! The shard map and each shard's figures: what the log and the shards say about themselves.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_log::{Log, StreamState};
use forebay_model::{Bucket, Lane, ShardId, ShardMap};
use forebay_shard::{LanePosition, PoolSettings, ShardAddresses, ShardList, ShardPool, Tally};
use futures::future::join_all;
use serde::Serialize;

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
    /// How many buckets are written to it.
    pub buckets: usize,
    /// How many buckets are read from it, though they are written elsewhere.
    pub buckets_read_only: usize,
    /// Why it cannot be asked.
    pub unreachable: Option<String>,
    /// Each of its lanes.
    pub lanes: Vec<LaneFigures>,
}

/// One lane of a shard. What is not known is `null`.
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

/// Reads the figures of a system.
///
/// # Errors
/// When the log has no map.
pub async fn read(log: &Log, system: &System) -> Result<Figures> {
    let map = system.map(log).await?;
    Ok(Figures::read(log, &map, &system.shards).await)
}

impl Figures {
    /// Asks everybody at the same time.
    async fn read(log: &Log, map: &ShardMap, shards: &ShardList) -> Self {
        let asked = map.shards().map(|shard| ShardFigures::read(log, map, shard, shards.get(shard)));
        Self { epoch: map.epoch().0, hash: map.hash(), shards: join_all(asked).await }
    }

    /// Frames in the log that no shard holds yet; nothing where that is not known of every shard.
    pub fn lag_frames(&self) -> Option<u64> {
        self.lanes().map(|lane| lane.lag_frames).sum()
    }

    /// What became of the rows of a lane, over all shards.
    pub fn rows(&self, lane: Lane) -> Tally {
        let lanes = self.lanes().filter(|figures| figures.lane == lane);
        lanes.fold(Tally::default(), |sum, figures| sum + figures.rows())
    }

    fn lanes(&self) -> impl Iterator<Item = &LaneFigures> {
        self.shards.iter().flat_map(|shard| &shard.lanes)
    }

    /// One sentence for each thing that is wrong.
    pub fn problems(&self) -> Vec<String> {
        let unreachable = self.shards.iter().filter_map(|shard| shard.unreachable.clone());
        let lanes = self.shards.iter().flat_map(|shard| shard.lanes.iter().map(move |lane| (shard.shard, lane)));
        let faults = lanes
            .filter_map(|(shard, lane)| Some(format!("shard {shard}, lane {}: {}", lane.lane, lane.fault.as_ref()?)));
        unreachable.chain(faults).collect()
    }
}

impl ShardFigures {
    async fn read(log: &Log, map: &ShardMap, shard: ShardId, addresses: Option<&ShardAddresses>) -> Self {
        let positions = async {
            let addresses =
                addresses.with_context(|| format!("shard {shard} is in the map, and not among --shards"))?;
            positions(shard, addresses).await
        };
        let streams =
            join_all(Lane::ALL.iter().map(|&lane| async move { (lane, log.stream_state(lane.on(shard)).await) }));
        let (positions, streams) = tokio::join!(positions, streams);
        let unreachable = positions.as_ref().err().map(|error| format!("{error:#}"));
        let positions = positions.unwrap_or_default();
        let lane = |(lane, stream): (Lane, Result<StreamState, _>)| {
            LaneFigures::new(
                lane,
                positions.get(&lane),
                stream.map_err(|error: forebay_log::LogError| error.to_string()),
            )
        };
        Self {
            shard,
            addresses: addresses.map_or_else(String::new, ToString::to_string),
            buckets: Bucket::all().filter(|&bucket| map.write_shard(bucket) == shard).count(),
            buckets_read_only: Bucket::all().filter(|&bucket| is_only_read(map, bucket, shard)).count(),
            unreachable,
            lanes: streams.into_iter().map(lane).collect(),
        }
    }
}

impl LaneFigures {
    /// What became of its rows, as far as that is known.
    pub fn rows(&self) -> Tally {
        let known = |rows: Option<u64>| rows.unwrap_or_default();
        Tally { stored: known(self.stored), duplicate: known(self.duplicate), dead: known(self.dead) }
    }

    fn new(lane: Lane, position: Option<&LanePosition>, stream: Result<StreamState, String>) -> Self {
        let (state, fault) = match stream {
            Ok(state) => (Some(state), None),
            Err(fault) => (None, Some(fault)),
        };
        let (lag_frames, lost) = match (&state, position) {
            (Some(state), Some(position)) => lag(state, position),
            (Some(state), None) => (Some(state.last_seq), None),
            (None, _) => (None, None),
        };
        Self {
            lane,
            stored: position.map(|position| position.rows.stored),
            duplicate: position.map(|position| position.rows.duplicate),
            dead: position.map(|position| position.rows.dead),
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

/// Frames behind the position; where the position is not one of this stream, what that means.
fn lag(state: &StreamState, position: &LanePosition) -> (Option<u64>, Option<String>) {
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

fn is_only_read(map: &ShardMap, bucket: Bucket, shard: ShardId) -> bool {
    map.write_shard(bucket) != shard && map.read_shards(bucket).contains(&shard)
}

async fn positions(shard: ShardId, addresses: &ShardAddresses) -> Result<BTreeMap<Lane, LanePosition>> {
    let settings = PoolSettings {
        application_name: "forebay-shards".to_owned(),
        connections_max: 1,
        acquire_timeout: Duration::from_secs(2),
        statement_timeout: Duration::from_secs(5),
        ..PoolSettings::default()
    };
    let pool = ShardPool::new(shard, addresses, &settings);
    let mut connection = pool.acquire().await?;
    let positions = LanePosition::all(&mut connection).await;
    let positions = positions.with_context(|| format!("shard {shard} ({addresses}) does not tell its positions"))?;
    Ok(positions.into_iter().map(|position| (position.lane, position)).collect())
}
