//! The limits that are servers, started as processes of their own, as services are.

use anyhow::Result;
use forebay_stack::{Process, Program};

use crate::bench::Bench;
use crate::world::{local, on_free_port};

/// Starts the server that takes orders and logs nothing.
///
/// # Errors
/// Where it does not start.
pub async fn accepting(bench: &Bench) -> Result<(Process, u16)> {
    start(bench, "serve-accepting", &[]).await
}

/// Starts the server that always answers so many bytes.
///
/// # Errors
/// Where it does not start.
pub async fn constant(bench: &Bench, bytes: usize) -> Result<(Process, u16)> {
    start(bench, "serve-constant", &["--bytes".to_owned(), bytes.to_string()]).await
}

async fn start(bench: &Bench, command: &'static str, arguments: &[String]) -> Result<(Process, u16)> {
    let this = std::env::current_exe()?;
    let program = |port| {
        let program = Program::new(&this).arg(command).arg("--listen").arg(local(port)).args(arguments.to_vec());
        program.env("FOREBAY_LOG_LEVEL", "warn")
    };
    on_free_port(bench, command, program, "/livez").await
}
