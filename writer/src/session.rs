//! One lane while all goes well: take the lead, read on from the stored position, commit, announce.

use std::sync::Arc;
use std::time::Duration;

use forebay_log::{FrameReader, Log, Notice, ReadFrom};
use forebay_model::{Position, StreamId, Timestamp};
use forebay_shard::{IndexedFrame, LanePosition, LaneSettings, LaneStore, ShardAddresses};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::backoff::Backoff;
use crate::batch::{indexed, touched};
use crate::batch_size::BatchSize;
use crate::day_activity::{DayActivity, Days};
use crate::failpoint;
use crate::failure::Failure;
use crate::merging::Merging;
use crate::status::{CommitFigures, State, Status};

/// How often a sign of life is given when nothing comes, and the lead is looked after.
const BEAT: Duration = Duration::from_secs(1);
/// How often a standby asks whether the lead is free.
const STANDBY_POLL: Duration = Duration::from_secs(1);
/// The least time from one commit to the next. Rows that come one by one would otherwise be committed one by one, and take
/// the disk's time from those that wait for the log's acknowledgement.
const COMMIT_EVERY: Duration = Duration::from_millis(50);
/// How often partitions are made ahead.
const PARTITIONS_EVERY: Duration = Duration::from_mins(1);

/// What every session of a lane needs.
#[derive(Clone, Debug)]
pub(crate) struct LaneContext {
    pub(crate) of: StreamId,
    pub(crate) addresses: ShardAddresses,
    pub(crate) lane: LaneSettings,
    pub(crate) merge_quiet: Duration,
    pub(crate) batch_rows: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) log: Log,
    pub(crate) status: Status,
}

/// How hard a lane tries: kept from session to session.
#[derive(Debug, Default)]
pub(crate) struct Retries {
    pub(crate) backoff: Backoff,
    pub(crate) batch_size: BatchSize,
}

/// A lane that leads and reads.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    context: &'a LaneContext,
    store: LaneStore,
    reader: FrameReader,
    position: Position,
    commit_not_before: Instant,
    partitions_at: Instant,
    /// When it was last seen that this writer leads.
    led_at: Instant,
    activity: Arc<DayActivity>,
}

impl<'a> Session<'a> {
    /// Takes the lead, waiting for it as a standby, and starts to read behind the stored position.
    pub(crate) async fn open(context: &'a LaneContext) -> Result<Self, Failure> {
        let StreamId { lane, shard } = context.of;
        let mut store = LaneStore::open(&context.addresses, lane, context.lane.clone()).await?;
        while !store.try_lead().await? {
            if context.status.set(State::Standby, None) {
                info!(%lane, %shard, "another writer leads, standing by");
            }
            if let Some(stored) = store.position().await? {
                context.status.stored(&stored);
            }
            sleep(STANDBY_POLL).await;
        }
        let stored = begin(context, &mut store).await?;
        context.status.stored(&stored);
        store.make_partitions_ahead(Timestamp::now()).await?;
        let after = ReadFrom { position: stored.position, frame_id: stored.frame_id.parse().ok() };
        let reader = context.log.read(context.of, Some(after)).await?;
        let (position, now) = (stored.position, Instant::now());
        let activity = Arc::new(DayActivity::since(now, position));
        let session = Self {
            context,
            store,
            reader,
            position,
            commit_not_before: now,
            partitions_at: now,
            led_at: now,
            activity,
        };
        session.beat().await;
        context.status.set(State::Draining, None);
        info!(%lane, %shard, position = %stored.position, "draining");
        Ok(session)
    }

    /// What merges partitions for as long as the session lasts.
    pub(crate) fn merging(&self) -> Merging {
        let LaneContext { of, merge_quiet, .. } = *self.context;
        Merging::new(of, self.store.address().clone(), Arc::clone(&self.activity), merge_quiet)
    }

    /// Drains until stopping begins. A commit that is under way then is finished.
    pub(crate) async fn drain(&mut self, stop: &CancellationToken, retries: &mut Retries) -> Result<(), Failure> {
        let LaneContext { batch_rows, batch_bytes, .. } = *self.context;
        loop {
            let read = async {
                sleep_until(self.commit_not_before).await;
                self.reader
                    .next_batch_within(retries.batch_size.of(batch_rows), retries.batch_size.of(batch_bytes), BEAT)
                    .await
            };
            let Some(batch) = stop.run_until_cancelled(read).await else { return Ok(()) };
            let lane = self.context.of.lane;
            let batch: Vec<IndexedFrame> = batch?.into_iter().map(|stored| indexed(lane, stored)).collect();
            // Under load as well: a writer that has lost the lead without noticing, and is the faster one, would keep the one
            // that has the lead from ever moving the position.
            if batch.is_empty() || self.led_at.elapsed() >= BEAT {
                self.look_after_the_lead().await?;
            }
            if batch.is_empty() {
                self.beat().await;
            }
            let mut rest = &batch[..];
            while !rest.is_empty() && !stop.is_cancelled() {
                rest = &rest[self.commit(rest).await?..];
                retries.backoff.progress();
                retries.batch_size.in_time();
            }
            if self.partitions_at.elapsed() >= PARTITIONS_EVERY {
                self.store.make_partitions_ahead(Timestamp::now()).await?;
                self.partitions_at = Instant::now();
            }
        }
    }

    /// Commits frames, or the first of them, tells what that touched, and gives how many they were.
    async fn commit(&mut self, frames: &[IndexedFrame]) -> Result<usize, Failure> {
        let (begun, before) = (Instant::now(), self.position);
        self.commit_not_before = begun + COMMIT_EVERY;
        let stream = self.context.of;
        let StreamId { lane, shard } = stream;
        let last = frames.last().map_or(before.seq, |frame| frame.frame().seq);
        let touched = touched(frames);
        self.activity.begin(Days::of(&touched), Position { seq: last, ..before });
        let committed = self.store.commit(frames, before).await.map_err(|error| Failure::of_commit(error, before))?;
        failpoint::AFTER_COMMIT.pass();
        self.activity.end(Instant::now());
        self.position = committed.position;
        let now = Timestamp::now();
        let notice = Notice { stream, before, after: committed.position, committed_at: now, touched };
        if !failpoint::NOTICE.pass() {
            self.announce(&notice).await;
        }
        failpoint::AFTER_NOTICE.pass();
        let frames = || frames[..committed.frames].iter().map(IndexedFrame::frame);
        let figures = CommitFigures {
            bytes: frames().map(|frame| frame.payload.len() as u64).sum(),
            took: begun.elapsed(),
            age: frames().filter_map(|frame| frame.enqueued_at).min().map(|at| age(at, now)),
        };
        self.context.status.committed(&committed, figures);
        if committed.rows.dead > 0 {
            warn!(%lane, %shard, dead = ?committed.dead, position = %committed.position, "rows went to the dead letters");
        }
        debug!(%lane, %shard, position = %committed.position, rows = ?committed.rows, took = ?figures.took, "committed");
        Ok(committed.frames)
    }

    /// Whether the position is still where this writer left it, and the shard still answers.
    async fn look_after_the_lead(&mut self) -> Result<(), Failure> {
        match self.store.position().await? {
            Some(stored) if stored.position == self.position => {
                self.led_at = Instant::now();
                Ok(())
            }
            _ => Err(Failure::Fenced),
        }
    }

    /// A sign of life: nothing was committed since the position.
    async fn beat(&self) {
        self.announce(&Notice::heartbeat(self.context.of, self.position, Timestamp::now())).await;
    }

    /// Notices are chained, so one that is lost is noticed by those who need it.
    async fn announce(&self, notice: &Notice) {
        if let Err(error) = self.context.log.publish_notice(notice).await {
            debug!(stream = %notice.stream, %error, "a notice was not sent");
        }
    }
}

/// The stored position. Where there is none, nothing was ever read: begin before the first frame of the stream as it is.
async fn begin(context: &LaneContext, store: &mut LaneStore) -> Result<LanePosition, Failure> {
    if let Some(stored) = store.position().await? {
        return Ok(stored);
    }
    let StreamId { lane, shard } = context.of;
    let incarnation = context.log.stream_state(context.of).await?.incarnation;
    info!(%lane, %shard, %incarnation, "nothing was ever read, beginning with the first frame");
    Ok(store.begin_at(Position { incarnation, seq: 0 }).await?)
}

pub(crate) fn age(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_micros(now.unix_us().saturating_sub(at.unix_us()).max(0).unsigned_abs())
}
