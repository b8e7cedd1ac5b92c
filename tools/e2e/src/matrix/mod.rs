//! The fault cases: what is done to a system under load, and what must hold afterwards.
//!
//! Every case ends the same way: the faults are healed, the load stops, the log drains within half a minute, and the ledger is
//! compared with the shards. What a case demands beyond that stands in its own module.
//!
//! | module | concept |
//! |---|---|
//! | [`case`] | the cases by name |
//! | [`span`] | how long a case goes on |
//! | [`trial`] | a system under load, and what is noted about it |
//! | [`run`](mod@run) | one case from start to verdict |
//! | [`report`] | the verdict, and the table of all |
//! | `processes`, `ways`, `storage`, `rows`, `units` | the faults, by what they are done to |
//! | `ask` | what services say of themselves |
//! | `disk` | a server's data on a small disk |
//! | `held` | what a service holds open |
//! | `outages` | when a service may leave questions without an answer |

mod ask;
pub mod case;
mod disk;
mod held;
mod outages;
mod processes;
pub mod report;
mod rows;
pub mod run;
pub mod span;
mod storage;
pub mod trial;
mod units;
mod ways;

pub use case::Case;
pub use report::{Report, table};
pub use run::run;
pub use span::Span;
