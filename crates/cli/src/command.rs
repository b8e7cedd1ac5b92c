//! The command line: which subcommand does what, and how a run ends.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use forebay_admin::{backfill, dead, log, migrate, verify};
use forebay_service::BadSetting;
use forebay_service::settings::EXIT_BAD_SETTING;

use crate::{doctor, generate, shards, up};

/// Forebay takes in orders at any rate the disk can log, never loses one that it has accepted, and finds each again.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<up::UpSettings>),
    Down(up::DownSettings),
    /// Write plausible orders to standard output, as NDJSON; the same for the same seed
    Generate(generate::Settings),
    Replay(forebay_replay::Settings),
    /// Make or update the tables of the shards, the streams of the log, and the first shard map
    Migrate(migrate::Settings),
    /// Show the shard map and each shard's figures
    Shards(shards::Settings),
    Doctor(doctor::Settings),
    /// Look after index entries and views
    #[command(subcommand)]
    Index(IndexCommand),
    /// Look at what could not be stored, requeue it, delete it
    #[command(subcommand)]
    Dead(dead::Command),
    Verify(verify::Settings),
    /// Look at the frames of a stream, and go on after a loss
    #[command(subcommand)]
    Log(log::Command),
}

#[derive(Debug, Subcommand)]
enum IndexCommand {
    Backfill(backfill::Settings),
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
        Command::Up(settings) => in_runtime(up::up(*settings)),
        Command::Down(settings) => up::down(&settings),
        Command::Generate(settings) => generate::run(&settings),
        Command::Replay(settings) => forebay_replay::run(settings),
        Command::Migrate(settings) => in_runtime(migrate::run(&settings)),
        Command::Shards(settings) => in_runtime(shards::run(&settings)),
        Command::Doctor(settings) => in_runtime(doctor::run(&settings)),
        Command::Index(IndexCommand::Backfill(settings)) => in_runtime(backfill::run(&settings)),
        Command::Dead(command) => in_runtime(dead::run(&command)),
        Command::Verify(settings) => in_runtime(verify::run(&settings)),
        Command::Log(command) => in_runtime(log::run(&command)),
    }
}

fn in_runtime(work: impl Future<Output = Result<ExitCode>>) -> Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start")?
        .block_on(work)
}
