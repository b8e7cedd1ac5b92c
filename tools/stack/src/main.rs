//! `forebay-stack run -- COMMAND`: real servers for as long as a command runs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use forebay_stack::{Durability, SHARED_POSTGRES, Signal, Stack};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

/// How long the command may take to end after Ctrl-C, of which a terminal tells it as well.
const AFTER_INTERRUPT: Duration = Duration::from_secs(5);
const AFTER_TERMINATE: Duration = Duration::from_secs(10);

#[derive(Parser)]
#[command(name = "forebay-stack", version, about = "Starts real Postgres, NATS and Redis servers for tests")]
struct Arguments {
    #[command(subcommand)]
    command: What,
}

#[derive(Subcommand)]
enum What {
    /// Start servers on free ports in a temporary directory, run a command that finds them in its environment, then stop
    /// them and remove the directory
    Run {
        /// Number of Postgres servers
        #[arg(long, default_value_t = SHARED_POSTGRES, value_name = "N")]
        postgres: usize,
        /// Keep the durability of Postgres as it comes, instead of switching fsync off
        #[arg(long)]
        durable: bool,
        /// The command and its arguments
        #[arg(last = true, required = true, value_name = "COMMAND")]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let Arguments { command: What::Run { postgres, durable, command } } = Arguments::parse();
    let durability = if durable { Durability::Real } else { Durability::Fast };
    match run(postgres, durability, &command).await {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("forebay-stack: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(postgres: usize, durability: Durability, command: &[String]) -> Result<u8> {
    // From here on a signal ends this process only through the code below, so the servers are always stopped.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let stack = tokio::select! {
        stack = Stack::temporary(postgres, durability) => stack?,
        _ = interrupt.recv() => return Ok(130),
        _ = terminate.recv() => return Ok(143),
        _ = hangup.recv() => return Ok(129),
    };
    // This thread is the main one, so the command outlives no kill -9 of this process.
    let mut child = Command::new("setpriv")
        .args(["--pdeathsig", "TERM", "--"])
        .args(command)
        .envs(stack.env())
        .envs([stack.test_env()])
        .kill_on_drop(true)
        .spawn()
        .context("cannot start the command with setpriv (of the package util-linux)")?;
    let code = tokio::select! {
        code = wait(&mut child) => code?,
        _ = interrupt.recv() => {
            let _ = tokio::time::timeout(AFTER_INTERRUPT, child.wait()).await;
            end(&mut child).await;
            130
        }
        _ = terminate.recv() => { end(&mut child).await; 143 }
        _ = hangup.recv() => { end(&mut child).await; 129 }
    };
    stack.stop().await;
    Ok(code)
}

/// The code that a shell would give: 128 and the signal's number for a command that a signal ended.
async fn wait(child: &mut Child) -> Result<u8> {
    use std::os::unix::process::ExitStatusExt;
    let status = child.wait().await.context("cannot wait for the command")?;
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(u8::try_from(code).unwrap_or(u8::MAX))
}

async fn end(child: &mut Child) {
    if let Some(pid) = child.id() {
        Signal::Terminate.send(pid);
    }
    if tokio::time::timeout(AFTER_TERMINATE, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}
