//! What a replay tells people: while it runs, of a dry run, and at its end.
//!
//! | module | concept |
//! |---|---|
//! | `progress` | how far it has come |
//! | `report` | what a dry run has found |
//! | `summary` | what it has come to |

mod progress;
mod report;
mod summary;

pub use progress::Screen;
pub use summary::summary_text;
