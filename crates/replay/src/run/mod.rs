//! A run from its beginning to its end: it delivers the files, and waits until it is decided what became of them.

mod watch;

use std::convert::Infallible;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context, Error, Result};
use forebay_service::Shutdown;
use tokio::runtime::Handle;
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::check::Checker;
use crate::chunk::{ChunkSize, LineSpan};
use crate::delivery::outage::Outage;
use crate::delivery::rate::RateLimit;
use crate::delivery::sender::Sender;
use crate::event::{Event, Tell};
use crate::fate::ask::Asker;
use crate::fate::lines;
use crate::journal::start::JournalStart;
use crate::journal::state::StateDir;
use crate::journal::summary::{Ending, Summary};
use crate::journal::{Ended, Journal, SAVE_EVERY};
use crate::report::Reporting;
use crate::settings::Settings;
use crate::source::input::Input;
use crate::source::plan::Plan;
use crate::source::reader::{Handed, Reader};
use crate::source::skip::Skip;
use crate::worker::{Failure, Work, Worker};
use watch::Watch;

/// Bytes of a request. Larger ones gain nothing, and more would have to be sent again after a lost connection.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Records of a request.
const CHUNK_RECORDS: usize = 20_000;
/// How many chunks per connection files are read ahead of what is acknowledged without a gap.
const AHEAD: usize = 3;
/// How long answers are waited for when the run is interrupted.
const GRACE: Duration = Duration::from_secs(10);

/// What a run works with.
struct Replay {
    settings: Settings,
    plan: Plan,
    tell: Tell,
    shutdown: Shutdown,
    failure: Failure,
    reporting: Reporting,
}

/// Sends the files, until everything is delivered or nothing more can be. When `interrupt` starts, it stops once what was sent
/// is answered, or after a while; when that is forced, at once.
///
/// # Errors
/// One sentence about what is wrong before anything is sent; what happens later is told, and stands in the summary.
pub async fn run(settings: Settings, tell: Tell, interrupt: Shutdown) -> Result<Summary> {
    let plan = Plan::new(&settings, StateDir::find(settings.state_dir.clone()).path())?;
    run_plan(settings, plan, tell, interrupt).await
}

/// Sends what is planned.
///
/// # Errors
/// As for [`run`].
pub(crate) async fn run_plan(settings: Settings, plan: Plan, tell: Tell, interrupt: Shutdown) -> Result<Summary> {
    let is_part = plan.inputs.iter().any(|input| input.window().is_some());
    tell(Event::Begins { bytes: plan.inputs.iter().map(Input::bytes).sum() });
    let replay = Replay {
        settings,
        plan,
        tell,
        shutdown: Shutdown::new(),
        failure: Failure::default(),
        reporting: Reporting::default(),
    };
    let JournalStart { mut journal, skip, resumed } = JournalStart::new(&replay.settings, &replay.plan, &replay.tell)?;
    let unread = tokio::select! {
        unread = replay.work(&mut journal, skip) => unread?,
        never = replay.stop_on(&interrupt) => match never {},
    };
    let waits = replay.settings.query.is_some() && !replay.settings.dry_run;
    let failure = replay.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(error) = &failure {
        (replay.tell)(Event::Failed { what: format!("{error:#}") });
    }
    let is_delivered = failure.is_none() && unread == 0 && journal.is_complete();
    let is_decided = !waits || journal.undecided() == 0;
    let ending = match () {
        () if interrupt.is_started() && !(journal.is_complete() && is_decided) => Ending::Interrupted,
        () if !is_delivered => Ending::Undelivered,
        () if !is_decided => Ending::Undecided,
        () if journal.has_losses() => Ending::RejectedOrDead,
        () if waits => Ending::Stored,
        () => Ending::Accepted,
    };
    if journal.is_complete() && journal.open_records() == 0 && !is_part {
        journal.forget();
    }
    let places = if waits { Some(replay.places(&journal).await) } else { None };
    let mut summary = Summary::new(&journal, ending, &replay.settings, &resumed, places.as_deref());
    if replay.settings.dry_run {
        let files: Vec<String> = replay.plan.inputs.iter().map(Input::name).collect();
        summary.report = Some(replay.reporting.report(&files)?);
    }
    Ok(summary)
}

impl Replay {
    /// Delivers the files. Gives how many of them could not be read to their end.
    async fn work(&self, journal: &mut Journal, skip: Vec<Skip>) -> Result<usize> {
        let connections = usize::from(self.settings.connections);
        let rate = RateLimit::new(self.settings.rate);
        let size = chunk_size(&rate);
        let mut watch = Watch::new(self.asker()?, Tell::clone(&self.tell));
        let (chunks, handed) = mpsc::channel(connections);
        let (ended, mut booking) = mpsc::channel(connections);
        let mut workers = self.start_workers(connections, rate, handed, &ended)?;
        drop(ended);
        let reader = Reader {
            plan: self.plan.clone(),
            skip,
            size,
            chunks,
            ahead: Arc::new(Semaphore::new(connections * AHEAD)),
            shutdown: self.shutdown.clone(),
            tell: Tell::clone(&self.tell),
            handle: Handle::current(),
        };
        let unread = start_reader(reader)?;
        loop {
            let booked = tokio::select! {
                told = watch.told(journal.oldest_open()) => {
                    watch.note(told, journal);
                    Ok(())
                }
                // What a dead worker had in hand is never booked, and reading ahead would wait for it for ever.
                Some(left) = workers.join_next() => left.context("a connection's task died"),
                ended = booking.recv() => match ended {
                    Some(ended) => journal.take_in(ended),
                    None => break,
                },
                () = until(journal.save_at()) => journal.save_if_due(),
            };
            if let Err(error) = booked {
                self.fail(error);
            }
        }
        if journal.is_complete() {
            self.wait_for_fates(&mut watch, journal).await;
        }
        if let Err(error) = journal.close() {
            self.fail(error);
        }
        // A reader that waits for slow standard input is not waited for.
        Ok(self.shutdown.soft().run_until_cancelled(unread).await.and_then(Result::ok).unwrap_or(0))
    }

    /// Waits until it is decided what became of every order, or nobody tells.
    async fn wait_for_fates(&self, watch: &mut Watch, journal: &mut Journal) {
        let mut due = Instant::now() + SAVE_EVERY;
        while watch.is_asking() && journal.open_records() > 0 {
            tokio::select! {
                told = watch.told(journal.oldest_open()) => watch.note(told, journal),
                () = tokio::time::sleep_until(due) => {
                    due += SAVE_EVERY;
                    (self.tell)(Event::Waits { records: journal.open_records() });
                    if let Err(error) = journal.save_if_due() {
                        return self.fail(error);
                    }
                }
                () = self.shutdown.soft().cancelled() => return,
            }
        }
    }

    /// The places of dead orders, for each file.
    async fn places(&self, journal: &Journal) -> Vec<Vec<Vec<LineSpan>>> {
        let size = chunk_size(&RateLimit::new(self.settings.rate));
        let mut places = Vec::new();
        for (file, account) in journal.accounts.iter().enumerate() {
            places.push(lines::find(&self.plan, file, account.known.first_dead(), size).await);
        }
        places
    }

    /// Who asks what became of the orders, where that is wanted.
    fn asker(&self) -> Result<Option<Asker>> {
        let Settings { query, give_up, dry_run, .. } = &self.settings;
        if *dry_run || query.is_none() {
            return Ok(None);
        }
        Ok(Some(Asker::new(self.settings.client()?, Tell::clone(&self.tell), *give_up)))
    }

    fn start_workers(
        &self,
        connections: usize,
        rate: RateLimit,
        handed: mpsc::Receiver<Handed>,
        ended: &mpsc::Sender<Ended>,
    ) -> Result<JoinSet<()>> {
        let mut workers = JoinSet::new();
        let work = self.work_of_workers(rate)?;
        let chunks = Arc::new(Mutex::new(handed));
        let can_be_read_again: Arc<[bool]> = self.plan.inputs.iter().map(Input::has_places).collect();
        for _ in 0..connections {
            let worker = Worker {
                work: work.clone(),
                chunks: Arc::clone(&chunks),
                ended: ended.clone(),
                failure: Arc::clone(&self.failure),
                shutdown: self.shutdown.clone(),
                can_be_read_again: Arc::clone(&can_be_read_again),
            };
            workers.spawn(worker.run());
        }
        Ok(workers)
    }

    fn work_of_workers(&self, rate: RateLimit) -> Result<Work> {
        let Settings { kind, views, dry_run, give_up, .. } = &self.settings;
        let checker = Checker::new(*kind, views.clone())?;
        if *dry_run {
            return Ok(Work::Check(Box::new(checker), self.reporting.clone()));
        }
        Ok(Work::Deliver(Box::new(Sender {
            client: self.settings.client()?,
            run: run_number(),
            rate: Arc::new(rate),
            outage: Arc::new(Outage::new(Tell::clone(&self.tell), *give_up)),
            kind: *kind,
            checker,
            shutdown: self.shutdown.clone(),
        })))
    }

    fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.shutdown.start();
    }

    /// Stops when it is interrupted.
    async fn stop_on(&self, interrupt: &Shutdown) -> Infallible {
        interrupt.soft().cancelled().await;
        self.shutdown.start();
        (self.tell)(Event::Stopping);
        interrupt.hard().run_until_cancelled(tokio::time::sleep(GRACE)).await;
        self.shutdown.force();
        std::future::pending().await
    }
}

/// Waits until then; for ever, where there is nothing to wait for.
async fn until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// A number that no other run has.
fn run_number() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

fn chunk_size(rate: &RateLimit) -> ChunkSize {
    ChunkSize { records: rate.orders_per_request(CHUNK_RECORDS), bytes: CHUNK_BYTES }
}

fn start_reader(reader: Reader) -> Result<oneshot::Receiver<usize>> {
    let (tell, unread) = oneshot::channel();
    std::thread::Builder::new().name("read".to_owned()).spawn(move || tell.send(reader.run()))?;
    Ok(unread)
}
