//! Writes orders, group by group.
//!
//! A file is groups of rows, one behind the other, and a footer that says where they are. So a file that was cut off has no
//! footer, and cannot be taken for a whole one. A group is bounded in bytes: what is held is one group, and a few hundred
//! bytes for the footer of each that was written.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use parquet::schema::types::ColumnPath;

use crate::order::{Order, Shape, name};

/// A group with this number of bytes is full.
const GROUP_BYTES: usize = 8 << 20;
/// What a row takes besides its texts.
const ROW_BYTES: usize = 48;
/// How many values are handed over to a column at a time.
const VALUES: usize = 1024;

/// Readers find the groups of a range of time by the statistics of `timestamp`. Statistics of texts would only make the
/// footer longer; a dictionary helps where values come again.
static PROPERTIES: LazyLock<Arc<WriterProperties>> = LazyLock::new(|| {
    let level = ZstdLevel::try_new(1).expect("1 is a level of zstd");
    let timestamp = || ColumnPath::from(name::TIMESTAMP);
    let properties = WriterProperties::builder()
        .set_created_by(concat!("forebay ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(level))
        .set_statistics_enabled(EnabledStatistics::None)
        .set_offset_index_disabled(true)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled(ColumnPath::from(name::CUSTOMER_ID), true)
        .set_column_dictionary_enabled(ColumnPath::from(name::KIND), true)
        .set_column_dictionary_enabled(ColumnPath::from(name::CURRENCY), true)
        .set_column_dictionary_enabled(ColumnPath::from(name::ATTRIBUTES), true)
        .set_column_statistics_enabled(timestamp(), EnabledStatistics::Chunk)
        .set_column_encoding(timestamp(), Encoding::DELTA_BINARY_PACKED);
    Arc::new(properties.build())
});

/// Writes one file of orders.
pub struct OrderWriter {
    file: SerializedFileWriter<Vec<u8>>,
    shape: Shape,
    group: Group,
}

/// Rows that are not written yet.
#[derive(Default)]
struct Group {
    order_id: Texts,
    customer_id: Texts,
    timestamp: Vec<i64>,
    kind: Texts,
    currency: Texts,
    sum: Vec<i64>,
    items: Texts,
    attributes: Texts,
}

/// Texts behind one another.
#[derive(Default)]
struct Texts {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl OrderWriter {
    /// Begins a file.
    ///
    /// # Errors
    /// Never in practice: it is written into memory.
    pub fn new(shape: Shape) -> Result<Self, ParquetError> {
        let file = SerializedFileWriter::new(Vec::new(), shape.schema(), Arc::clone(&PROPERTIES))?;
        Ok(Self { file, shape, group: Group::default() })
    }

    /// Takes an order. Cheap: it is copied, and nothing is written.
    pub fn push(&mut self, order: &Order<'_>) {
        let group = &mut self.group;
        group.order_id.push(order.order_id);
        group.customer_id.push(order.customer_id);
        group.timestamp.push(order.timestamp.unix_us());
        group.kind.push(order.kind);
        group.currency.push(order.currency);
        group.sum.push(order.sum);
        group.items.push(order.items);
        if self.shape == Shape::Whole {
            group.attributes.push(order.attributes);
        }
    }

    /// Whether [`OrderWriter::write_group`] should be called before the next order.
    pub fn is_group_full(&self) -> bool {
        self.group.bytes() >= GROUP_BYTES
    }

    /// Writes what was taken as a group of rows: some tens of milliseconds of work. An empty group is not written.
    ///
    /// # Errors
    /// Never in practice: it is written into memory.
    pub fn write_group(&mut self) -> Result<(), ParquetError> {
        let group = std::mem::take(&mut self.group);
        if group.timestamp.is_empty() {
            return Ok(());
        }
        let mut rows = self.file.next_row_group()?;
        write_texts(&mut rows, group.order_id)?;
        write_texts(&mut rows, group.customer_id)?;
        write_numbers(&mut rows, &group.timestamp)?;
        write_texts(&mut rows, group.kind)?;
        write_texts(&mut rows, group.currency)?;
        write_numbers(&mut rows, &group.sum)?;
        write_texts(&mut rows, group.items)?;
        if self.shape == Shape::Whole {
            write_texts(&mut rows, group.attributes)?;
        }
        rows.close()?;
        Ok(())
    }

    /// Takes the bytes that are finished: the file is all of them, one behind the other.
    ///
    /// # Errors
    /// Never in practice: it is written into memory.
    pub fn take_bytes(&mut self) -> Result<Vec<u8>, ParquetError> {
        self.file.flush()?;
        Ok(std::mem::take(self.file.inner_mut()))
    }

    /// Writes the last group and the footer, and gives the last bytes.
    ///
    /// # Errors
    /// Never in practice: it is written into memory.
    pub fn finish(mut self) -> Result<Vec<u8>, ParquetError> {
        self.write_group()?;
        self.file.into_inner()
    }
}

impl Group {
    fn bytes(&self) -> usize {
        let Self { order_id, customer_id, kind, currency, items, attributes, .. } = self;
        let texts = [order_id, customer_id, kind, currency, items, attributes];
        texts.iter().map(|texts| texts.bytes.len()).sum::<usize>() + self.timestamp.len() * ROW_BYTES
    }
}

impl Texts {
    fn push(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
        self.ends.push(self.bytes.len());
    }
}

fn write_texts(rows: &mut SerializedRowGroupWriter<'_, Vec<u8>>, texts: Texts) -> Result<(), ParquetError> {
    let Some(mut column) = rows.next_column()? else { return Err(no_column()) };
    let bytes = Bytes::from(texts.bytes);
    let mut begin = 0;
    let mut values: Vec<ByteArray> = Vec::with_capacity(VALUES.min(texts.ends.len()));
    for ends in texts.ends.chunks(VALUES) {
        values.clear();
        values.extend(ends.iter().map(|&end| bytes.slice(std::mem::replace(&mut begin, end)..end).into()));
        column.typed::<ByteArrayType>().write_batch(&values, None, None)?;
    }
    column.close()
}

fn write_numbers(rows: &mut SerializedRowGroupWriter<'_, Vec<u8>>, numbers: &[i64]) -> Result<(), ParquetError> {
    let Some(mut column) = rows.next_column()? else { return Err(no_column()) };
    column.typed::<Int64Type>().write_batch(numbers, None, None)?;
    column.close()
}

fn no_column() -> ParquetError {
    ParquetError::General("a group has fewer columns than its schema".to_owned())
}

#[cfg(test)]
mod tests;
