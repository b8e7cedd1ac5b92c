//! The fault cases: what is done to a system under load, and what must hold afterwards.
//!
//! Every case ends the same way: the faults are healed, the load stops, the log drains within half a minute, and the ledger is
//! compared with the shards. What a case demands beyond that stands in its own module.
//!
//! | module | concept |
//! |---|---|
//! | [`case`] | the cases by name |
//! | [`trial`] | a system under load, and what is noted about it |
//! | [`run`](mod@run) | one case from start to verdict |
//! | [`report`] | the verdict, and the table of all |
//! | `kills`, `freezes`, `holes`, `ragged`, `full`, `backups`, `twice`, `poison`, `clock`, `stops`, `writers`, `backlog`,
//! `deletions`, `promotions`, `refusals` | the faults |
//! | `disk` | a server's data on a small disk |
//! | `held` | what a service holds open |
//! | `outages` | when a service may leave questions without an answer |

mod backlog;
mod backups;
pub mod case;
mod clock;
mod deletions;
mod disk;
mod freezes;
mod full;
mod held;
mod holes;
mod kills;
mod outages;
mod poison;
mod promotions;
mod ragged;
mod refusals;
pub mod report;
pub mod run;
mod stops;
pub mod trial;
mod twice;
mod writers;

pub use case::{Case, Span};
pub use report::{Report, table};
pub use run::run;
