//! The `forebay` command, run as people run it.

use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Run {
    /// Its exit code; -1 where a signal ended it.
    pub code: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// A program of this build, beside the one that runs.
///
/// # Errors
/// Where it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let dir = this.parent().context("no build directory")?;
    // A test is target/<profile>/deps/<test>, a program target/<profile>/<program>.
    let dir = if dir.ends_with("deps") { dir.parent().context("no build directory")? } else { dir };
    let path = dir.join(name);
    ensure!(path.exists(), "{} is not built: run `cargo build --workspace --bins` first", path.display());
    Ok(path)
}

/// Runs `forebay` with these arguments and this input, to its end.
///
/// # Errors
/// Where it cannot be run; what it says itself is in the [`Run`].
pub async fn forebay(arguments: &[&str], environment: &[(String, String)], input: &[u8]) -> Result<Run> {
    let mut child = Command::new(program("forebay")?)
        .args(arguments)
        .envs(environment.iter().cloned())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let write = async move {
        // A command that does not read its input is not an error.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    let output = output?;
    Ok(Run {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

impl Run {
    /// The run, where it ended well.
    ///
    /// # Errors
    /// What it wrote, where it did not.
    pub fn ok(self) -> Result<Self> {
        ensure!(self.code == 0, "exit code {}: {}\n{}", self.code, self.stderr, self.stdout);
        Ok(self)
    }

    /// Its standard output as JSON.
    ///
    /// # Errors
    /// Where it is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON: {}", self.stdout))
    }
}
