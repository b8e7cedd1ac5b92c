//! One supervised child process, of any kind: a server, or one of Forebay's own services.
//!
//! Each run of the program has a thread that spawns it and then waits for it. The kernel sends the parent-death signal
//! when the *thread* that spawned a child ends, so this thread lives exactly as long as the child, or as this process.

pub(crate) mod family;
pub(crate) mod program;
pub(crate) mod ready;
pub(crate) mod signal;
pub(crate) mod supervise;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use program::Program;
use ready::Ready;
use signal::Signal;

use crate::ports::{PortInUse, is_taken};

const POLL: Duration = Duration::from_millis(20);
const KILLED_WITHIN: Duration = Duration::from_secs(10);

/// A program, and how it is started, seen ready and stopped.
#[derive(Clone)]
pub struct Managed {
    /// What people call it: `NATS`, `ingest`.
    pub name: String,
    /// What to run.
    pub program: Program,
    /// Gets its standard output and standard error, appended.
    pub log: PathBuf,
    /// The port on 127.0.0.1 that it listens on, if any: a start is refused while another program has it.
    pub port: Option<u16>,
    /// How to see that it answers.
    pub ready: Ready,
    /// How long it may take until it answers.
    pub start_within: Duration,
    /// How it is asked to stop.
    pub stop_signal: Signal,
    /// How long it may take to stop before it is killed.
    pub stop_within: Duration,
    /// What it gets when this process dies without having stopped it.
    pub on_parent_death: Signal,
    /// Runs before every start: puts away what a killed run has left.
    pub before_start: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Managed {
    /// A program that is ready once `ready` says so, stops on SIGTERM within 25 s, and dies with its parent.
    pub fn new(name: impl Into<String>, program: Program, log: impl Into<PathBuf>, ready: Ready) -> Self {
        Self {
            name: name.into(),
            program,
            log: log.into(),
            port: None,
            ready,
            start_within: Duration::from_mins(1),
            stop_signal: Signal::Terminate,
            stop_within: Duration::from_secs(25),
            on_parent_death: Signal::Kill,
            before_start: None,
        }
    }

    /// Sets the port that it listens on.
    #[must_use]
    pub fn on_port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }
}

/// A handle on a started program; clones mean the same one. When the last handle goes, the program is killed.
#[derive(Clone)]
pub struct Process(Arc<Inner>);

struct Inner {
    managed: Managed,
    run: Mutex<Option<Running>>,
    /// Start and stop take turns.
    turn: tokio::sync::Mutex<()>,
    /// Whether it should be running: tells a death from a stop.
    wanted: AtomicBool,
}

#[derive(Clone)]
struct Running {
    pid: u32,
    exit: watch::Receiver<Option<ExitStatus>>,
}

impl Process {
    /// Starts the program and waits until it answers.
    ///
    /// # Errors
    /// [`PortInUse`] when another program has its port; otherwise what went wrong, with the end of its log.
    pub async fn start(managed: Managed) -> Result<Self> {
        let process = Self(Arc::new(Inner {
            managed,
            run: Mutex::new(None),
            turn: tokio::sync::Mutex::new(()),
            wanted: AtomicBool::new(false),
        }));
        process.ensure_started().await?;
        Ok(process)
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.0.managed.name
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.0.alive().map(|run| run.pid)
    }

    /// Whether it runs (a frozen one does).
    pub fn is_alive(&self) -> bool {
        self.pid().is_some()
    }

    /// Whether it should be running: false after [`Process::stop`].
    pub fn is_wanted(&self) -> bool {
        self.0.wanted.load(Ordering::SeqCst)
    }

    /// Waits until it does not run any more and says how it ended; at once, if it does not run.
    pub async fn exited(&self) -> Option<ExitStatus> {
        let mut run = self.0.current()?;
        run.exit.wait_for(Option::is_some).await.ok().and_then(|status| *status)
    }

    /// Starts it if it does not run, and waits until it answers.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn ensure_started(&self) -> Result<()> {
        let _turn = self.0.turn.lock().await;
        self.0.wanted.store(true, Ordering::SeqCst);
        if self.is_alive() { Ok(()) } else { self.launch().await }
    }

    /// Starts it if it died, unless somebody has stopped it meanwhile. Says whether it runs now.
    pub(crate) async fn revive(&self) -> Result<bool> {
        let _turn = self.0.turn.lock().await;
        if !self.is_wanted() {
            return Ok(false);
        }
        if !self.is_alive() {
            self.launch().await?;
        }
        Ok(true)
    }

    /// Stops it in order if it runs, then starts it and waits until it answers.
    ///
    /// # Errors
    /// As [`Process::start`].
    pub async fn restart(&self) -> Result<()> {
        self.stop().await;
        self.ensure_started().await
    }

    /// Asks it to stop, kills it if that takes too long, and waits until it is gone. Gives its last exit status.
    pub async fn stop(&self) -> Option<ExitStatus> {
        self.0.wanted.store(false, Ordering::SeqCst);
        let _turn = self.0.turn.lock().await;
        let run = self.0.alive()?;
        self.0.managed.stop_signal.send(run.pid);
        // A frozen process would never see the signal.
        family::thaw(run.pid);
        match tokio::time::timeout(self.0.managed.stop_within, self.exited()).await {
            Ok(status) => status,
            Err(_) => self.kill_and_wait().await,
        }
    }

    /// Kills it and all its children at once (SIGKILL), and waits until it is gone. It still counts as wanted.
    pub async fn kill(&self) {
        self.kill_and_wait().await;
    }

    /// Freezes it and all its children (SIGSTOP).
    pub fn pause(&self) {
        if let Some(pid) = self.pid() {
            family::freeze(pid);
        }
    }

    /// Lets it and its children go on (SIGCONT).
    pub fn resume(&self) {
        if let Some(pid) = self.pid() {
            family::thaw(pid);
        }
    }

    async fn kill_and_wait(&self) -> Option<ExitStatus> {
        let run = self.0.alive()?;
        family::kill_all(run.pid);
        tokio::time::timeout(KILLED_WITHIN, self.exited()).await.ok().flatten()
    }

    async fn launch(&self) -> Result<()> {
        let managed = &self.0.managed;
        let log_start = std::fs::metadata(&managed.log).map_or(0, |meta| meta.len());
        let run = spawn(managed.clone()).await?;
        *self.0.lock_run() = Some(run.clone());
        let outcome = self.wait_until_ready(&run, log_start).await;
        if outcome.is_err() {
            self.kill_and_wait().await;
        }
        outcome
    }

    async fn wait_until_ready(&self, run: &Running, log_start: u64) -> Result<()> {
        let managed = &self.0.managed;
        let deadline = Instant::now() + managed.start_within;
        loop {
            let answer = managed.ready.ask(run.pid).await;
            let exit = *run.exit.borrow();
            if let Some(status) = exit {
                return Err(self.explain_exit(status, log_start));
            }
            let Err(reason) = answer else { return Ok(()) };
            ensure!(self.is_wanted(), "{} was stopped while it started", managed.name);
            if Instant::now() > deadline {
                let log = log_tail(managed, log_start);
                bail!("{} was not ready after {:?}: {reason:#}{log}", managed.name, managed.start_within);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    fn explain_exit(&self, status: ExitStatus, log_start: u64) -> anyhow::Error {
        let managed = &self.0.managed;
        match managed.port {
            Some(port) if is_taken(port) => PortInUse { name: managed.name.clone(), port }.into(),
            _ => anyhow!("{} ended while it started ({status}){}", managed.name, log_tail(managed, log_start)),
        }
    }
}

impl Inner {
    fn lock_run(&self) -> std::sync::MutexGuard<'_, Option<Running>> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn current(&self) -> Option<Running> {
        self.lock_run().clone()
    }

    fn alive(&self) -> Option<Running> {
        self.current().filter(|run| run.exit.borrow().is_none())
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let Some(run) = self.alive() else { return };
        family::kill_all(run.pid);
        let deadline = std::time::Instant::now() + KILLED_WITHIN;
        while run.exit.borrow().is_none() && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// Spawns the program from a thread of its own, which stays until the program has ended.
async fn spawn(managed: Managed) -> Result<Running> {
    let (started, start) = oneshot::channel();
    let (ended, exit) = watch::channel(None);
    let name = managed.name.clone();
    std::thread::Builder::new()
        .name(format!("wait {name}"))
        .spawn(move || match spawn_here(&managed) {
            Err(error) => drop(started.send(Err(error))),
            Ok(mut child) => {
                if started.send(Ok(child.id())).is_err() {
                    // The caller has given up meanwhile, and nothing else knows of it.
                    family::kill_all(child.id());
                }
                let status = child.wait().unwrap_or_default();
                ended.send_replace(Some(status));
            }
        })
        .with_context(|| format!("cannot start a thread for {name}"))?;
    let pid = start.await.with_context(|| format!("the thread that starts {name} failed"))??;
    Ok(Running { pid, exit })
}

fn spawn_here(managed: &Managed) -> Result<std::process::Child> {
    let name = &managed.name;
    if let Some(prepare) = &managed.before_start {
        prepare();
    }
    if let Some(port) = managed.port.filter(|&port| is_taken(port)) {
        return Err(PortInUse { name: name.clone(), port }.into());
    }
    let log = File::options().create(true).append(true).open(&managed.log);
    let log = log.with_context(|| format!("cannot write the log {}", managed.log.display()))?;
    let mut command = managed.program.tied_command(managed.on_parent_death, log)?;
    command.spawn().with_context(|| format!("cannot start {name} (with setpriv, of the package util-linux)"))
}

/// The last lines that the program has written since it was started, each on a line of its own.
fn log_tail(managed: &Managed, from: u64) -> String {
    let mut text = Vec::new();
    if let Ok(mut file) = File::open(&managed.log) {
        let _ = file.seek(SeekFrom::Start(from)).and_then(|_| file.read_to_end(&mut text));
    }
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n  ");
    if last.is_empty() { format!("; its log {} is empty", managed.log.display()) } else { format!(":\n  {last}") }
}
