//! A system under load, and what is noted about it while faults are done to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Result;
use forebay_api::streams::DrainState;
use forebay_stack::{Durability, Process, Server, ServiceName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::ask::streams;
use super::disk::Disk;
use super::outages::Outages;
use super::span::Span;
use crate::audit::known::Known;
use crate::load::answers::{Answer, Answers};
use crate::load::ledger::Ledger;
use crate::system::System;

const SHARDS: usize = 3;
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Something that can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of the services.
    Service(ServiceName),
    /// One of the servers.
    Server(Server),
}

impl Target {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service(ServiceName::Ingest) => "ingest",
            Self::Service(ServiceName::Writer) => "writer",
            Self::Service(ServiceName::Query) => "query",
            Self::Server(Server::Nats) => "nats",
            Self::Server(Server::Redis) => "redis",
            Self::Server(Server::Postgres(_)) => "shard",
            Self::Server(Server::Replica(_)) => "replica",
        }
    }
}

/// A system, the books about it, and what was seen.
pub struct Trial {
    // Dropped in this order: the disk is taken from under a server before its directory goes.
    pub(super) disk: Option<Disk>,
    pub(super) system: System,
    /// Chooses moments and victims, the same for the same seed.
    pub(super) rng: StdRng,
    pub(super) span: Span,
    pub(super) ledger: Arc<Ledger>,
    /// What ingest answered.
    pub(super) writes: Arc<Answers>,
    /// What query answered.
    pub(super) reads: Arc<Answers>,
    /// A shard that had orders among its dead letters, and when: until they were stored, there were no such orders.
    pub(super) hidden: Option<(usize, Instant, Instant)>,
    /// How many faults were done.
    pub(super) injected: usize,
    /// What the faults have done to what is stored.
    pub(super) known: Known,
    /// When services were not there.
    pub(super) outages: Outages,
    /// What was wrong, as sentences.
    pub(super) findings: Vec<String>,
    settings: &'static [(&'static str, &'static str)],
}

impl Trial {
    /// Starts a system with these settings of all services, of which one shard may have a replica; the ledger is kept in that
    /// directory.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start(
        settings: &'static [(&'static str, &'static str)],
        replicated: Option<usize>,
        seed: u64,
        span: Span,
        dir: &Path,
    ) -> Result<Self> {
        Ok(Self {
            disk: None,
            system: match replicated {
                Some(shard) => System::start_replicated(SHARDS, Durability::Real, settings, shard).await?,
                None => System::start_linked(SHARDS, Durability::Real, settings).await?,
            },
            rng: StdRng::seed_from_u64(seed),
            span,
            ledger: Arc::new(Ledger::new(dir.join("ledger"))?),
            writes: Arc::default(),
            reads: Arc::default(),
            hidden: None,
            injected: 0,
            known: Known::default(),
            outages: Outages::default(),
            findings: Vec::new(),
            settings,
        })
    }

    pub(super) fn process(&self, target: Target) -> Process {
        match target {
            Target::Service(part) => self.system.process(part).clone(),
            Target::Server(server) => self.system.stack.process(server).clone(),
        }
    }

    /// Every service and every server.
    pub(super) fn everybody(&self) -> Vec<Target> {
        let shards = (0..self.system.stack.postgres_count()).map(Server::Postgres);
        let servers = shards.chain([Server::Nats, Server::Redis]).map(Target::Server);
        ServiceName::STOPPING.into_iter().map(Target::Service).chain(servers).collect()
    }

    /// Starts all of them again, and waits until they work. Nobody waits for anybody: each finds the others when they are there.
    pub(super) async fn start_all(&mut self) -> Result<()> {
        let mut starting = tokio::task::JoinSet::new();
        self.everybody().into_iter().map(|target| self.process(target)).for_each(|process| {
            starting.spawn(async move { process.ensure_started().await });
        });
        starting.join_all().await.into_iter().collect::<Result<()>>()?;
        for part in ServiceName::STOPPING {
            self.outages.end(part);
        }
        self.must_work_again(Instant::now(), Duration::from_secs(30)).await;
        Ok(())
    }

    /// Starts a service anew with further settings.
    pub(super) async fn replace(&mut self, part: ServiceName, settings: &[(&str, &str)]) -> Result<()> {
        let settings = [self.settings, settings].concat();
        let mut attempts = 0;
        self.outages.begin(part);
        let replaced = loop {
            attempts += 1;
            match self.system.replace(part, &settings).await {
                // A service that fails on purpose may do so while it starts.
                Err(_) if attempts < 20 => {}
                replaced => break replaced,
            }
        };
        self.outages.end(part);
        replaced
    }

    /// Kills it; what is asked of it gets no answer until it is started.
    pub(super) async fn kill(&mut self, target: Target) {
        if let Target::Service(part) = target {
            self.outages.begin(part);
        }
        self.process(target).kill().await;
        self.injected += 1;
    }

    /// Starts it again.
    pub(super) async fn start_again(&mut self, target: Target) -> Result<()> {
        self.process(target).ensure_started().await?;
        if let Target::Service(part) = target {
            self.outages.end(part);
        }
        Ok(())
    }

    /// Lets the load work for a time of that many milliseconds.
    pub(super) async fn work(&mut self, ms: std::ops::Range<u64>) {
        let ms = self.rng.random_range(ms);
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    pub(super) fn add_finding(&mut self, what: impl Into<String>) {
        self.findings.push(what.into());
    }

    /// Waits until a condition holds, for so long at most; complains and says false where it does not.
    pub(super) async fn must(
        &mut self,
        what: &str,
        within: Duration,
        mut holds: impl AsyncFnMut(&System) -> Result<(), String>,
    ) -> bool {
        let begun = Instant::now();
        loop {
            let Err(seen) = holds(&self.system).await else { return true };
            if begun.elapsed() > within {
                self.add_finding(format!("not within {within:?}: {what} ({seen})"));
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a writer drains every stream again.
    pub(super) async fn must_drain(&mut self, within: Duration) {
        self.must("every stream goes on", within, async |system| {
            let streams = streams(system).await.map_err(|error| error.to_string())?;
            let other = streams.iter().find(|stream| stream.state != DrainState::Draining);
            other.map_or(Ok(()), |stream| Err(format!("{stream:?}")))
        })
        .await;
    }

    /// Waits until ingest accepts and query answers questions that came after this moment.
    pub(super) async fn must_work_again(&mut self, since: Instant, within: Duration) {
        for (what, answers) in [("orders are accepted", self.writes.clone()), ("orders are found", self.reads.clone())]
        {
            self.must(what, within, async |_| {
                let answers = answers.between(since, Instant::now());
                let is_good = answers.iter().any(|answer| answer.asked >= since && answer.is_good());
                if is_good { Ok(()) } else { Err(format!("{} answers", answers.len())) }
            })
            .await;
        }
    }

    /// Every question that was answered in that time got one of these answers, within a bound.
    pub(super) fn must_be_answered(&mut self, what: &str, answers: &[Answer], allowed: &[u16], within: Duration) {
        let late: Vec<Duration> = answers.iter().map(Answer::took).filter(|took| *took > within).collect();
        if let Some(worst) = late.iter().max() {
            self.add_finding(format!("{} {what} took longer than {within:?}, one of them {worst:?}", late.len()));
        }
        let wrong = |answer: &&Answer| answer.status.is_none_or(|status| !allowed.contains(&status));
        let wrong: Vec<Option<u16>> = answers.iter().filter(wrong).map(|answer| answer.status).collect();
        if !wrong.is_empty() {
            let first = &wrong[..wrong.len().min(5)];
            self.add_finding(format!("{} {what} were answered otherwise than by {allowed:?}: {first:?}", wrong.len()));
        }
    }
}
