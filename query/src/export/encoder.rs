//! Rows as bytes of the form that is wanted.

use bytes::Bytes;
use forebay_parquet::{Order, OrderWriter, ParquetError, Shape};
use forebay_shard::read::OrderRow;

use super::format::Format;
use super::{csv, items};
use crate::answer::{Fact, Sum, push_fact};

/// Bytes go out in chunks of this size, or a little more.
pub(super) const CHUNK_BYTES: usize = 128 << 10;

/// Makes an export of rows.
pub(crate) struct Encoder {
    format: Format,
    form: Form,
    /// What is finished and not yet taken.
    out: Vec<u8>,
}

enum Form {
    Ndjson,
    Csv,
    Parquet(Box<OrderWriter>),
    ItemsNdjson,
    ItemsCsv,
}

/// What a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Rows {
    /// An order.
    Whole,
    /// What the key of a view sees of one.
    OfView,
    /// An item of what either would be. There is no such Parquet file.
    Items,
}

impl Encoder {
    pub(crate) fn new(format: Format, rows: Rows) -> Result<Self, ParquetError> {
        let mut out = Vec::new();
        let form = match format {
            Format::Ndjson if rows == Rows::Items => Form::ItemsNdjson,
            Format::Csv if rows == Rows::Items => {
                out.extend_from_slice(items::HEADER);
                Form::ItemsCsv
            }
            Format::Ndjson => Form::Ndjson,
            Format::Csv => {
                out.extend_from_slice(if rows == Rows::OfView { csv::VIEW } else { csv::WHOLE });
                Form::Csv
            }
            Format::Parquet => {
                let shape = if rows == Rows::OfView { Shape::View } else { Shape::Whole };
                Form::Parquet(Box::new(OrderWriter::new(shape)?))
            }
        };
        Ok(Self { format, form, out })
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    pub(super) fn push(&mut self, row: &OrderRow) {
        match &mut self.form {
            Form::Ndjson => {
                push_fact(&mut self.out, &Fact::of(row));
                self.out.push(b'\n');
            }
            Form::Csv => csv::push_fact(&mut self.out, &Fact::of(row)),
            Form::ItemsNdjson => items::push_ndjson(&mut self.out, &Fact::of(row)),
            Form::ItemsCsv => items::push_csv(&mut self.out, &Fact::of(row)),
            Form::Parquet(writer) => writer.push(&order(&Fact::of(row))),
        }
    }

    /// Whether [`Encoder::work`] is to be done before the next row.
    pub(super) fn has_work(&self) -> bool {
        matches!(&self.form, Form::Parquet(writer) if writer.is_group_full())
    }

    /// Work that would hold up other tasks, done where it does not.
    pub(super) async fn work(self) -> Result<Self, ParquetError> {
        aside(move || {
            let Self { format, mut form, mut out } = self;
            if let Form::Parquet(writer) = &mut form {
                writer.write_group()?;
                out.append(&mut writer.take_bytes()?);
            }
            Ok(Self { format, form, out })
        })
        .await
    }

    /// What is finished, where it is enough for a chunk.
    pub(super) fn take(&mut self) -> Option<Bytes> {
        if self.out.len() < CHUNK_BYTES {
            return None;
        }
        // The next chunk will be about as large.
        let room = self.out.len().min(2 * CHUNK_BYTES);
        Some(std::mem::replace(&mut self.out, Vec::with_capacity(room)).into())
    }

    /// Everything that is left.
    pub(super) async fn finish(self) -> Result<Bytes, ParquetError> {
        let Self { form, mut out, .. } = self;
        match form {
            Form::Ndjson | Form::Csv | Form::ItemsNdjson | Form::ItemsCsv => Ok(out.into()),
            Form::Parquet(writer) => {
                aside(move || {
                    out.append(&mut writer.finish()?);
                    Ok(out.into())
                })
                .await
            }
        }
    }
}

async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, ParquetError> + Send + 'static,
) -> Result<T, ParquetError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(ParquetError::General(format!("the work on a group of rows failed: {error}"))))
}

fn order<'a>(fact: &Fact<'a>) -> Order<'a> {
    let (sum, attributes) = match fact.sum {
        Sum::Total(total, attributes) => (total, attributes),
        Sum::Subtotal(subtotal) => (subtotal, ""),
    };
    Order {
        order_id: fact.order_id,
        customer_id: fact.customer_id,
        timestamp: fact.ordered_at,
        kind: fact.kind,
        currency: fact.currency,
        sum,
        items: fact.items,
        attributes,
    }
}
