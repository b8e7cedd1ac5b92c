//! `psql`, and how it comes in.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::NAME;
use super::secrets::Secrets;
use crate::process::program::{Program, output};

/// The program that runs statements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Psql {
    path: PathBuf,
    variables: Vec<(&'static str, String)>,
}

impl Psql {
    /// That comes in where servers ask for nothing, or with those secrets.
    pub(crate) fn new(path: impl Into<PathBuf>, secrets: Option<&Secrets>) -> Self {
        Self { path: path.into(), variables: secrets.map(Secrets::psql).unwrap_or_default() }
    }

    /// Runs one statement and gives its rows, columns separated by `|`.
    pub(crate) async fn sql(&self, port: u16, database: &str, statement: &str) -> Result<String> {
        output(&self.program(port, database).args(["-c", statement])).await
    }

    /// Runs what stands in a file: what is secret is on no command line.
    pub(crate) async fn file(&self, port: u16, database: &str, file: &Path) -> Result<()> {
        output(&self.program(port, database).arg("-f").arg(file)).await.map(drop)
    }

    fn program(&self, port: u16, database: &str) -> Program {
        let program = Program::new(&self.path).bare_environment();
        let program = program.env("PGCONNECT_TIMEOUT", "10").env("PGCLIENTENCODING", "UTF8");
        let program = self.variables.iter().fold(program, |program, (name, value)| program.env(name, value));
        program
            .args(["-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p"])
            .arg(port.to_string())
            .args(["-U", NAME, "-d", database])
    }
}
