//! What to run: path, arguments, environment, directory and user.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::signal::Signal;
use crate::account::Account;

/// A program with everything it is started with, so that it can be started again.
#[derive(Clone, Debug)]
pub struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    without: Vec<OsString>,
    dir: Option<PathBuf>,
    account: Option<Account>,
    bare_environment: bool,
}

impl Program {
    /// The program at `path`, with this process's environment, directory and user.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            arguments: Vec::new(),
            variables: Vec::new(),
            without: Vec::new(),
            dir: None,
            account: None,
            bare_environment: false,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Leaves a variable of this process out of the program's environment.
    #[must_use]
    pub fn env_remove(mut self, name: impl Into<OsString>) -> Self {
        self.without.push(name.into());
        self
    }

    /// Sets the directory that the program works in.
    #[must_use]
    pub fn dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.dir = Some(dir.into());
        self
    }

    /// Sets the user that the program runs as; `None` keeps this process's.
    #[must_use]
    pub fn account(mut self, account: Option<Account>) -> Self {
        self.account = account;
        self
    }

    /// Keeps the caller's environment (`PGOPTIONS`, a locale …) away from the program: only `PATH` and what is set here.
    #[must_use]
    pub(crate) fn bare_environment(mut self) -> Self {
        self.bare_environment = true;
        self
    }

    /// The path of the program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The command, with its output still going where this process's goes.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.args(&self.arguments);
        self.settle(&mut command);
        command
    }

    /// The command in a process group of its own (Ctrl-C in a terminal is for the parent, which stops its children in
    /// order), writing to `log`, and with `on_parent_death` sent to it when the thread that spawns it is gone.
    pub(crate) fn tied_command(&self, on_parent_death: Signal, log: File) -> Result<Command> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", on_parent_death.name(), "--"]).arg(&self.path).args(&self.arguments);
        self.settle(&mut command);
        command.process_group(0).stdin(Stdio::null());
        command.stdout(log.try_clone().context("cannot use the log file twice")?).stderr(log);
        Ok(command)
    }

    fn settle(&self, command: &mut Command) {
        if self.bare_environment {
            command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
            command.envs([("LC_ALL", "C"), ("TZ", "UTC")]);
        }
        for name in &self.without {
            command.env_remove(name);
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(dir) = &self.dir {
            command.current_dir(dir);
        }
        if let Some(account) = &self.account {
            command.uid(account.uid()).gid(account.gid());
        }
    }
}

/// Runs a short command to its end and gives its standard output.
///
/// # Errors
/// When it cannot be started or fails; the error holds what it wrote to standard error.
pub(crate) async fn output(program: &Program) -> Result<String> {
    let name = program.path().file_name().map(OsStr::to_string_lossy).unwrap_or_default().into_owned();
    let mut command = tokio::process::Command::from(program.command());
    let output = command
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .with_context(|| format!("cannot start {}", program.path().display()))?;
    anyhow::ensure!(
        output.status.success(),
        "{name} failed ({}): {}",
        output.status,
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
