//! The ingest service as a program of its own, for its tests; people run `forebay ingest`.

use std::process::ExitCode;

fn main() -> ExitCode {
    forebay_ingest::run(&forebay_service::parse())
}
