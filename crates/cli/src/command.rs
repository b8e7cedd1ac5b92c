//! The command line: which subcommand does what, and how a run ends.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use forebay_service::BadSetting;
use forebay_service::command_line::EXIT_BAD_SETTING;

use crate::operate::{backfill, dead, doctor, log, migrate, shards, verify};
use crate::{generate, replay, up};

/// Forebay takes in orders at any rate the disk can log, never loses one that it has accepted, and finds each again.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<up::UpArgs>),
    Down(up::DownArgs),
    /// Write plausible orders to standard output, as NDJSON; the same for the same seed
    Generate(generate::Args),
    Replay(replay::Args),
    /// Make or update the tables of the shards, the streams of the log, and the first shard map
    Migrate(migrate::Args),
    /// Show the shard map and each shard's figures
    Shards(shards::Args),
    Doctor(doctor::Args),
    /// Look after index entries and views
    #[command(subcommand)]
    Index(IndexCommand),
    /// Look at what could not be stored, requeue it, delete it
    #[command(subcommand)]
    Dead(dead::args::Command),
    Verify(verify::Args),
    /// Look at the frames of a stream, and go on after a loss
    #[command(subcommand)]
    Log(log::Command),
}

#[derive(Debug, Subcommand)]
enum IndexCommand {
    Backfill(backfill::Args),
}

/// Does what the command line says.
pub fn main() -> ExitCode {
    let CommandLine { command } = forebay_service::parse();
    // Every HTTP client needs one. Fails only where one is installed already, and then that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    run(command).unwrap_or_else(|error| {
        eprintln!("forebay: {error:#}");
        if error.is::<BadSetting>() { ExitCode::from(EXIT_BAD_SETTING) } else { ExitCode::FAILURE }
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(args) => in_runtime(up::up(*args)),
        Command::Down(args) => up::down(&args),
        Command::Generate(args) => generate::run(&args),
        Command::Replay(args) => in_runtime(replay::run(args)),
        Command::Migrate(args) => in_runtime(migrate::run(args)),
        Command::Shards(args) => in_runtime(shards::run(args)),
        Command::Doctor(args) => in_runtime(doctor::run(args)),
        Command::Index(IndexCommand::Backfill(args)) => in_runtime(backfill::run(args)),
        Command::Dead(command) => in_runtime(dead::run(command)),
        Command::Verify(args) => in_runtime(verify::run(args)),
        Command::Log(command) => in_runtime(log::run(command)),
    }
}

/// Two threads: what is done is mostly waiting, and the machine's cores are wanted elsewhere.
fn in_runtime(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(work)
}
