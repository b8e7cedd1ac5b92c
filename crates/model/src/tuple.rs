//! Facts as PostgreSQL binary COPY tuples: a 16-bit field count, then for each field a 32-bit length and its bytes.
//! Source: the section "Binary Format" of <https://www.postgresql.org/docs/current/sql-copy.html>, and each type's
//! `recv` function.

use crate::lane::{Column, ColumnType};
use crate::order::ViewSlice;
use crate::{Lane, Order, Timestamp};

/// What stands before the first tuple of a COPY: signature, flags, length of the header extension.
pub const COPY_HEADER: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// What stands behind the last tuple of a COPY: a field count of -1.
pub const COPY_TRAILER: &[u8] = &(-1i16).to_be_bytes();

/// The version byte in front of the text of a `jsonb`.
const JSONB_VERSION: u8 = 1;

/// The most columns of any lane.
const COLUMNS_MAX: usize = 8;

/// Appends an order's tuple in lane `orders`.
pub fn push_order(out: &mut Vec<u8>, order: &Order<'_>) {
    push_count(out, Lane::Orders);
    push_field(out, &order.bucket.number().to_be_bytes());
    push_field(out, order.customer_id().as_str().as_bytes());
    push_field(out, &order.ordered_at.postgres_us().to_be_bytes());
    push_field(out, order.order_id.as_str().as_bytes());
    push_field(out, &order.total().to_be_bytes());
    push_jsonb(out, &[order.items()]);
    push_jsonb(out, &[order.attributes()]);
}

/// Appends an order's tuple in lane `index`.
pub fn push_index(out: &mut Vec<u8>, order: &Order<'_>) {
    let (order_id, customer_id) = (order.order_id.as_str(), order.customer_id().as_str());
    push_index_of(out, order_id.as_bytes(), customer_id.as_bytes(), order.ordered_at);
}

/// Appends the tuple in lane `index` of an order with that identity. Nothing checks the texts.
pub fn push_index_of(out: &mut Vec<u8>, order_id: &[u8], customer_id: &[u8], ordered_at: Timestamp) {
    push_count(out, Lane::Index);
    push_field(out, order_id);
    push_field(out, customer_id);
    push_field(out, &ordered_at.postgres_us().to_be_bytes());
}

/// Appends the tuple in lane `views` of what one key sees of an order.
pub fn push_view(out: &mut Vec<u8>, order: &Order<'_>, slice: &ViewSlice<'_>) {
    push_count(out, Lane::Views);
    push_field(out, slice.view.as_bytes());
    push_field(out, slice.key.as_bytes());
    push_field(out, &order.ordered_at.postgres_us().to_be_bytes());
    push_field(out, order.order_id.as_str().as_bytes());
    push_field(out, order.customer_id().as_str().as_bytes());
    push_field(out, &order.bucket.number().to_be_bytes());
    push_field(out, &slice.subtotal.to_be_bytes());
    let mut array = Vec::with_capacity(slice.items.len() * 2 + 1);
    for (i, &item) in slice.items.iter().enumerate() {
        array.extend([if i == 0 { "[" } else { "," }, item]);
    }
    array.push("]");
    push_jsonb(out, &array);
}

fn push_count(out: &mut Vec<u8>, lane: Lane) {
    out.extend_from_slice(&(lane.columns().len() as i16).to_be_bytes());
}

/// No field comes near 2³¹ bytes: an order has at most 256 KiB.
fn push_field(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn push_jsonb(out: &mut Vec<u8>, text: &[&str]) {
    let bytes: usize = text.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&(bytes as i32 + 1).to_be_bytes());
    out.push(JSONB_VERSION);
    for part in text {
        out.extend_from_slice(part.as_bytes());
    }
}

/// One tuple, its fields found and their lengths checked. The texts inside are not checked.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    columns: &'static [Column],
    bytes: &'a [u8],
    fields: [&'a [u8]; COLUMNS_MAX],
}

/// What is wrong with the bytes of a tuple.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TupleError {
    /// The bytes end within a tuple.
    #[error("the bytes end in the middle of a tuple")]
    Torn,
    /// The field count is not the lane's.
    #[error("the tuple has {found} fields instead of {expected}")]
    FieldCount {
        /// What the tuple says.
        found: i16,
        /// What the lane has.
        expected: usize,
    },
    /// A field is NULL or has not the length of its type.
    #[error("field {column} has a length of {bytes} bytes, which its type cannot have")]
    FieldLength {
        /// The column's name.
        column: &'static str,
        /// The length that the tuple says; -1 is NULL.
        bytes: i32,
    },
    /// A `jsonb` of another version than 1.
    #[error("field {column} has a jsonb version other than 1")]
    JsonbVersion {
        /// The column's name.
        column: &'static str,
    },
    /// A time that no timestamp can hold.
    #[error("ordered_at lies outside the range of timestamps")]
    Time,
}

impl<'a> Tuple<'a> {
    /// The whole tuple, as COPY takes it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the field at that place; for `jsonb` without the version byte.
    ///
    /// # Panics
    /// Where the lane has no such column.
    pub fn field(&self, place: usize) -> &'a [u8] {
        match self.columns[place].kind {
            ColumnType::Jsonb => &self.fields[place][1..],
            _ => self.fields[place],
        }
    }

    /// The fact's time. It was checked when the tuple was found.
    pub fn ordered_at(&self) -> Timestamp {
        time_of(self.fields[Lane::ORDERED_AT]).unwrap_or(Timestamp::EARLIEST)
    }
}

/// The tuples of a frame, in turn. It ends at the first error, because nothing says where the next tuple begins.
#[derive(Clone, Debug)]
pub struct Tuples<'a> {
    columns: &'static [Column],
    rest: &'a [u8],
}

impl<'a> Tuples<'a> {
    /// The tuples of a lane's frame.
    pub fn new(lane: Lane, payload: &'a [u8]) -> Self {
        Self { columns: lane.columns(), rest: payload }
    }

    fn tuple(&self) -> Result<Tuple<'a>, TupleError> {
        let (count, mut rest) = self.rest.split_first_chunk().ok_or(TupleError::Torn)?;
        let found = i16::from_be_bytes(*count);
        if usize::try_from(found) != Ok(self.columns.len()) {
            return Err(TupleError::FieldCount { found, expected: self.columns.len() });
        }
        let mut fields = [&[][..]; COLUMNS_MAX];
        for (field, column) in fields.iter_mut().zip(self.columns) {
            let (length, behind) = rest.split_first_chunk().ok_or(TupleError::Torn)?;
            let bytes = i32::from_be_bytes(*length);
            let wrong = TupleError::FieldLength { column: column.name, bytes };
            let length = usize::try_from(bytes).map_err(|_| wrong.clone())?;
            (*field, rest) = behind.split_at_checked(length).ok_or(TupleError::Torn)?;
            check_field(column, field, wrong)?;
        }
        let bytes = &self.rest[..self.rest.len() - rest.len()];
        Ok(Tuple { columns: self.columns, bytes, fields })
    }
}

fn check_field(column: &Column, field: &[u8], wrong_length: TupleError) -> Result<(), TupleError> {
    let fits = match column.kind {
        ColumnType::Int2 => field.len() == 2,
        ColumnType::Int8 | ColumnType::Timestamptz => field.len() == 8,
        ColumnType::Jsonb => !field.is_empty(),
        ColumnType::Text => true,
    };
    if !fits {
        return Err(wrong_length);
    }
    match (column.kind, field) {
        (ColumnType::Jsonb, [version, ..]) if *version != JSONB_VERSION => {
            Err(TupleError::JsonbVersion { column: column.name })
        }
        (ColumnType::Timestamptz, _) => time_of(field).map(|_| ()).ok_or(TupleError::Time),
        _ => Ok(()),
    }
}

fn time_of(field: &[u8]) -> Option<Timestamp> {
    Timestamp::from_postgres_us(i64::from_be_bytes(field.try_into().ok()?))
}

impl<'a> Iterator for Tuples<'a> {
    type Item = Result<Tuple<'a>, TupleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let tuple = self.tuple();
        self.rest = match &tuple {
            Ok(tuple) => &self.rest[tuple.bytes.len()..],
            Err(_) => &[],
        };
        Some(tuple)
    }
}
