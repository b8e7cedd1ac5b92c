//! `forebay log`: the frames of a stream, decoded, and the way out of a lane that has halted because its log has lost
//! something.
//!
//! | module | concept |
//! |---|---|
//! | `show` | frames, one after the other |
//! | `frame` | a frame as it is shown |
//! | `accept_loss` | going on after a loss |
//! | `loss` | what was lost, and where to go on |

mod accept_loss;
mod frame;
mod loss;
mod show;

use std::process::ExitCode;

use anyhow::Result;
use clap::Subcommand;

/// What `forebay log` can do.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Show frames of a stream, decoded: the last ones, or those from --from on
    Show(show::Settings),
    /// Show what the log of a lane has lost, and with --yes let the lane go on without it
    AcceptLoss(accept_loss::Settings),
}

/// Does it.
///
/// # Errors
/// One sentence about what cannot be reached.
pub async fn run(command: &Command) -> Result<ExitCode> {
    match command {
        Command::Show(settings) => show::run(settings).await,
        Command::AcceptLoss(settings) => accept_loss::run(settings).await,
    }
}
