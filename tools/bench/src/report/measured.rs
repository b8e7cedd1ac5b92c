//! All that was measured.

use serde::Serialize;

use super::machine::Machine;
use crate::figure::line::Line;

/// All that was measured.
#[derive(Debug, Serialize)]
pub struct Report {
    /// When, of what, and on which machine.
    #[serde(flatten)]
    pub run: Machine,
    /// What was measured.
    pub lines: Vec<Line>,
    /// The rows that a quick run does not measure.
    #[serde(skip)]
    pub left_out: Vec<&'static str>,
    /// What could not be measured, and why.
    pub failed: Vec<String>,
    /// How long all of it took, in seconds.
    pub took_s: u64,
}
