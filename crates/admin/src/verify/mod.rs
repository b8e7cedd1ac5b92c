//! Whether log, shards, index and views agree.
//!
//! Orders may flow meanwhile. Each shard is looked at in one snapshot, with the positions of that snapshot. What follows from
//! its orders is looked up on other shards as it is now. What is not there is looked up again once nothing of it is owed any
//! more and those shards have stored what their streams held: then it is there, or it is missing. Where that takes long it is
//! pending, and no difference. The other way round nothing has to be waited for: what is derived follows only from what is
//! stored, so an index entry or a view whose order is not there is a difference.
//!
//! What should be there is made by the code that made it in the first place (the order's parser and
//! [`forebay_model::Deriver`]) and compared by Postgres: there is no second copy of the rules.
//!
//! | module | concept |
//! |---|---|
//! | `settings` | what is checked, and how far it has come |
//! | `report` | what was found |
//! | `scope` | what every check needs |
//! | `verification` | a check, and what it has found |
//! | `log` | what the log holds, against the counters and what is stored |
//! | `stored` | what is stored, against itself and what follows from it |

mod log;
mod report;
mod scope;
mod settings;
mod stored;
mod verification;

use anyhow::Result;
use forebay_model::ShardId;

use self::scope::Scope;
use self::verification::Verification;
use crate::Tell;
use crate::system::System;

pub use self::report::{Difference, DifferenceKind, LaneFigures, Report, Unfinished};
pub use self::settings::{CheckStage, Depth, Settings};

/// Checks a system.
///
/// # Errors
/// Bad settings, or that nothing could be looked at.
pub async fn run(system: &System, settings: &Settings, tell: Tell<'_, (ShardId, CheckStage)>) -> Result<Report> {
    let scope = Scope::new(system, settings, tell).await?;
    let mut verification = Verification::new(&scope);
    verification.run(settings.shard).await;
    Ok(verification.into_report())
}
