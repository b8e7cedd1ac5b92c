//! The limits that are servers, started as processes of their own, as services are.

use anyhow::Result;
use forebay_stack::{Managed, Process, Program, Ready, on_free_ports};

use crate::servers::Servers;

/// Starts the server that takes orders and logs nothing.
///
/// # Errors
/// Where it does not start.
pub async fn accepting(servers: &Servers) -> Result<(Process, u16)> {
    start(servers, "serve-accepting", &[]).await
}

/// Starts the server that always answers with `bytes` bytes.
///
/// # Errors
/// Where it does not start.
pub async fn constant(servers: &Servers, bytes: usize) -> Result<(Process, u16)> {
    start(servers, "serve-constant", &["--bytes".to_owned(), bytes.to_string()]).await
}

async fn start(servers: &Servers, command: &'static str, arguments: &[String]) -> Result<(Process, u16)> {
    let this = std::env::current_exe()?;
    let start = |ports: Vec<u16>| {
        let port = ports[0];
        let program = Program::new(&this).arg(command).arg("--listen").arg(format!("127.0.0.1:{port}"));
        let program = program.args(arguments.to_vec()).env("FOREBAY_LOG_LEVEL", "warn");
        let managed = Managed::new(command, program, servers.stack.log(command), Ready::http(port, "/livez"));
        async move { Ok((Process::start(managed.on_port(port)).await?, port)) }
    };
    on_free_ports(1, start).await
}
