//! The query service as a program of its own, for its tests; people run `forebay query`.

use std::process::ExitCode;

fn main() -> ExitCode {
    forebay_query::run(&forebay_service::parse())
}
