//! How commands speak to people: data to standard output, messages to standard error, and what a replay has come to while it runs.
//!
//! | module | concept |
//! |---|---|
//! | `print` | data and messages, for people and programs |
//! | `text` | numbers and what is not known, as people read them |
//! | `figures` | the map and each shard's figures |
//! | `moves` | what is to move, and how far it has come |
//! | `verify` | what was looked at, and what differs |
//! | `letter` | a dead letter |
//! | `replay` | a replay: its progress, what a dry run has found, what it has come to |

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod figures;
mod letter;
mod moves;
mod print;
mod replay;
mod text;
mod verify;

pub use figures::{figures_text, labels_text};
pub use letter::letter_text;
pub use moves::{moves_text, plan_text, progress_text};
pub use print::{data, message};
pub use replay::{Screen, summary_text};
pub use text::{grouped, or_dash};
pub use verify::{buckets_text, verify_text};
