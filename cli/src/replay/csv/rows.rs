//! The rows of a CSV file, with a bound on their length: a quote that is never closed would take in the rest of the file.

use std::io::{self, Read};

use csv::ByteRecord;

/// No row is longer.
const ROW_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Reads row by row.
pub(super) struct Rows<R> {
    reader: csv::Reader<Bounded<R>>,
}

/// Reads no more than a budget that is filled up again for every row.
struct Bounded<R> {
    inner: R,
    budget: u64,
}

impl<R: Read> Rows<R> {
    pub(super) fn new(inner: R, delimiter: u8) -> Self {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .buffer_capacity(64 * 1024)
            .from_reader(Bounded { inner, budget: ROW_BYTES_MAX });
        Self { reader }
    }

    /// Reads the next row, and gives the line, from 1 on, that it begins on. `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read, or a row does not end.
    pub(super) fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<u64>> {
        self.reader.get_mut().budget = ROW_BYTES_MAX;
        let before = self.reader.position().line();
        match self.reader.read_byte_record(row) {
            Ok(true) => Ok(Some(row.position().map_or(before, csv::Position::line))),
            Ok(false) => Ok(None),
            Err(_) if self.reader.get_ref().budget == 0 => Err(io::Error::other(format!(
                "line {before}: a row does not end within 4 MiB: is a closing quote missing?"
            ))),
            Err(error) => Err(match error.into_kind() {
                csv::ErrorKind::Io(error) => error,
                other => io::Error::other(format!("line {before}: {other:?}")),
            }),
        }
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget == 0 {
            return Err(io::Error::other("a row without an end"));
        }
        let read = self.inner.read(buffer)?;
        self.budget = self.budget.saturating_sub(read as u64);
        Ok(read)
    }
}
