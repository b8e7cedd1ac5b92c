//! How commands speak to people: data to standard output, messages to standard error, and what a replay has come to while it runs.
//!
//! | module | concept |
//! |---|---|
//! | `print` | data and messages, whoever reads them |
//! | `text` | numbers and what is not known, as people read them |
//! | `replay` | a replay: its progress, what a dry run has found, what it has come to |

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod print;
mod replay;
mod text;

pub use print::{data, message};
pub use replay::{Screen, summary_text};
pub use text::{grouped, or_dash};
