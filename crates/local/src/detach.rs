//! `--detach`: the same program again, in the background, until it says that it is ready.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use forebay_terminal::out;

const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Where the process in the background leaves its report once it is ready.
pub(super) fn report_path(home: &Path) -> PathBuf {
    home.join("up.txt")
}

/// Leaves the report for the process that waits for it, which sees all of it or nothing.
///
/// # Errors
/// When it cannot be written.
pub(super) fn leave_report(home: &Path, text: &str) -> Result<()> {
    let (path, unfinished) = (report_path(home), home.join("up.txt.new"));
    std::fs::write(&unfinished, text)
        .and_then(|()| std::fs::rename(&unfinished, &path))
        .with_context(|| format!("cannot write {}", path.display()))
}

/// Starts this program in the background and waits until it is ready or has ended.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn start_in_background(home: &Path) -> Result<ExitCode> {
    let (report, log_path) = (report_path(home), home.join("logs").join("up.log"));
    let _ = std::fs::remove_file(&report);
    let (mut child, log_start) = spawn(&log_path)?;
    let mut said = log_start;
    loop {
        said = pass_on(&log_path, said);
        if report.is_file() {
            let text = std::fs::read_to_string(&report).with_context(|| format!("cannot read {}", report.display()))?;
            out!("{text}")?;
            return Ok(ExitCode::SUCCESS);
        }
        if let Some(status) = child.try_wait().context("cannot wait for the process in the background")? {
            pass_on(&log_path, said);
            return Ok(ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)));
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK_EVERY) => {}
            _ = tokio::signal::ctrl_c() => return Ok(stop(&mut child)),
        }
    }
}

/// A process group of its own: Ctrl-C in this terminal, and its end, are nothing to it.
fn spawn(log_path: &Path) -> Result<(Child, u64)> {
    let program = std::env::current_exe().context("cannot find out where this program is")?;
    if let Some(dir) = log_path.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the directory {}", dir.display()))?;
    }
    let log = File::options().create(true).append(true).open(log_path);
    let log = log.with_context(|| format!("cannot write {}", log_path.display()))?;
    let log_start = log.metadata().map_or(0, |meta| meta.len());
    let mut command = Command::new(program);
    command.args(std::env::args_os().skip(1)).arg("--in-background").process_group(0).stdin(Stdio::null());
    command.stdout(log.try_clone().context("cannot use the log file twice")?).stderr(log);
    let child = command.spawn().context("cannot start in the background")?;
    Ok((child, log_start))
}

/// Shows what the process in the background has said since.
fn pass_on(log_path: &Path, from: u64) -> u64 {
    let mut text = Vec::new();
    let read = File::open(log_path).and_then(|mut file| {
        file.seek(SeekFrom::Start(from))?;
        file.read_to_end(&mut text)
    });
    if read.is_ok() {
        forebay_terminal::message(format_args!("{}", String::from_utf8_lossy(&text)));
    }
    from + text.len() as u64
}

fn stop(child: &mut Child) -> ExitCode {
    forebay_stack::Signal::Terminate.send(child.id());
    let _ = child.wait();
    ExitCode::from(130)
}
