//! The rows of a CSV file, of a bounded length: a quote that is never closed would take in the rest of the file.

use std::io::{self, Read};

use csv::{ByteRecord, Position, Terminator};

use super::{RowPlace, Rows};

/// No row is longer.
const ROW_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// The rows of a CSV file.
pub(crate) struct CsvRows<R> {
    reader: csv::Reader<Watched<R>>,
    /// The byte behind the row before the one that was read last.
    row_start: u64,
}

/// Reads no more than a budget that is filled up again for every row, and knows what it read last.
struct Watched<R> {
    inner: R,
    budget: u64,
    bytes: u64,
    last: u8,
}

impl<R: Read> CsvRows<R> {
    pub(crate) fn new(inner: R, delimiter: u8) -> Self {
        let reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            // With carriage returns as a part of the end of a line, lines are counted wrongly.
            .terminator(Terminator::Any(b'\n'))
            .buffer_capacity(64 * 1024)
            .from_reader(Watched { inner, budget: ROW_BYTES_MAX, bytes: 0, last: b'\n' });
        Self { reader, row_start: 0 }
    }

    /// How many bytes the rows have that were read.
    pub(crate) fn bytes(&self) -> u64 {
        self.reader.position().byte()
    }

    /// The line that the row just read begins on. Blank lines before it were passed over, so it is counted from its end.
    fn begins_on(&self, row: &ByteRecord) -> u64 {
        let behind: &Position = self.reader.position();
        let within = memchr::memchr_iter(b'\n', row.as_slice()).count() as u64;
        let watched = self.reader.get_ref();
        // The last row may lack its line feed, or have it within a quote that is not closed.
        let is_torn = behind.byte() == watched.bytes && (watched.last != b'\n' || row.as_slice().ends_with(b"\n"));
        behind.line().saturating_sub(within + u64::from(!is_torn))
    }

    fn explain(&self, error: csv::Error, line: u64) -> io::Error {
        if self.reader.get_ref().budget == 0 {
            let what = "a row does not end within 4 MiB: is a closing quote missing?";
            return io::Error::other(format!("line {line}: {what}"));
        }
        match error.into_kind() {
            csv::ErrorKind::Io(error) => error,
            other => io::Error::other(format!("line {line}: {other:?}")),
        }
    }
}

impl<R: Read + Send> Rows for CsvRows<R> {
    fn next(&mut self, row: &mut ByteRecord) -> io::Result<Option<RowPlace>> {
        loop {
            self.reader.get_mut().budget = ROW_BYTES_MAX;
            let before = self.reader.position().line();
            self.row_start = self.bytes();
            match self.reader.read_byte_record(row) {
                Ok(true) if drop_carriage_return(row) => {}
                Ok(true) => return Ok(Some(RowPlace { line: self.begins_on(row), is_late: false })),
                Ok(false) => return Ok(None),
                Err(error) => return Err(self.explain(error, before)),
            }
        }
    }

    fn begins_at(&self) -> Option<u64> {
        Some(self.row_start)
    }
}

/// Takes the carriage return off the end of a row. Says whether the row was a blank line.
fn drop_carriage_return(row: &mut ByteRecord) -> bool {
    let last = row.len().saturating_sub(1);
    let Some(kept) = row.get(last).and_then(|field| field.strip_suffix(b"\r")).map(<[u8]>::to_vec) else {
        return false;
    };
    row.truncate(last);
    row.push_field(&kept);
    last == 0 && kept.is_empty()
}

impl<R: Read> Read for Watched<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget == 0 {
            return Err(io::Error::other("a row without an end"));
        }
        let read = self.inner.read(buffer)?;
        self.budget = self.budget.saturating_sub(read as u64);
        self.bytes += read as u64;
        self.last = buffer[..read].last().copied().unwrap_or(self.last);
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_know_their_lines_whatever_ends_them() {
        for text in [
            "a,b\n\n\n1,\"2\n3\"\n4,5\n\n6,7",
            "a,b\r\n\r\n\r\n1,\"2\r\n3\"\r\n4,5\r\n\r\n6,7\r\n",
            "a,b\n\n\n1,\"2\n3\"\n4,5\n\n6,7\n\n",
        ] {
            let mut rows = CsvRows::new(text.as_bytes(), b',');
            let (mut row, mut found) = (ByteRecord::new(), Vec::new());
            while let Some(RowPlace { line, .. }) = rows.next(&mut row).unwrap() {
                found.push((line, String::from_utf8(row.get(1).unwrap().to_vec()).unwrap().replace('\r', "")));
            }
            let expected = [(1, "b"), (4, "2\n3"), (6, "5"), (8, "7")].map(|(line, text)| (line, text.to_owned()));
            assert_eq!(found, expected, "{text:?}");
        }
    }
}
