//! Reads the columns of any file, some rows at a time, as texts.

use parquet::errors::ParquetError;
pub use parquet::file::reader::{ChunkReader, Length};
use parquet::file::reader::{FileReader, SerializedFileReader};

use crate::column::Column;
use crate::kind::Kind;

/// How many rows are read at a time.
const ROWS: usize = 64;

/// A file that is read row by row. Columns within lists are not to be seen; those within structures are, by their path
/// (`address.city`).
pub struct Table {
    reader: Box<dyn FileReader>,
    names: Vec<String>,
    columns: Vec<Option<Column>>,
    /// The group of rows to read next.
    group: usize,
    /// The row in hand, among those read last, and how many these are.
    row: usize,
    rows: usize,
}

impl Table {
    /// Reads the footer.
    ///
    /// # Errors
    /// When it is no Parquet file, or one that was cut off.
    pub fn open(file: impl ChunkReader + 'static) -> Result<Self, ParquetError> {
        let reader: Box<dyn FileReader> = Box::new(SerializedFileReader::new(file)?);
        let schema = reader.metadata().file_metadata().schema_descr_ptr();
        let (mut names, mut columns) = (Vec::new(), Vec::new());
        for (place, column) in schema.columns().iter().enumerate().filter(|(_, column)| column.max_rep_level() == 0) {
            names.push(column.path().string().replace('"', ""));
            columns.push(Some(Column::new(place, Kind::of(column), column.max_def_level())));
        }
        Ok(Self { reader, names, columns, group: 0, row: 0, rows: 0 })
    }

    /// The names of its columns.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Reads no other columns than these; the cells of all others are null from now on.
    pub fn keep(&mut self, is_kept: impl Fn(&str) -> bool) {
        for (name, column) in self.names.iter().zip(&mut self.columns) {
            if !is_kept(name) {
                *column = None;
            }
        }
    }

    /// Goes to the next row; false behind the last.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next_row(&mut self) -> Result<bool, ParquetError> {
        self.row += 1;
        while self.row >= self.rows {
            (self.row, self.rows) = (0, self.read_rows()?);
            if self.rows == 0 && !self.begin_group()? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The text of a column, by its place among [`Table::names`], in the row in hand; `None` for null.
    pub fn cell(&self, column: usize) -> Option<&[u8]> {
        self.columns.get(column)?.as_ref()?.cell(self.row)
    }

    fn begin_group(&mut self) -> Result<bool, ParquetError> {
        if self.group >= self.reader.num_row_groups() {
            return Ok(false);
        }
        let group = self.reader.get_row_group(self.group)?;
        for column in self.columns.iter_mut().flatten() {
            column.begin(group.get_column_reader(column.place)?);
        }
        self.group += 1;
        Ok(true)
    }

    fn read_rows(&mut self) -> Result<usize, ParquetError> {
        let mut read = None;
        for column in self.columns.iter_mut().flatten() {
            let rows = column.read(ROWS)?;
            if *read.get_or_insert(rows) != rows {
                return Err(ParquetError::General("the columns of a group differ in length".to_owned()));
            }
        }
        Ok(read.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests;
