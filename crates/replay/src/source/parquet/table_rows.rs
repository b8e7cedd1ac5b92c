//! Rows of a Parquet file as lines of items.

use std::io;

use csv::ByteRecord;
use forebay_parquet::Table;

use crate::map::Map;
use crate::source::rows::{RowPlace, Rows};

/// The rows of a file, with the columns of a map.
pub(super) struct TableRows {
    table: Table,
    /// How many rows were read.
    count: u64,
}

impl TableRows {
    /// The rows, and the names of their columns. Only those that the map names are read.
    pub(super) fn new(mut table: Table, map: &Map) -> (Self, ByteRecord) {
        let header = ByteRecord::from(table.names().to_vec());
        let wanted = map.columns();
        table.keep(|name| wanted.contains(&name));
        (Self { table, count: 0 }, header)
    }
}

impl Rows for TableRows {
    fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<RowPlace>> {
        if !self.table.next_row().map_err(io::Error::other)? {
            return Ok(None);
        }
        row.clear();
        for column in 0..self.table.names().len() {
            // What is null stands empty, as it does in CSV.
            row.push_field(self.table.cell(column).unwrap_or_default());
        }
        self.count += 1;
        Ok(Some(RowPlace { line: self.count, is_late: false }))
    }
}
