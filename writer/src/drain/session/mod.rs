//! One stream while all goes well: take the lead, read on from the stored position, commit, announce.

mod places;
mod units;

use std::sync::Arc;
use std::time::Duration;

use forebay_log::{FrameReader, Notice, ReadError};
use forebay_model::{DerivedThrough, Epoch, Lane, Position, ShardMap, StreamKind, Timestamp, Touched};
use forebay_shard::{DerivedNote, IndexedFrame, StreamStore};
use futures::future::{join, join_all};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing::field::display;
use tracing::{Span, debug, info, instrument, warn};

use self::units::tell_of;
use crate::derive::Deriving;
use crate::drain::batch::{indexed, touched};
use crate::drain::commit_interval::next_commit;
use crate::drain::context::{Retries, StreamContext};
use crate::drain::opening::{begin, derive, map_of, read};
use crate::drain::send_on::Sender;
use crate::failpoint;
use crate::failure::Failure;
use crate::status::{CommitFigures, State};
use crate::upkeep::day_activity::{DayActivity, Days};
use crate::upkeep::indexing::Indexing;
use crate::upkeep::merging::Merging;

/// How often a sign of life is given when nothing comes, and the lead is looked after.
const BEAT: Duration = Duration::from_secs(1);
/// How often a standby asks whether the lead is free.
const STANDBY_POLL: Duration = Duration::from_secs(1);
/// How long a stream that stands still goes on deriving, until it is looked at again.
const SETTLE_MAX: Duration = Duration::from_secs(10);
/// How often partitions are made ahead.
const PARTITIONS_EVERY: Duration = Duration::from_mins(1);

/// A writer that leads and reads.
#[derive(Debug)]
pub(crate) struct Session<'a> {
    context: &'a StreamContext,
    store: StreamStore,
    reader: FrameReader,
    position: Position,
    commit_not_before: Instant,
    partitions_at: Instant,
    /// When it was last seen that this writer leads.
    led_at: Instant,
    activity: Arc<DayActivity>,
    /// Told when events were stored.
    happened: Arc<Notify>,
    /// Of a logged stream.
    deriving: Option<Deriving>,
    /// Where rows go that another shard decides.
    sender: Sender,
    map: watch::Receiver<Option<Arc<ShardMap>>>,
    /// The last map by which it was looked where derived facts go.
    places_by: Epoch,
    /// When that may be tried again.
    places_at: Instant,
}

/// What a session has to do next.
enum Next {
    /// Commit these. None came within a beat, where there are none.
    Batch(Vec<IndexedFrame>),
    /// Note what was derived.
    Notes,
}

impl<'a> Session<'a> {
    /// Takes the lead, waiting for it as a standby, and starts to read behind the stored position.
    pub(crate) async fn open(context: &'a StreamContext) -> Result<Self, Failure> {
        let stream = context.of;
        let addresses = context.addresses.borrow().clone();
        let mut store = StreamStore::open(&addresses, stream, context.store.clone()).await?;
        while !store.try_lead().await? {
            if context.status.set(State::Standby, None) {
                info!("another writer leads, standing by");
            }
            if let Some(stored) = store.position().await? {
                context.status.stored(&stored);
            }
            sleep(STANDBY_POLL).await;
        }
        let stored = begin(context, &mut store).await?;
        store.make_partitions_ahead(Timestamp::now()).await?;
        let deriving = derive(context, &mut store, stored.position).await?;
        let (stored, reader) = match read(context, &mut store, stored.clone()).await {
            Ok(read) => read,
            Err(failure) => {
                settle(&mut store, deriving.as_ref(), stored.position, &failure).await;
                return Err(failure);
            }
        };
        let map = map_of(&context.log).await;
        let mut followed = context.log.map();
        // What came between the two is seen, too.
        followed.mark_changed();
        store.know_units(map, stored.position.incarnation).await?;
        context.status.stored(&stored);
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
            happened: Arc::default(),
            deriving,
            sender: Sender::default(),
            map: followed,
            places_by: Epoch::default(),
            places_at: now,
        };
        session.beat().await;
        context.status.set(State::Draining, None);
        info!(position = %stored.position, "draining");
        Ok(session)
    }

    /// What merges partitions, and indexes them by status, for as long as the session lasts.
    pub(crate) fn upkeep(&self) -> impl Future<Output = ()> + use<> {
        let StreamContext { of, merge_idle, .. } = *self.context;
        let merging = |lane| {
            let (address, activity) = (self.store.address().clone(), Arc::clone(&self.activity));
            Merging::new(lane, of.shard, address, activity, merge_idle).run()
        };
        let merges: Vec<_> = of.lanes().map(merging).collect();
        // The lane whose orders a stream's events are about.
        let lane = if of.kind == StreamKind::Logged { Lane::Orders } else { Lane::Views };
        let indexing = Indexing::new(lane, self.store.address().clone(), Arc::clone(&self.happened)).run();
        async move {
            join(join_all(merges), indexing).await;
        }
    }

    /// Drains until stopping begins. A commit that is under way then is finished.
    pub(crate) async fn drain(&mut self, stop: &CancellationToken, retries: &mut Retries) -> Result<(), Failure> {
        let outcome = self.commit_all(stop, retries).await;
        if let Err(failure) = &outcome {
            settle(&mut self.store, self.deriving.as_ref(), self.position, failure).await;
        }
        outcome
    }

    async fn commit_all(&mut self, stop: &CancellationToken, retries: &mut Retries) -> Result<(), Failure> {
        loop {
            let Some(next) = stop.run_until_cancelled(self.next(retries)).await else { return Ok(()) };
            let batch = match next? {
                Next::Batch(batch) => batch,
                Next::Notes => {
                    self.note().await?;
                    continue;
                }
            };
            // Under load as well: a writer that has lost the lead without noticing, and is the faster one, would keep the one
            // that has the lead from ever moving the position.
            if batch.is_empty() || self.led_at.elapsed() >= BEAT {
                self.look_after_the_lead().await?;
                self.look_after_the_stream()?;
            }
            if batch.is_empty() {
                self.beat().await;
            }
            self.send_parked().await?;
            self.follow_places().await?;
            self.clean().await?;
            let mut rest = batch;
            while !rest.is_empty() && !stop.is_cancelled() {
                rest = self.commit(rest).await?;
                retries.backoff.reset();
                retries.batch_size.in_time();
            }
            if self.partitions_at.elapsed() >= PARTITIONS_EVERY {
                self.store.make_partitions_ahead(Timestamp::now()).await?;
                self.store.forget_requests(Timestamp::now()).await?;
                self.partitions_at = Instant::now();
            }
        }
    }

    async fn next(&mut self, retries: &Retries) -> Result<Next, Failure> {
        let StreamContext { batch_rows, batch_bytes, .. } = *self.context;
        let (rows, bytes) = (retries.batch_size.of(batch_rows), retries.batch_size.of(batch_bytes));
        sleep_until(self.commit_not_before).await;
        let news = async {
            match &self.deriving {
                Some(deriving) => deriving.board().news().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            batch = self.reader.next_batch_within(rows, bytes, BEAT) => {
                Ok(Next::Batch(batch?.into_iter().map(indexed).collect()))
            }
            () = news => Ok(Next::Notes),
        }
    }

    /// Commits frames, or the first of them, with what was derived of those before, tells what that touched, and gives the rest.
    #[instrument(name = "commit", level = "error", skip_all, fields(behind = self.position.seq, position))]
    async fn commit(&mut self, frames: Vec<IndexedFrame>) -> Result<Vec<IndexedFrame>, Failure> {
        let (begun, before) = (Instant::now(), self.position);
        let stream = self.context.of;
        let last = frames.last().map_or(before.seq, |frame| frame.frame().seq);
        // Who owns a unit is part of every answer about it.
        let is_owner = frames.first().is_some_and(|frame| frame.owner().is_some());
        let touched = if is_owner { Touched::Everything } else { touched(&frames) };
        let parts = self.store.to_be_sent_on(&frames).await?;
        let sent = self.sender.send(&self.context.log, self.epoch(), parts).await;
        self.activity.begin(Days::of(&touched), before, Position { seq: last, ..before });
        let notes = self.deriving.as_ref().map(|deriving| deriving.board().notes()).unwrap_or_default();
        let committed = self.store.commit(&frames, before, &notes, &sent).await;
        let committed = committed.map_err(|error| Failure::of_commit(error, before))?;
        failpoint::AFTER_COMMIT.pass();
        self.activity.end(Instant::now(), &committed.restated);
        if [Lane::Events, Lane::ViewEvents].iter().any(|&lane| committed.rows[lane].stored > 0) {
            self.happened.notify_one();
        }
        self.position = committed.position;
        Span::current().record("position", display(committed.position));
        let derived = self.noted(notes);
        let now = Timestamp::now();
        let eventful = committed.eventful.iter().map(|of| &of.order);
        let touched = touched.and_orders(eventful.map(|order| (&order.tenant, &*order.customer_id, order.ordered_at)));
        let notice = Notice { stream, before, after: committed.position, committed_at: now, touched, derived };
        if !failpoint::NOTICE.pass() {
            self.announce(&notice).await;
        }
        failpoint::AFTER_NOTICE.pass();
        let mut frames = frames;
        let rest = frames.split_off(committed.frames);
        let figures = CommitFigures {
            bytes: frames.iter().map(|frame| frame.frame().payload.len() as u64).sum(),
            took: begun.elapsed(),
            age: frames.iter().filter_map(|frame| frame.frame().enqueued_at).min().map(|at| now.since(at)),
        };
        // What says whose units are is waited for, and followed by more.
        self.commit_not_before =
            if is_owner { Instant::now() } else { next_commit(begun, begun + figures.took, figures.age) };
        self.context.status.committed(&committed, figures);
        if !committed.dead.is_empty() {
            warn!(dead = ?committed.dead, "rows went to the dead letters");
        }
        committed.taken.iter().for_each(tell_of);
        if let Some(views) = &committed.views {
            info!(%views, "these views are in force");
        }
        debug!(rows = ?committed.rows, took = ?figures.took, "committed");
        if let Some(deriving) = &self.deriving {
            frames.extend(committed.unparked.iter().cloned());
            deriving.committed(frames, before, &committed).await;
        }
        Ok(rest)
    }

    /// Notes what was derived, where there is nothing to commit.
    async fn note(&mut self) -> Result<(), Failure> {
        let Some(deriving) = &self.deriving else { return Ok(()) };
        let notes = deriving.board().notes();
        if notes.is_empty() {
            self.beat().await;
            return Ok(());
        }
        failpoint::BEFORE_NOTED.pass();
        let begun = Instant::now();
        let noted = self.store.note_derived(self.position, &notes).await;
        self.commit_not_before = next_commit(begun, Instant::now(), None);
        noted.map_err(|error| Failure::of_commit(error, self.position))?;
        let derived = self.noted(notes);
        let notice = Notice { derived, ..Notice::heartbeat(self.context.of, self.position, Timestamp::now()) };
        self.announce(&notice).await;
        Ok(())
    }

    /// Notes stand in the database. Gives what there is to tell.
    fn noted(&self, notes: Vec<DerivedNote>) -> Vec<DerivedThrough> {
        let Some(deriving) = &self.deriving else { return Vec::new() };
        if notes.is_empty() {
            return Vec::new();
        }
        let targets: Vec<_> = notes.iter().map(|note| note.after.target).collect();
        deriving.board().noted(notes);
        let mut told = deriving.board().told();
        told.retain(|derived| targets.contains(&derived.target));
        told
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

    /// Whether the stream, as it was last looked at, is still the making that is read. One that has lost its tail is made another one by
    /// the source that finds it, and all that this reader had of it may be there.
    fn look_after_the_stream(&self) -> Result<(), Failure> {
        let (stream, expected) = (self.context.of, self.position.incarnation);
        match self.context.status.now().log.map(|log| log.incarnation) {
            Some(found) if found > expected => Err(ReadError::OtherIncarnation { stream, expected, found }.into()),
            _ => Ok(()),
        }
    }

    /// A sign of life: nothing was committed since the position.
    async fn beat(&self) {
        let derived = self.deriving.as_ref().map(|deriving| deriving.board().told()).unwrap_or_default();
        self.announce(&Notice { derived, ..Notice::heartbeat(self.context.of, self.position, Timestamp::now()) }).await;
    }

    /// Notices are chained, so one that is lost is noticed by those who need it.
    async fn announce(&self, notice: &Notice) {
        if let Err(error) = self.context.log.publish_notice(notice).await {
            debug!(%error, "a notice was not sent");
        }
    }
}

/// Derives what is committed already, where a stream stands still until somebody decides: what is stored is to be found.
async fn settle(store: &mut StreamStore, deriving: Option<&Deriving>, position: Position, failure: &Failure) {
    let Some(deriving) = deriving.filter(|_| failure.halts().is_some()) else { return };
    let board = deriving.board();
    let settled = async {
        while board.derived_seq(position) != Some(position.seq) {
            board.news().await;
            let notes = board.notes();
            if !notes.is_empty() && store.note_derived(position, &notes).await.is_err() {
                return;
            }
            board.noted(notes);
        }
    };
    if tokio::time::timeout(SETTLE_MAX, settled).await.is_err() {
        debug!("not everything that is stored was derived in time");
    }
}
