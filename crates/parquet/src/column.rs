//! One column of a group of rows: some of its values at a time, as texts.

use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{AsBytes, DataType};
use parquet::errors::ParquetError;

use crate::kind::{Kind, push};

/// A column that is read.
pub(crate) struct Column {
    /// Where it stands among the file's columns.
    pub(crate) place: usize,
    kind: Kind,
    /// The level that values have which are not null; 0 where none can be.
    level: i16,
    reader: Option<ColumnReader>,
    cells: Cells,
}

/// Texts behind one another, some of them null.
#[derive(Default)]
struct Cells {
    bytes: Vec<u8>,
    /// Where each text ends; nothing for null.
    ends: Vec<Option<usize>>,
    /// Where each text begins.
    starts: Vec<usize>,
}

impl Column {
    pub(crate) fn new(place: usize, kind: Kind, level: i16) -> Self {
        Self { place, kind, level, reader: None, cells: Cells::default() }
    }

    /// Begins with a group of rows.
    pub(crate) fn begin(&mut self, reader: ColumnReader) {
        self.reader = Some(reader);
    }

    /// The text of a row that was read last; `None` for null.
    pub(crate) fn cell(&self, row: usize) -> Option<&[u8]> {
        let end = *self.cells.ends.get(row)?;
        Some(&self.cells.bytes[self.cells.starts[row]..end?])
    }

    /// Reads at most `rows` rows. Gives how many.
    pub(crate) fn read(&mut self, rows: usize) -> Result<usize, ParquetError> {
        let Self { kind, level, cells, .. } = self;
        let (kind, level) = (*kind, *level);
        match self.reader.as_mut() {
            None => Ok(0),
            Some(ColumnReader::BoolColumnReader(of)) => read(of, rows, level, cells, |out, value| push(out, value)),
            Some(ColumnReader::Int32ColumnReader(of)) => {
                read(of, rows, level, cells, |out, value| kind.push_i32(out, *value))
            }
            Some(ColumnReader::Int64ColumnReader(of)) => {
                read(of, rows, level, cells, |out, value| kind.push_i64(out, *value))
            }
            Some(ColumnReader::Int96ColumnReader(of)) => {
                let kind = Kind::Timestamp { per_second: 1_000_000, is_utc: true };
                read(of, rows, level, cells, |out, value| kind.push_i64(out, value.to_micros()))
            }
            // The shortest text that is this number, without an exponent.
            Some(ColumnReader::FloatColumnReader(of)) => read(of, rows, level, cells, |out, value| push(out, value)),
            Some(ColumnReader::DoubleColumnReader(of)) => read(of, rows, level, cells, |out, value| push(out, value)),
            Some(ColumnReader::ByteArrayColumnReader(of)) => {
                read(of, rows, level, cells, |out, value| kind.push_bytes(out, value.data()))
            }
            Some(ColumnReader::FixedLenByteArrayColumnReader(of)) => {
                read(of, rows, level, cells, |out, value| kind.push_bytes(out, value.as_bytes()))
            }
        }
    }
}

impl Cells {
    fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
        self.starts.clear();
    }

    fn end(&mut self, start: usize, end: Option<usize>) {
        self.starts.push(start);
        self.ends.push(end);
    }
}

fn read<T: DataType>(
    reader: &mut ColumnReaderImpl<T>,
    rows: usize,
    level: i16,
    cells: &mut Cells,
    push: impl Fn(&mut Vec<u8>, &T::T),
) -> Result<usize, ParquetError> {
    let (mut values, mut levels) = (Vec::new(), Vec::new());
    let (records, _, _) = reader.read_records(rows, (level > 0).then_some(&mut levels), None, &mut values)?;
    cells.clear();
    let mut values = values.iter();
    for row in 0..records {
        let start = cells.bytes.len();
        let is_null = level > 0 && levels.get(row).is_none_or(|&has| has < level);
        if is_null {
            cells.end(start, None);
            continue;
        }
        let value = values.next().ok_or_else(|| ParquetError::General("a column lacks values".to_owned()))?;
        push(&mut cells.bytes, value);
        cells.end(start, Some(cells.bytes.len()));
    }
    Ok(records)
}
