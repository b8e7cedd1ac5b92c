//! Runs the fault cases, in a random order, until the time is over.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clap::Parser;
use forebay_e2e::matrix::{Case, Report, Span, run, table};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

/// For how long new runs of all cases are begun.
const MINUTES: u64 = 30;
/// Where the logs and ledgers of runs that have not passed are kept.
const ARTEFACTS: &str = "target/faults";

/// Breaks a system under load in every way there is, and looks whether an order was lost or doubled
#[derive(Debug, Parser)]
#[command(name = "./dev faults")]
struct Settings {
    /// For how long new runs are begun, in minutes; 30, or each case once where cases are named
    #[arg(long)]
    minutes: Option<u64>,

    /// By which everything random is chosen; printed, so that it can be given again
    #[arg(long)]
    seed: Option<u64>,

    /// How many moments a case has that goes on moment by moment, such as moves-killed; 12
    #[arg(long)]
    moments: Option<usize>,

    /// Cases to run instead of all
    cases: Vec<String>,
}

fn main() -> ExitCode {
    let settings = Settings::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(all(&settings))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(64)
        }
    }
}

/// Says whether everything passed.
async fn all(settings: &Settings) -> Result<bool> {
    let cases = chosen(&settings.cases)?;
    let seed = settings.seed.unwrap_or_else(|| rand::random_range(0..1_000_000_000));
    eprintln!("seed {seed}, {} cases", cases.len());
    let span = settings.moments.map_or(Span::Full, Span::Moments);
    let mut reports = Vec::new();
    let minutes = settings.minutes.or(if settings.cases.is_empty() { Some(MINUTES) } else { None });
    let end = minutes.map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    tokio::select! {
        () = until(end, seed, span, cases, &mut reports) => {}
        _ = tokio::signal::ctrl_c() => eprintln!("interrupted"),
    }
    println!("{}", table(&reports));
    println!("seed {seed}");
    let failed: Vec<&Report> = reports.iter().filter(|report| !report.has_passed()).collect();
    for report in &failed {
        let kept = report.kept.as_ref().map(|place| format!(", see {}", place.display())).unwrap_or_default();
        println!("failed: ./dev faults --seed {} {}{kept}", report.seed, report.case.name());
    }
    Ok(failed.is_empty() && !reports.is_empty())
}

fn chosen(names: &[String]) -> Result<Vec<Case>> {
    let known = |name: &String| Case::ALL.iter().any(|case| case.name() == *name);
    let all: Vec<String> = Case::ALL.iter().map(|case| case.name()).collect();
    for name in names {
        ensure!(known(name), "there is no case `{name}`; there are {}", all.join(", "));
    }
    let is_chosen = |case: &Case| names.is_empty() || names.contains(&case.name());
    Ok(Case::ALL.into_iter().filter(is_chosen).collect())
}

/// Runs the cases again and again until that moment, or each of them once.
async fn until(end: Option<Instant>, seed: u64, span: Span, mut cases: Vec<Case>, reports: &mut Vec<Report>) {
    let is_over = || end.is_some_and(|end| Instant::now() >= end);
    cases.retain(|case| {
        let obstacle = case.obstacle();
        if let Some(why) = &obstacle {
            eprintln!("skipped: {}: {why}", case.name());
        }
        obstacle.is_none()
    });
    let mut rng = StdRng::seed_from_u64(seed);
    // The first run has the seed that was given, so that one run can be repeated by it.
    let mut next_seed = seed;
    while !cases.is_empty() && !is_over() {
        cases.shuffle(&mut rng);
        for &case in &cases {
            if is_over() {
                return;
            }
            reports.push(one(case, next_seed, span).await);
            next_seed = rng.random_range(0..1_000_000_000);
        }
        if end.is_none() {
            return;
        }
    }
}

async fn one(case: Case, seed: u64, span: Span) -> Report {
    let begun = Instant::now();
    let report = match run(case, seed, span, Path::new(ARTEFACTS)).await {
        Ok(report) => report,
        Err(error) => Report::not_run(case, seed, &error),
    };
    let verdict = if report.has_passed() { "passed" } else { "FAILED" };
    let (orders, took) = (report.orders.sent, begun.elapsed().as_secs());
    eprintln!("{verdict} {} (seed {seed}, {orders} orders, {} faults, {took} s)", case.name(), report.injected);
    report.findings.iter().for_each(|finding| eprintln!("    {finding}"));
    report
}
