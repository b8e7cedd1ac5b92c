//! How commands speak to people: data to standard output, messages to standard error, and what a replay has come to while it runs.
//!
//! | module | concept |
//! |---|---|
//! | `print` | data and messages, whoever reads them |
//! | `text` | numbers and what is not known, as people read them |
//! | `progress` | the progress of a replay |

#![deny(clippy::print_stdout, clippy::print_stderr)]

mod print;
mod progress;
mod text;

pub use print::{data, message};
pub use progress::Screen;
pub use text::{grouped, or_dash};
