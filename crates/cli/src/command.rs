//! The command line: which subcommand does what, and how a run ends.

use std::ffi::OsStr;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{CommandFactory, Parser, Subcommand};
use forebay_service::BadSetting;
use forebay_service::settings::command_line::EXIT_BAD_SETTING;
use forebay_terminal::note;

use crate::operate::{audit, backfill, dead, doctor, keys, log, migrate, settings, shards, verify, views};
use crate::{generate, map, replay, serve, version};

/// Forebay takes in orders at any rate the disk can log, never loses one that it has accepted, and finds each again.
#[derive(Debug, Parser)]
#[command(name = "forebay", version, propagate_version = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<forebay_local::UpArgs>),
    Down(forebay_local::DownArgs),
    /// Take orders over HTTP and answer when they are in the log
    Ingest(Box<forebay_ingest::Settings>),
    /// Commit what is in the log to the shards
    Writer(Box<forebay_writer::Settings>),
    /// Answer questions about orders over HTTP
    Query(Box<forebay_query::Settings>),
    Serve(Box<serve::Args>),
    /// Write plausible orders, or what happened to them, to standard output, as NDJSON; the same for the same seed
    Generate(generate::Args),
    Replay(replay::Args),
    /// Maps, which say what of a file makes an order: show those that come with Forebay, suggest one for a file
    #[command(subcommand)]
    Map(map::Command),
    /// Make or update the tables of the shards, the streams of the log, and the first shard map
    Migrate(migrate::Args),
    /// Show the shard map and each shard's figures
    Shards(shards::Args),
    /// Show and change what holds for the whole system
    #[command(subcommand)]
    Settings(settings::Command),
    /// Show, add and drop the fields that orders are read by
    #[command(subcommand)]
    Views(views::Command),
    /// Add, rotate, revoke and list API keys
    #[command(subcommand)]
    Keys(keys::Command),
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
    Audit(audit::Args),
}

#[derive(Debug, Subcommand)]
enum IndexCommand {
    Backfill(backfill::Args),
}

/// The command line itself: pages of the manual and completions are made from it.
pub fn command_line() -> clap::Command {
    CommandLine::command()
}

/// Does what the command line says. The commit is the one that the program was built from, where that is known.
pub fn main(commit: Option<&str>) -> ExitCode {
    if std::env::args_os().skip(1).eq([OsStr::new("--version")]) {
        return forebay_terminal::data(format_args!("{}", version::text(commit)))
            .map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS);
    }
    let CommandLine { command } = forebay_service::parse();
    // Every HTTP client needs one. Fails only where one is installed already, and then that one stays.
    let _ = rustls::crypto::ring::default_provider().install_default();
    run(command).unwrap_or_else(|error| {
        note!("forebay: {error:#}");
        if error.is::<BadSetting>() { ExitCode::from(EXIT_BAD_SETTING) } else { ExitCode::FAILURE }
    })
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(args) => in_runtime(forebay_local::up(*args)),
        Command::Down(args) => forebay_local::down(&args),
        Command::Ingest(settings) => Ok(forebay_ingest::run(&settings)),
        Command::Writer(settings) => Ok(forebay_writer::run(&settings)),
        Command::Query(settings) => Ok(forebay_query::run(&settings)),
        Command::Serve(args) => Ok(serve::run(&args)),
        Command::Generate(args) => generate::run(&args),
        Command::Replay(args) => in_runtime(replay::run(args)),
        Command::Map(command) => map::run(command),
        Command::Migrate(args) => in_runtime(migrate::run(args)),
        Command::Shards(args) => in_runtime(shards::run(args)),
        Command::Settings(command) => in_runtime(settings::run(command)),
        Command::Views(command) => in_runtime(views::run(command)),
        Command::Keys(command) => in_runtime(keys::run(command)),
        Command::Doctor(args) => in_runtime(doctor::run(args)),
        Command::Index(IndexCommand::Backfill(args)) => in_runtime(backfill::run(args)),
        Command::Dead(command) => in_runtime(dead::run(command)),
        Command::Verify(args) => in_runtime(verify::run(args)),
        Command::Log(command) => in_runtime(log::run(command)),
        Command::Audit(args) => in_runtime(audit::run(args)),
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
