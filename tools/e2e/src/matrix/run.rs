//! One case from start to verdict.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use forebay_api::streams::{DrainState, StreamReport};
use forebay_stack::ServiceName;

use super::ask::streams;
use super::case::Case;
use super::report::Report;
use super::span::Span;
use super::trial::Trial;
use crate::audit::Audit;
use crate::load::answers::Answer;
use crate::load::reads::{READERS, Reads};
use crate::load::{CLIENTS, Load, LoadSettings};
use crate::system::System;

/// How long everything may take to be as if nothing had been, once the faults are healed.
const HEALED_WITHIN: Duration = Duration::from_secs(30);
/// How often the shards are compared with the ledger while the log drains.
const AUDIT_EVERY: Duration = Duration::from_millis(200);

/// Runs a case. What is left of a run that has not passed is kept below `artefacts`.
///
/// # Errors
/// Where the case could not be run: what it finds wrong is in the report.
pub async fn run(case: Case, seed: u64, span: Span, artefacts: &Path) -> Result<Report> {
    let dir = tempfile::tempdir().context("no temporary directory")?;
    let mut trial = Trial::start(case.settings(), case.replicated(), seed, span, dir.path()).await?;
    let begun = Instant::now();
    let ended = Box::pin(under_load(case, seed, &mut trial)).await;
    let (drained, audit) = match ended {
        Ok((drained, audit)) => (drained, Some(audit)),
        Err(error) => {
            trial.add_finding(format!("the case was not brought to its end: {error:#}"));
            (None, None)
        }
    };
    trial.judge_answers(begun);
    if let Err(error) = trial.system.stop().await {
        trial.add_finding(format!("stopping: {error:#}"));
    }
    let kept = if trial.findings.is_empty() { None } else { Some(keep(&trial, case, seed, artefacts)?) };
    Ok(Report {
        case,
        seed,
        orders: trial.ledger.counts(),
        injected: trial.injected,
        lost: audit.as_ref().map_or(0, |audit| audit.lost.len()),
        doubled: audit.as_ref().map_or(0, |audit| audit.doubled.len()),
        drained,
        findings: std::mem::take(&mut trial.findings),
        kept,
    })
}

/// Load, faults, healing, the end of the load, and the comparison.
async fn under_load(case: Case, seed: u64, trial: &mut Trial) -> Result<(Option<Duration>, Audit)> {
    let settings = LoadSettings { is_doubled: case == Case::RequestsTwice, ..LoadSettings::steady(seed) };
    let (ingest, query) = (trial.system.url(ServiceName::Ingest, ""), trial.system.url(ServiceName::Query, ""));
    let load = Load::start(&ingest, &trial.ledger, &trial.writes, &settings)?;
    let reads = Reads::start(&query, &trial.ledger, &trial.reads, seed)?;
    trial.must_work_again(Instant::now(), HEALED_WITHIN).await;
    trial.work(500..1500).await;
    case.inject(trial).await?;
    let healed = Instant::now();
    trial.must_work_again(healed, HEALED_WITHIN).await;
    trial.work(500..1000).await;
    load.stop().await?;
    drop(reads);
    let (drained, audit) = drain(trial, healed).await?;
    trial.findings.extend(audit.findings());
    no_memory_held(trial).await;
    if case.is_verified() {
        verify(trial).await?;
    }
    Ok((drained, audit))
}

/// Compares until all is as it must be, or the time is over.
async fn drain(trial: &mut Trial, healed: Instant) -> Result<(Option<Duration>, Audit)> {
    loop {
        // First this: what was drained and derived before is in the shards.
        let rest = unsettled(&trial.system).await;
        let audit = Audit::of(&trial.ledger, &trial.system, &trial.known).await;
        let took = healed.elapsed();
        if let (Ok(None), Ok(audit)) = (&rest, &audit)
            && audit.is_clean()
        {
            return Ok((Some(took), audit.clone()));
        }
        if took > HEALED_WITHIN {
            let audit = audit?;
            match rest {
                Ok(Some(rest)) => {
                    trial.add_finding(format!("after {took:?} not everything is drained and derived: {rest}"));
                }
                Err(error) => trial.add_finding(format!("nobody says whether all is drained and derived: {error:#}")),
                Ok(None) => {}
            }
            return Ok((None, audit));
        }
        tokio::time::sleep(AUDIT_EVERY).await;
    }
}

/// The stream that is not drained and derived, or of which no writer says so, if there is one.
async fn unsettled(system: &System) -> Result<Option<String>> {
    if let Some(rest) = system.unsettled().await? {
        return Ok(Some(rest));
    }
    let streams = streams(system).await?;
    let is_settled = |stream: &StreamReport| {
        stream.state == DrainState::Draining && stream.derived.iter().all(|target| target.owed_since.is_none())
    };
    let is_same = |a: &StreamReport, b: &StreamReport| (a.stream, a.shard) == (b.stream, b.shard);
    let rest = streams.iter().find(|stream| !streams.iter().any(|other| is_same(stream, other) && is_settled(other)));
    Ok(rest.map(|stream| format!("{stream:?}")))
}

/// The command finds what the audit has found: nothing.
async fn verify(trial: &mut Trial) -> Result<()> {
    let run = trial.system.forebay(&["verify", "--full", "--json"], b"").await?;
    if run.code != Some(0) || run.json()?["differences"] != 0 {
        trial.add_finding(format!("verify ended with {:?}: {} {}", run.code, run.stdout, run.stderr));
    }
    Ok(())
}

/// With nothing on its way, ingest holds no bytes of requests.
async fn no_memory_held(trial: &mut Trial) {
    trial
        .must("ingest gives back the room of its requests", HEALED_WITHIN, async |system| {
            let text = system.text(ServiceName::Ingest, "/metrics").await.map_err(|error| error.to_string())?;
            let line = text.lines().find(|line| line.starts_with("forebay_ingest_memory_bytes"));
            match line.and_then(|line| line.rsplit_once(' ')) {
                Some((_, "0")) => Ok(()),
                Some((_, bytes)) => Err(format!("{bytes} bytes")),
                None => Err("it does not say how much it holds".to_owned()),
            }
        })
        .await;
}

impl Trial {
    /// What holds for every answer of every case.
    fn judge_answers(&mut self, begun: Instant) {
        let now = Instant::now();
        for (what, answers, allowed) in [
            ("order", self.writes.between(begun, now), &[202, 503][..]),
            // An order that was accepted may not be visible yet; it is never said not to be there.
            ("read", self.reads.between(begun, now), &[200, 503, 504][..]),
        ] {
            let seen = answers.iter().filter(|answer| !self.is_hidden(answer));
            let wrong: Vec<u16> =
                seen.filter_map(|answer| answer.status).filter(|status| !allowed.contains(status)).collect();
            if let Some(first) = wrong.first() {
                self.add_finding(format!("{} times the answer to an {what} was {first}", wrong.len()));
            }
        }
        for (part, answers, clients) in [
            (ServiceName::Ingest, self.writes.between(begun, now), CLIENTS),
            (ServiceName::Query, self.reads.between(begun, now), READERS),
        ] {
            self.findings.extend(self.outages.judge(part, &answers, clients));
        }
    }
}

impl Trial {
    /// Whether it says that an order is not there which may have been among the dead letters.
    fn is_hidden(&self, answer: &Answer) -> bool {
        self.hidden.is_some_and(|(shard, from, to)| {
            answer.status == Some(404) && answer.shards == [shard] && (from..to).contains(&answer.answered)
        })
    }
}

/// Copies the logs and the ledger to where they stay.
fn keep(trial: &Trial, case: Case, seed: u64, artefacts: &Path) -> Result<PathBuf> {
    let place = artefacts.join(format!("{}-{seed}", case.name()));
    fs::create_dir_all(&place).with_context(|| format!("cannot make {}", place.display()))?;
    let logs = trial.system.stack.log("any");
    let logs = fs::read_dir(logs.parent().context("logs have a directory")?)?.flatten().map(|entry| entry.path());
    for file in logs.chain([trial.ledger.path().to_owned()]) {
        if let Some(name) = file.file_name() {
            fs::copy(&file, place.join(name)).with_context(|| format!("cannot keep {}", file.display()))?;
        }
    }
    fs::write(place.join("findings"), trial.findings.join("\n") + "\n")?;
    Ok(place)
}
