//! `./dev bench`: measures the rows that were asked for, prints them, and writes them down.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use clap::Parser;
use forebay_bench::limit::{accepting, constant};
use forebay_bench::report::{Machine, Report};
use forebay_bench::rows::Row;
use forebay_bench::settings::{LimitServer, Settings};
use forebay_bench::{Bench, Line};

fn main() -> ExitCode {
    let settings = Settings::parse();
    match &settings.server {
        Some(LimitServer::ServeAccepting(server)) => return accepting::run(server),
        Some(LimitServer::ServeConstant(server)) => return constant::run(server),
        None => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    match runtime.map_err(Into::into).and_then(|runtime| runtime.block_on(run(&settings))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::from(64)
        }
    }
}

/// Says whether every row could be measured; a target that is missed is no failure, it is told.
async fn run(settings: &Settings) -> Result<bool> {
    let (rows, left_out) = settings.chosen()?;
    let run = Machine::now(settings.full).await?;
    let begun = Instant::now();
    let mut bench = Bench::start(settings.scale()).await?;
    let (mut lines, mut failed) = (Vec::new(), Vec::new());
    tokio::select! {
        () = measure(&mut bench, &rows, &mut lines, &mut failed) => {}
        _ = tokio::signal::ctrl_c() => failed.push("interrupted: the rows behind this are missing".to_owned()),
    }
    let charts = std::mem::take(&mut bench.charts);
    bench.servers.stack.stop().await;
    let report = Report {
        run,
        lines,
        left_out: left_out.iter().map(|row| row.name()).collect(),
        failed,
        took_s: begun.elapsed().as_secs(),
    };
    println!("{}", report.to_text());
    println!("written: {}", report.write(&charts, settings.record)?);
    Ok(report.failed.is_empty())
}

async fn measure(bench: &mut Bench, rows: &[Row], lines: &mut Vec<Line>, failed: &mut Vec<String>) {
    for row in rows {
        let begun = Instant::now();
        if !row.reads_the_same()
            && let Err(error) = bench.end_kept().await
        {
            failed.push(format!("before {}: {error:#}", row.name()));
        }
        match row.measure(bench).await {
            Ok(measured) => {
                for line in &measured {
                    eprintln!("{}: {}", row.name(), Report::brief(line));
                }
                eprintln!("{}: {:.0} s", row.name(), begun.elapsed().as_secs_f64());
                lines.extend(measured);
            }
            Err(error) => {
                eprintln!("{}: not measured: {error:#}", row.name());
                failed.push(format!("{}: {error:#}", row.name()));
            }
        }
    }
    if let Err(error) = bench.end_kept().await {
        failed.push(format!("at the end: {error:#}"));
    }
}
