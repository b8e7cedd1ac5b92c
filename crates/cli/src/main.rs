//! The `forebay` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Set by `./dev` and the Dockerfile. Read here, so that another commit is a matter of linking.
    forebay_cli::main(option_env!("FOREBAY_COMMIT"))
}
