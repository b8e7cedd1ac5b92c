//! The writer service as a program of its own, for its tests; people run `forebay writer`.

use std::process::ExitCode;

fn main() -> ExitCode {
    forebay_writer::run(&forebay_service::parse())
}
