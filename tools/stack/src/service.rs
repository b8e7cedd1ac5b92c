//! Forebay's own services as processes beside the servers.
//!
//! The three have alike how they are started (`forebay writer`), how they are told where to listen (`FOREBAY_WRITER_LISTEN`) and that
//! they answer `/readyz`. Everything else that one is told is its caller's.

use std::ffi::OsString;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};

use crate::ports::on_free_ports;
use crate::process::program::Program;
use crate::process::ready::Ready;
use crate::process::{Managed, Process};
use crate::stack::Stack;

/// Which of the services.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ServiceName {
    /// HTTP to log.
    Ingest,
    /// Log to Postgres.
    Writer,
    /// Postgres to HTTP.
    Query,
}

impl ServiceName {
    /// All of them as they start: the writer makes what the others look for.
    pub const STARTING: [Self; 3] = [Self::Writer, Self::Ingest, Self::Query];
    /// All of them as they stop: first those that take in requests.
    pub const STOPPING: [Self; 3] = [Self::Ingest, Self::Query, Self::Writer];

    /// What people call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Writer => "writer",
            Self::Query => "query",
        }
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A program of this build, beside the one that runs.
///
/// # Errors
/// Where it has not been built.
pub fn program(name: &str) -> Result<PathBuf> {
    let this = std::env::current_exe().context("cannot find out where this program is")?;
    let dir = this.parent().context("no build directory")?;
    // A test is target/<profile>/deps/<test>, a program target/<profile>/<program>.
    let dir = if dir.ends_with("deps") { dir.parent().context("no build directory")? } else { dir };
    let path = dir.join(name);
    ensure!(
        path.is_file(),
        "the program {} is missing: build it with `cargo build --workspace --bins`",
        path.display()
    );
    Ok(path)
}

impl Stack {
    /// A service on these servers, as it is to be started. Settings are environment variables; the last one of a name counts, and
    /// all count more than the servers' addresses.
    ///
    /// # Errors
    /// Where its program has not been built.
    pub fn service<N: Into<OsString>, V: Into<OsString>>(
        &self,
        service: ServiceName,
        listen: SocketAddr,
        settings: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Managed> {
        let name = service.as_str();
        let listen_variable = format!("FOREBAY_{}_LISTEN", name.to_uppercase());
        let mut program = Program::new(program("forebay")?).arg(name).env(listen_variable, listen.to_string());
        for (variable, value) in self.env() {
            program = program.env(variable, value);
        }
        for (variable, value) in settings {
            program = program.env(variable, value);
        }
        let managed = Managed::new(name, program, self.log(name), Ready::http(listen.port(), "/readyz"));
        Ok(if listen.ip().is_loopback() && listen.is_ipv4() { managed.on_port(listen.port()) } else { managed })
    }

    /// Starts a service on a free port of this machine, waits until it is ready, and gives the port.
    ///
    /// # Errors
    /// What it says.
    pub async fn start_service(&self, service: ServiceName, settings: &[(String, String)]) -> Result<(Process, u16)> {
        let start = |ports: Vec<u16>| async move {
            let listen = ([127, 0, 0, 1], ports[0]).into();
            let managed = self.service(service, listen, settings.iter().cloned())?;
            Ok((Process::start(managed).await?, ports[0]))
        };
        on_free_ports(1, start).await
    }
}
