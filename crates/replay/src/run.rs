//! A run from its beginning to its end.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Error, Result};
use forebay_model::OrderParser;
use forebay_service::Shutdown;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Mutex, Semaphore, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::chunk::ChunkSize;
use crate::delivery::client::Client;
use crate::delivery::courier::Courier;
use crate::delivery::outage::Trouble;
use crate::delivery::rate::Pace;
use crate::ledger::opening::Books;
use crate::ledger::summary::Ending;
use crate::ledger::{Ended, Ledger, SAVE_EVERY};
use crate::screen::Screen;
use crate::settings::Settings;
use crate::source::feeder::{Feeder, Handed, Skip};
use crate::source::input::Input;
use crate::source::plan::Plan;
use crate::worker::{Failure, Member, Work};

/// Bytes of a request. Larger ones gain nothing, and more would have to be sent again after a lost connection.
const CHUNK_BYTES: usize = 4 * 1024 * 1024;
/// Records of a request.
const CHUNK_RECORDS: usize = 20_000;
/// How many chunks per connection files are read ahead of what is acknowledged without a gap.
const AHEAD: usize = 4;
/// How far ahead of now an order's time may lie in a dry run: what ingest allows if nothing else is said.
const AHEAD_MAX_US: i64 = 86_400_000_000;
/// How long answers are waited for when the run is interrupted.
const GRACE: Duration = Duration::from_secs(10);

/// What a run works with.
struct Run {
    settings: Settings,
    plan: Plan,
    screen: Screen,
    shutdown: Shutdown,
    failure: Failure,
}

/// What a run has come to.
pub(super) struct Outcome {
    pub(super) ledger: Ledger,
    pub(super) ending: Ending,
    /// For each file, how many records an earlier run had sent.
    pub(super) resumed: Vec<u64>,
}

/// Runs until everything is delivered, or nothing more can be.
pub(super) async fn run(settings: Settings, plan: Plan) -> Result<Outcome> {
    let bytes = plan.inputs.iter().map(Input::bytes).sum::<Option<u64>>();
    let run =
        Run { settings, plan, screen: Screen::new(bytes), shutdown: Shutdown::new(), failure: Failure::default() };
    let Books { mut ledger, skip, resumed } = Books::open(&run.settings, &run.plan, &run.screen)?;
    let (interrupted, watching) = run.watch_signals()?;
    let worked = run.work(&mut ledger, skip).await;
    // Whoever goes on after the run has signals of its own.
    watching.abort();
    let unread = worked?;
    run.screen.close();
    let failure = run.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(error) = &failure {
        run.screen.say(&format!("{error:#}"));
    }
    let ending = if interrupted.is_cancelled() && !ledger.is_complete() {
        Ending::Interrupted
    } else if failure.is_some() || unread > 0 || !ledger.is_complete() {
        Ending::Undelivered
    } else if ledger.total.rejected > 0 {
        Ending::SomeRejected
    } else {
        Ending::Accepted
    };
    if ledger.is_complete() {
        ledger.forget();
    }
    Ok(Outcome { ledger, ending, resumed })
}

impl Run {
    /// Delivers the files. Gives how many of them could not be read to their end.
    async fn work(&self, ledger: &mut Ledger, skip: Vec<Skip>) -> Result<usize> {
        let connections = usize::from(self.settings.connections);
        let pace = Pace::new(self.settings.rate);
        let size = ChunkSize { records: pace.orders_per_request(CHUNK_RECORDS), bytes: CHUNK_BYTES };
        let (chunks, handed) = mpsc::channel(connections);
        let (ended, mut booking) = mpsc::channel(connections);
        self.start_crew(connections, pace, handed, &ended)?;
        drop(ended);
        let feeder = Feeder {
            plan: self.plan.clone(),
            skip,
            size,
            chunks,
            ahead: Arc::new(Semaphore::new(connections * AHEAD)),
            shutdown: self.shutdown.clone(),
            screen: self.screen.clone(),
            handle: Handle::current(),
        };
        let unread = start_feeder(feeder)?;
        loop {
            let booked = match tokio::time::timeout(SAVE_EVERY, booking.recv()).await {
                Ok(Some(ended)) => ledger.book(ended),
                Ok(None) => break,
                Err(_) => ledger.save_if_due(),
            };
            if let Err(error) = booked {
                self.fail(error);
            }
        }
        if let Err(error) = ledger.close() {
            self.fail(error);
        }
        // A feeder that waits for slow standard input is not waited for.
        Ok(self.shutdown.soft().run_until_cancelled(unread).await.and_then(Result::ok).unwrap_or(0))
    }

    fn start_crew(
        &self,
        connections: usize,
        pace: Pace,
        handed: mpsc::Receiver<Handed>,
        ended: &mpsc::Sender<Ended>,
    ) -> Result<()> {
        let work = self.work_of_crew(pace)?;
        let chunks = Arc::new(Mutex::new(handed));
        let is_file: Arc<[bool]> = self.plan.inputs.iter().map(|input| input.bytes().is_some()).collect();
        for _ in 0..connections {
            let member = Member {
                work: work.clone(),
                chunks: Arc::clone(&chunks),
                ended: ended.clone(),
                failure: Arc::clone(&self.failure),
                shutdown: self.shutdown.clone(),
                is_file: Arc::clone(&is_file),
            };
            tokio::spawn(member.run());
        }
        Ok(())
    }

    fn work_of_crew(&self, pace: Pace) -> Result<Work> {
        let Settings { to, token, views, dry_run, give_up, .. } = &self.settings;
        let parser = OrderParser::new(views.clone(), AHEAD_MAX_US);
        if *dry_run {
            return Ok(Work::Check(parser));
        }
        Ok(Work::Deliver(Courier {
            client: Client::new(to, token.clone())?,
            pace: Arc::new(pace),
            trouble: Arc::new(Trouble::new(self.screen.clone(), *give_up)),
            parser,
            shutdown: self.shutdown.clone(),
        }))
    }

    fn fail(&self, error: Error) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        self.shutdown.start();
    }

    /// The first signal stops the run once the answers to what was sent are there, the second one at once. The token says
    /// whether one has come.
    fn watch_signals(&self) -> Result<(CancellationToken, JoinHandle<()>)> {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let (shutdown, screen) = (self.shutdown.clone(), self.screen.clone());
        let interrupted = CancellationToken::new();
        let told = interrupted.clone();
        let watching = tokio::spawn(async move {
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            told.cancel();
            shutdown.start();
            screen.say("stopping, once what was sent is answered (again to stop at once)");
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
                () = tokio::time::sleep(GRACE) => {}
            }
            shutdown.force();
        });
        Ok((interrupted, watching))
    }
}

fn start_feeder(feeder: Feeder) -> Result<oneshot::Receiver<usize>> {
    let (tell, unread) = oneshot::channel();
    std::thread::Builder::new().name("read".to_owned()).spawn(move || tell.send(feeder.run()))?;
    Ok(unread)
}
