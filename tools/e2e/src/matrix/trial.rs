//! A system under load, and what is noted about it while faults are done to it.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_stack::{Durability, Process, Server};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::Value;

use super::case::{Case, Span};
use super::disk::Disk;
use super::outages::Outages;
use crate::answers::{Answer, Answers};
use crate::known::Known;
use crate::ledger::Ledger;
use crate::system::{Part, System};

const SHARDS: usize = 3;
/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Something that can be killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// One of the services.
    Service(Part),
    /// One of the servers.
    Server(Server),
}

impl Target {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Service(Part::Ingest) => "ingest",
            Self::Service(Part::Writer) => "writer",
            Self::Service(Part::Query) => "query",
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
    pub(super) complaints: Vec<String>,
    settings: &'static [(&'static str, &'static str)],
}

impl Trial {
    /// Starts a system for a case; the ledger is kept in that directory.
    ///
    /// # Errors
    /// What did not start.
    pub async fn start(case: Case, seed: u64, span: Span, dir: &Path) -> Result<Self> {
        let settings = case.settings();
        Ok(Self {
            disk: None,
            system: match case.replicated() {
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
            complaints: Vec::new(),
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
        Part::ALL.into_iter().map(Target::Service).chain(servers).collect()
    }

    /// Starts all of them again, and waits until they work. Nobody waits for anybody: each finds the others when they are there.
    pub(super) async fn start_all(&mut self) -> Result<()> {
        let mut starting = tokio::task::JoinSet::new();
        self.everybody().into_iter().map(|target| self.process(target)).for_each(|process| {
            starting.spawn(async move { process.ensure_started().await });
        });
        starting.join_all().await.into_iter().collect::<Result<()>>()?;
        for part in Part::ALL {
            self.outages.end(part);
        }
        self.must_work_again(Instant::now(), Duration::from_secs(30)).await;
        Ok(())
    }

    /// Starts a service anew with further settings.
    pub(super) async fn replace(&mut self, part: Part, settings: &[(&str, &str)]) -> Result<()> {
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

    pub(super) fn complain(&mut self, what: impl Into<String>) {
        self.complaints.push(what.into());
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
                self.complain(format!("not within {within:?}: {what} ({seen})"));
                return false;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Waits until a writer drains every lane again.
    pub(super) async fn must_drain(&mut self, within: Duration) {
        self.must("every lane goes on", within, async |system| {
            let lanes = lanes(system).await.map_err(|error| error.to_string())?;
            lanes.iter().find(|lane| lane["state"] != "draining").map_or(Ok(()), |lane| Err(lane.to_string()))
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
            self.complain(format!("{} {what} took longer than {within:?}, one of them {worst:?}", late.len()));
        }
        let wrong = |answer: &&Answer| answer.status.is_none_or(|status| !allowed.contains(&status));
        let wrong: Vec<Option<u16>> = answers.iter().filter(wrong).map(|answer| answer.status).collect();
        if !wrong.is_empty() {
            let first = &wrong[..wrong.len().min(5)];
            self.complain(format!("{} {what} were answered otherwise than by {allowed:?}: {first:?}", wrong.len()));
        }
    }
}

/// Asks `/readyz` for the state of a dependency.
pub(super) async fn dependency(system: &System, part: Part, name: &str) -> Result<String, String> {
    let (_, body) = system.ask(part, "/readyz").await.map_err(|error| error.to_string())?;
    let state: &Value = &body["dependencies"][name]["state"];
    state.as_str().map(str::to_owned).ok_or_else(|| format!("/readyz says nothing of {name}: {body}"))
}

/// Every lane as every writer says that it stands.
pub(super) async fn lanes(system: &System) -> Result<Vec<Value>> {
    let mut lanes = Vec::new();
    for url in system.urls(Part::Writer) {
        lanes.extend(lanes_of(system, &url).await?);
    }
    Ok(lanes)
}

/// Every lane as the writer at that address says that it stands.
pub(super) async fn lanes_of(system: &System, url: &str) -> Result<Vec<Value>> {
    let (_, body) = system.ask_at(&format!("{url}/v1/lanes")).await?;
    Ok(body["lanes"].as_array().context("no lanes")?.clone())
}

/// The sum of a metric over those of its lines that have this label; `None` where there is no such line.
pub(super) async fn figure(system: &System, url: &str, name: &str, label: &str) -> Result<Option<f64>> {
    let text = system.text_at(&format!("{url}/metrics")).await?;
    let is_it = |line: &&str| line.strip_prefix(name).is_some_and(|rest| rest.starts_with([' ', '{']));
    let lines = text.lines().filter(is_it).filter(|line| line.contains(label));
    let figures: Vec<f64> = lines.filter_map(|line| line.rsplit_once(' ')?.1.parse().ok()).collect();
    Ok(if figures.is_empty() { None } else { Some(figures.iter().sum()) })
}
