//! A statement that is asked, and what it gives.

use std::sync::Arc;

use forebay_model::Position;
use sqlx::postgres::PgArguments;

use crate::sql::row::FactRow;

/// A statement and what it may bring.
pub(crate) struct Ask<'a> {
    /// Its kind in metrics.
    pub(crate) read: &'static str,
    pub(crate) text: Arc<str>,
    /// Makes the parameters; again where the statement is tried again.
    pub(crate) arguments: &'a (dyn Fn() -> PgArguments + Send + Sync),
    /// Reading stops behind the row that exceeds this many bytes.
    pub(crate) bytes_max: usize,
}

/// What a statement gave.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    /// The lane's position in the snapshot of the rows; `None` before the first commit.
    pub(crate) position: Option<Position>,
    pub(crate) facts: Vec<FactRow>,
    /// Whether there are more rows, which were not read because of their bytes.
    pub(crate) is_cut: bool,
}
