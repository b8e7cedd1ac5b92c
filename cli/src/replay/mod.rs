//! stub

use std::process::ExitCode;
/// stub
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {}
/// stub
pub fn run(_: Settings) -> anyhow::Result<ExitCode> {
    Ok(ExitCode::SUCCESS)
}
