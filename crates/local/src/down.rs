//! `forebay down`: stops what `forebay up` has started.

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use forebay_stack::Signal;
use forebay_terminal::note;

use super::args::DownArgs;
use super::detach::report_path;
use super::sample::Files;
use super::{refuse_home_of_others, secure};

/// Services drain, then servers stop: each has its own limit below this.
const STOPPED_WITHIN: Duration = Duration::from_mins(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Stops the system of a directory, and deletes its data if that is asked for.
///
/// # Errors
/// When it does not stop, or something cannot be deleted.
pub fn run(args: &DownArgs) -> Result<ExitCode> {
    let home = &args.home.dir;
    refuse_home_of_others(home)?;
    match forebay_stack::owner(home) {
        Some(pid) => stop(home, pid)?,
        None => note!("no Forebay runs in {}", home.display()),
    }
    if args.wipe {
        wipe(home)?;
        note!("the data in {} is deleted", home.display());
    }
    Ok(ExitCode::SUCCESS)
}

fn stop(home: &Path, pid: u32) -> Result<()> {
    Signal::Terminate.send(pid);
    let deadline = Instant::now() + STOPPED_WITHIN;
    while forebay_stack::owner(home) == Some(pid) {
        if Instant::now() > deadline {
            bail!("the Forebay in {} (process {pid}) does not stop", home.display());
        }
        std::thread::sleep(LOOK_EVERY);
    }
    note!("the Forebay in {} is stopped", home.display());
    Ok(())
}

fn wipe(home: &Path) -> Result<()> {
    forebay_stack::wipe(home)?;
    let Files { orders, events } = Files::of(home);
    let rejects = [orders.with_added_extension("rejects.ndjson"), events.with_added_extension("events.rejects.ndjson")];
    let told = [report_path(home), secure::variables_path(home), secure::clients_path(home)];
    for file in [orders, events].into_iter().chain(told).chain(rejects) {
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot delete {}", file.display()));
            }
            _ => {}
        }
    }
    let _ = std::fs::remove_dir_all(home.join("replay"));
    Ok(())
}
