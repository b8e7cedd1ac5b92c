//! A command, run as people run it.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// What a command that has ended left behind.
#[derive(Debug)]
pub struct Finished {
    /// Its exit code; `None` where a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

/// Runs `forebay` of this build with these arguments and this input, to its end.
///
/// # Errors
/// Where it cannot be run; what it says itself is in [`Finished`].
pub async fn forebay(arguments: &[&str], environment: &[(String, String)], input: &[u8]) -> Result<Finished> {
    let mut command = Command::new(forebay_stack::program("forebay")?);
    command.args(arguments).envs(environment.iter().cloned());
    run(&mut command, input).await
}

/// Runs a command with that input, to its end.
///
/// # Errors
/// Where it cannot be run.
pub async fn run(command: &mut Command, input: &[u8]) -> Result<Finished> {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().context("it cannot be started")?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    let write = async move {
        // A command that does not read its input is not an error.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let (output, ()) = tokio::join!(child.wait_with_output(), write);
    Ok(output?.into())
}

impl From<std::process::Output> for Finished {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Finished {
    /// The same, where it ended well.
    ///
    /// # Errors
    /// What it wrote, where it did not.
    pub fn ok(self) -> Result<Self> {
        ensure!(self.code == Some(0), "exit code {:?}: {}\n{}", self.code, self.stderr, self.stdout);
        Ok(self)
    }

    /// Its standard output as JSON.
    ///
    /// # Errors
    /// Where it is not JSON.
    pub fn json(&self) -> Result<Value> {
        serde_json::from_str(&self.stdout).with_context(|| format!("not JSON: {self:?}"))
    }

    /// Figures of the JSON that it printed.
    pub fn figures(&self, names: &[&str]) -> Vec<u64> {
        let summary = self.json().unwrap_or_else(|error| panic!("{error:#}"));
        names.iter().map(|name| summary[name].as_u64().unwrap_or_else(|| panic!("no {name} in {summary}"))).collect()
    }
}
