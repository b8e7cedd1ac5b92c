//! The command line.

use anyhow::{Result, ensure};
use clap::Parser;

use crate::limit::{accepting, constant};
use crate::rows::Row;
use crate::scale::Scale;

/// Measures Forebay beside what the servers under it can do, on servers of its own
#[derive(Clone, Debug, Parser)]
#[command(name = "./dev bench", args_conflicts_with_subcommands = true)]
pub struct Settings {
    /// All rows, with a million orders and more rounds: up to twenty minutes instead of three
    #[arg(long)]
    pub full: bool,

    /// Write the table and the plots to tools/bench/RESULTS.md and beside it
    #[arg(long)]
    pub record: bool,

    /// Rows to measure instead of all
    #[arg(value_name = "ROW")]
    pub rows: Vec<String>,

    /// A server that is a limit, run as a process of its own
    #[command(subcommand)]
    pub server: Option<LimitServer>,
}

/// The limits that are servers.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum LimitServer {
    /// Takes orders and logs nothing
    #[command(hide = true)]
    ServeAccepting(accepting::Settings),
    /// Always answers the same
    #[command(hide = true)]
    ServeConstant(constant::Settings),
}

impl Settings {
    /// How much is measured.
    pub fn scale(&self) -> Scale {
        if self.full { Scale::FULL } else { Scale::QUICK }
    }

    /// The rows that are to be measured, and those that are left out because they take too long. A row that is named is
    /// measured, however long it takes.
    ///
    /// # Errors
    /// Where there is no such row.
    pub fn chosen(&self) -> Result<(Vec<Row>, Vec<Row>)> {
        let names: Vec<&str> = Row::ALL.iter().map(|row| row.name()).collect();
        for name in &self.rows {
            ensure!(names.contains(&name.as_str()), "there is no row `{name}`; there are {}", names.join(", "));
        }
        if self.rows.is_empty() {
            return Ok(Row::ALL.iter().partition(|row| self.full || !row.is_long()));
        }
        let is_named = |row: &Row| self.rows.iter().any(|name| name == row.name());
        Ok((Row::ALL.into_iter().filter(is_named).collect(), Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(arguments: &[&str]) -> Result<(Vec<Row>, Vec<Row>)> {
        Settings::try_parse_from([&["bench"], arguments].concat())?.chosen()
    }

    #[test]
    fn a_quick_run_says_which_rows_it_leaves_out() {
        let (quick, left_out) = chosen(&[]).unwrap();
        assert_eq!(left_out, [Row::Status, Row::Events, Row::Cost, Row::OneCore, Row::Shards, Row::Page, Row::Stored]);
        assert_eq!(quick.len() + left_out.len(), Row::ALL.len());
        assert_eq!(chosen(&["--full"]).unwrap().0.len(), Row::ALL.len());
    }

    #[test]
    fn a_row_that_is_named_is_measured_however_long_it_takes() {
        assert_eq!(chosen(&["page", "post"]).unwrap().0, [Row::Post, Row::Page]);
        assert!(chosen(&["nothing"]).unwrap_err().to_string().contains("there is no row `nothing`; there are"));
    }
}
