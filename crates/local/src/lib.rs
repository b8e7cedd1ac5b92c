//! `forebay up` and `forebay down`: the local system.
//!
//! `up` owns everything that it starts: servers and services are its children, in process groups of their own, and die
//! with it, however it ends. It stops them in the order in which nothing accepted can be lost: ingest and query, then the
//! writer, then the servers.
//!
//! | module | concept |
//! |---|---|
//! | [`args`] | what they can be told |
//! | `services` | the three services as processes |
//! | `sample` | the sample of orders |
//! | `halted` | streams that stand still |
//! | `figures` | how many orders the shards hold |
//! | `read_back` | some of the sample, read as any client would |
//! | `report` | what is told once everything runs |
//! | `error_log` | errors in the services' logs |
//! | `detach` | the system in the background |
//! | `secure` | what is different where servers and services ask who comes |
//! | `down` | how it is stopped |

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod args;
mod detach;
mod down;
mod error_log;
mod figures;
mod halted;
mod read_back;
mod report;
mod sample;
mod secure;
mod services;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use forebay_admin::members::{self, NewMember};
use forebay_admin::migrate;
use forebay_admin::room::free_bytes;
use forebay_admin::system::System;
use forebay_log::{Log, LogArgs, MapError};
use forebay_model::ShardMap;
use forebay_replay::RecordKind;
use forebay_service::BadSetting;
use forebay_service::settings::units::ByteSize;
use forebay_shard::{ShardAddresses, ShardArgs, ShardList, Tally};
use forebay_stack::{Change, Process, ServiceName, Stack, StackConfig, supervise};
use forebay_terminal::{note, out};
use tokio::signal::unix::{Signal, SignalKind, signal};

pub use args::{DownArgs, UpArgs};
pub use down::run as down;

use error_log::Followed;
use halted::Writer;
use read_back::ReadBack;
use report::Shown;
use sample::Sample;

/// How long the shards may take to hold the sample.
const SAMPLE_WITHIN: Duration = Duration::from_mins(2);

/// Nothing is written over, or deleted, where somebody keeps files of another kind.
fn refuse_home_of_others(home: &Path) -> Result<(), BadSetting> {
    if !forebay_stack::is_of_others(home) {
        return Ok(());
    }
    Err(BadSetting::new(format!(
        "--home {}: there are files, and no Forebay was ever started there; it needs a directory of its own",
        home.display()
    )))
}

/// Starts everything and runs until it is told to stop.
///
/// # Errors
/// One sentence about what is missing or in the way.
pub async fn up(args: UpArgs) -> Result<ExitCode> {
    let home = absolute(&args.home.dir)?;
    if let Some(pid) = forebay_stack::owner(&home) {
        bail!("Forebay is running in {} already (process {pid}): `forebay down` stops it", home.display());
    }
    refuse_home_of_others(&home)?;
    if !args.secure && secure::variables_path(&home).exists() {
        return Err(BadSetting::new(secure::left_open(&home)).into());
    }
    let args = args.with_shards(forebay_stack::postgres_found(&home)).map_err(BadSetting::new)?;
    services::check_ports(&args)?;
    forebay_stack::claim(&home)?;
    if args.detach && !args.in_background {
        return detach::start_in_background(&home).await;
    }
    let args = if args.secure {
        secure::trust(&home)?;
        secure::with_clients(args, &home)?
    } else {
        args
    };
    let mut signals = Signals::new(args.in_background)?;
    let mut system = tokio::select! {
        system = LocalSystem::start(&args, &home) => system?,
        code = signals.next() => return Ok(ExitCode::from(code)),
    };
    let told = tokio::select! {
        told = system.show(&args, &home) => told,
        code = signals.next() => {
            system.stop().await;
            return Ok(ExitCode::from(code));
        }
    };
    match told {
        Ok(text) => tell(&args, &home, &text)?,
        Err(error) => {
            system.stop().await;
            return Err(error);
        }
    }
    tokio::select! {
        () = system.watch_over() => {}
        _ = signals.next() => {}
    }
    note!("stopping");
    let _ = std::fs::remove_file(detach::report_path(&home));
    tokio::select! {
        () = system.stop() => note!("stopped; the data stays in {}", home.display()),
        _ = signals.next() => note!("stopped at once; what was accepted is in the log, and the next start goes on with it"),
    }
    Ok(ExitCode::SUCCESS)
}

/// Servers and services.
struct LocalSystem {
    // Dropped in this order: services before the servers that they stand on.
    services: Vec<Process>,
    stack: Stack,
    /// The services' logs, from where they were started on.
    logs: Vec<Followed>,
}

impl LocalSystem {
    async fn start(args: &UpArgs, home: &Path) -> Result<Self> {
        let ports = args.postgres_ports.0.clone();
        note!("starting {} Postgres shards, NATS and Redis", ports.len());
        let config = StackConfig::new(home, ports, args.nats_port, args.redis_port);
        let stack = Stack::start(StackConfig { secured: args.secure, ..config }).await?;
        if let Err(error) = found(args, home, &stack).await {
            stack.stop().await;
            return Err(error);
        }
        note!("starting writer, ingest and query");
        let follow = |service: ServiceName| Followed::from_end(service.as_str(), stack.log(service.as_str()));
        let logs = ServiceName::STARTING.map(follow).into();
        match services::start(args, &stack, home).await {
            Ok(services) => Ok(Self { services, stack, logs }),
            Err(error) => {
                stack.stop().await;
                Err(error)
            }
        }
    }

    /// Replays the sample, reads some of it back, and gives the report.
    async fn show(&self, args: &UpArgs, home: &Path) -> Result<String> {
        let shown = if args.sample == 0 {
            Shown::Nothing
        } else {
            note!("replaying the sample");
            match self.replay_sample(args, home).await {
                Ok(shown) => Shown::Sample(Box::new(shown)),
                // The operator needs the servers to decide how to go on, and the other streams go on meanwhile.
                Err(error) => Shown::Halted(error.downcast()?),
            }
        };
        Ok(report::render(args, &self.stack, home, &shown))
    }

    async fn replay_sample(&self, args: &UpArgs, home: &Path) -> Result<(Sample, ReadBack)> {
        let system = system_on(args, &self.stack)?;
        let log = system.connect_log().await?;
        let writer = Writer::new(&services::url(ServiceName::Writer, args), args.token.clone())?;
        let files = sample::make(home, args.sample)?;
        let before = figures::when_drained(&system, &log, &writer, SAMPLE_WITHIN).await?;
        let started = Instant::now();
        let send = async |kind, path| {
            sample::send(home, kind, path, services::url(ServiceName::Ingest, args), args.token.clone()).await
        };
        let orders = send(RecordKind::Orders, &files.orders).await?;
        let events = send(RecordKind::Events, &files.events).await?;
        let took = started.elapsed();
        let after = figures::when_drained(&system, &log, &writer, SAMPLE_WITHIN).await?;
        let added = Tally {
            stored: after.stored.saturating_sub(before.stored),
            duplicate: after.duplicate.saturating_sub(before.duplicate),
            dead: after.dead.saturating_sub(before.dead),
            ..Tally::default()
        };
        let ends = sample::ends(&files.orders)?;
        let back = read_back::read_back(&services::url(ServiceName::Query, args), args.token.as_deref(), &ends).await?;
        Ok((Sample { files, orders, events, took, added, ends }, back))
    }

    /// Starts again what dies, says so, and passes on what services complain about.
    async fn watch_over(&mut self) {
        let processes = [self.services.clone(), self.stack.processes()].concat();
        tokio::join!(supervise(processes, say), error_log::pass_on(&mut self.logs));
    }

    async fn stop(&self) {
        services::stop(&self.services).await;
        self.stack.stop().await;
    }
}

/// Makes the system where there is none. Where there is one, what is said of it must be so. The services are told nothing of it: it
/// may change while they run, and whatever dies is started again.
async fn found(args: &UpArgs, home: &Path, stack: &Stack) -> Result<()> {
    let map = migrate_all(args, stack).await?;
    say_room(&system_on(args, stack)?.connect_log().await?, &map, home).await;
    if let Some(secrets) = stack.secrets() {
        let urls = [ServiceName::Ingest, ServiceName::Query].map(|service| services::url(service, args));
        secure::leave_variables(args, urls, stack, secrets, home)?;
    }
    Ok(())
}

/// Makes the system on the servers where there is none. Where there is one, the map is told where its shards are now, and servers that it does not
/// have are added to it.
async fn migrate_all(args: &UpArgs, stack: &Stack) -> Result<Arc<ShardMap>> {
    let (log, all) = (log_on(args, stack), shards_on(stack)?);
    let known = match Log::connect(log.settings()?).await?.read_map().await {
        Ok(map) => usize::from(map.next_shard().0),
        Err(MapError::Absent) => all.len(),
        Err(error) => return Err(error.into()),
    };
    let there = ShardArgs { shards: Some(all.first(known)) };
    let (system, map) = migrate::found(log, &there, &args.founding).await?;
    let is_elsewhere = |shard, addresses: &ShardAddresses| {
        map.member(shard).is_none_or(|member| member.addresses != addresses.for_map())
    };
    // The server of a shard that was removed runs on, and is nobody's.
    let there = all.iter().filter(|(shard, _)| map.gone(*shard).is_none());
    let changed: Vec<_> = there.filter(|&(shard, addresses)| is_elsewhere(shard, addresses)).collect();
    if !changed.is_empty() {
        // Of a first start that was cut off they may be missing, and what is done is recorded in them.
        migrate::tables(&system, &|_| ()).await?;
    }
    for (shard, addresses) in changed {
        if map.has(shard) {
            let change = members::Change { addresses: Some(addresses.clone()), labels: Vec::new() };
            members::set(&system, shard, &change).await?;
        } else {
            note!("adding shard {shard}");
            members::add(&system, &NewMember { addresses: addresses.clone(), labels: Vec::new() }, &|_| ()).await?;
        }
    }
    system.map(&system.connect_log().await?).await
}

/// The system that runs on these servers.
fn system_on(args: &UpArgs, stack: &Stack) -> Result<System> {
    Ok(System { log: log_on(args, stack), shards: shards_on(stack)? })
}

fn log_on(args: &UpArgs, stack: &Stack) -> LogArgs {
    let security = stack.secrets().map(secure::of_log).unwrap_or_default();
    LogArgs { nats: stack.nats_url(), log_prefix: args.log_prefix.clone(), security }
}

fn shards_on(stack: &Stack) -> Result<ShardList> {
    stack.shards().parse().context("the addresses of the shards")
}

/// Says where the streams may become larger than the disk lets them.
async fn say_room(log: &Log, map: &ShardMap, home: &Path) {
    let used = log.room().await.map_or(0, |room| room.used);
    let promised = map.log_bytes_max();
    // It may have a disk of its own.
    if let Some(free) =
        free_bytes(&home.join("servers").join("nats")).filter(|free| free.saturating_add(used) < promised)
    {
        let (promised, free, home) = (ByteSize::b(promised), ByteSize::b(free), home.display());
        note!(
            "the log may become {promised}, and {free} are free for it in {home}: a full disk would stop it. \
             Make room, or `forebay settings set stream-bytes-max=…`"
        );
    }
}

fn say(change: Change) {
    match change {
        Change::Died { name, status: Some(status) } => note!("{name} has died ({status}); starting it again"),
        Change::Died { name, status: None } => note!("{name} has died; starting it again"),
        Change::Restarted { name } => note!("{name} runs again"),
        Change::Failed { name, error } => note!("{name} could not be started: {error:#}; trying again"),
    }
}

fn tell(args: &UpArgs, home: &Path, text: &str) -> Result<()> {
    let text = format!("{text}{}", report::how_to_stop(args));
    if args.in_background {
        return detach::leave_report(home, &text);
    }
    out!("{text}")?;
    Ok(())
}

/// The path from the root: it is printed, and a child may work elsewhere.
fn absolute(dir: &Path) -> Result<PathBuf> {
    std::path::absolute(dir).with_context(|| format!("cannot use the directory {}", dir.display()))
}

/// Signals that stop it.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
    in_background: bool,
}

impl Signals {
    fn new(in_background: bool) -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            in_background,
        })
    }

    /// Waits for one, and gives the exit code that goes with it. In the background the end of a terminal does not count.
    async fn next(&mut self) -> u8 {
        loop {
            tokio::select! {
                _ = self.interrupt.recv() => return 130,
                _ = self.terminate.recv() => return 143,
                _ = self.hangup.recv() => if !self.in_background { return 129 },
            }
        }
    }
}
