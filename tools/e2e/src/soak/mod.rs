//! Very many orders and events, in any order of arrival, through a whole Forebay; and whether what comes of them is what a model says that
//! has all of them and sorts them first.
//!
//! | module | concept |
//! |---|---|
//! | `history` | orders and what happens to them, each made from its number |
//! | `arrival` | in which order they are sent |
//! | `model` | what an order is in the end, as a list shows it |
//! | `expected` | what every list must have in the end |
//! | `lists`, `totals` | whether it has |
//! | `speed` | how long it takes to be told |
//! | `report` | a line for everything that was looked at |

mod arrival;
mod expected;
mod history;
mod lists;
mod model;
mod report;
mod speed;
mod totals;

use std::time::Instant;

use anyhow::Result;
use forebay_stack::Durability;
use tempfile::TempDir;

pub use history::History;

use crate::System;
use expected::Expected;
use report::{Check, Report};

const SHARDS: usize = 3;
/// By the month, as a year that is over lies in its tables. By the day, every batch would meet every partition of the year.
const SETTINGS: [(&str, &str); 2] =
    [("FOREBAY_VIEWS", "seller=items[].seller_id,warehouse=warehouse_id"), ("FOREBAY_PARTITION", "month")];

/// Sends all of it, prints what came of that, and says whether it is what must come of it.
///
/// # Errors
/// Where something cannot be sent or asked.
pub async fn events(history: History) -> Result<bool> {
    let dir = TempDir::with_prefix("forebay-soak-")?;
    let system = System::start(SHARDS, Durability::Real, &SETTINGS).await?;
    let mut report = Report::default();
    for check in arrival::send(&system, history, dir.path()).await? {
        report.tell(&check);
    }
    speed::measure(&system).await?;
    let expected = Expected::of(history);
    let begun = Instant::now();
    totals::check(&system, &expected, &mut report).await?;
    lists::check(&system, history, &expected, &mut report).await?;
    report.tell(&verified(&system).await?);
    println!("     looked at in {} s", begun.elapsed().as_secs());
    system.stop().await?;
    Ok(report.is_right())
}

async fn verified(system: &System) -> Result<Check> {
    let run = system.forebay(&["verify", "--full"], b"").await?;
    let wrong = if run.code == Some(0) { Vec::new() } else { vec![run.stdout, run.stderr] };
    Ok(Check { what: "forebay verify --full finds no difference".to_owned(), wrong, ..Check::default() })
}
