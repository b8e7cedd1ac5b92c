//! Tuples found in bytes from anywhere.

use super::JSONB_VERSION;
use crate::lane::{COLUMNS_MAX, Column, ColumnType, LaneSpec};
use crate::{Lane, Timestamp};

/// One tuple, its fields found and their lengths checked. The texts inside are not checked.
#[derive(Clone, Copy, Debug)]
pub struct Tuple<'a> {
    spec: &'static LaneSpec,
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

/// A tuple whose end is known, and what is wrong with a field, if anything.
pub(super) struct Framed<'a> {
    pub(super) tuple: Tuple<'a>,
    pub(super) fault: Option<TupleError>,
}

impl<'a> Tuple<'a> {
    /// The whole tuple, as COPY takes it.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The bytes of the field at that place, most often a constant made by [`Lane::place`]; for `jsonb` without the version
    /// byte.
    ///
    /// # Panics
    /// Where the lane has no such column.
    pub fn field(&self, place: usize) -> &'a [u8] {
        match self.spec.columns[place].kind {
            ColumnType::Jsonb => &self.fields[place][1..],
            _ => self.fields[place],
        }
    }

    /// The bytes of the field with that name, where the lane has such a column; as [`Tuple::field`].
    pub fn named(&self, column: &str) -> Option<&'a [u8]> {
        let place = self.spec.columns.iter().position(|known| known.name == column)?;
        Some(self.field(place))
    }

    /// The number in a field of type `int2` at that place.
    ///
    /// # Panics
    /// Where the lane has no such column of that type: the length of a field is that of its type.
    pub fn int2(&self, place: usize) -> i16 {
        i16::from_be_bytes(self.fields[place].try_into().expect("an int2 has two bytes"))
    }

    /// The number in a field of type `int8` at that place.
    ///
    /// # Panics
    /// As [`Tuple::int2`].
    pub fn int8(&self, place: usize) -> i64 {
        i64::from_be_bytes(self.fields[place].try_into().expect("an int8 has eight bytes"))
    }

    /// The fact's time. It was checked when the tuple was found.
    pub fn ordered_at(&self) -> Timestamp {
        time_of(self.fields[self.spec.time]).unwrap_or(Timestamp::EARLIEST)
    }
}

/// The tuples of a frame, in turn, or what is wrong with them: the rows are those of [`TupleIndex`](super::TupleIndex). A field that is wrong does not
/// hide what follows; it ends at the first tuple whose end cannot be found, because nothing says where the next one begins.
#[derive(Clone, Debug)]
pub struct Tuples<'a> {
    spec: &'static LaneSpec,
    rest: &'a [u8],
}

impl<'a> Tuples<'a> {
    /// The tuples of a lane's frame.
    pub fn new(lane: Lane, payload: &'a [u8]) -> Self {
        Self { spec: lane.spec(), rest: payload }
    }
}

impl<'a> Iterator for Tuples<'a> {
    type Item = Result<Tuple<'a>, TupleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let framed = frame(self.spec, self.rest);
        self.rest = match &framed {
            Ok(Framed { tuple, .. }) => &self.rest[tuple.bytes.len()..],
            Err(_) => &[],
        };
        Some(framed.and_then(|Framed { tuple, fault }| fault.map_or(Ok(tuple), Err)))
    }
}

/// The tuple at the start, its end found by the lengths of its fields whatever they hold.
///
/// # Errors
/// Where nothing says where the next tuple would begin: it is torn, or has not exactly the lane's fields.
pub(super) fn frame<'a>(spec: &'static LaneSpec, bytes: &'a [u8]) -> Result<Framed<'a>, TupleError> {
    let (count, mut rest) = bytes.split_first_chunk().ok_or(TupleError::Torn)?;
    let found = i16::from_be_bytes(*count);
    if usize::try_from(found) != Ok(spec.columns.len()) {
        return Err(TupleError::FieldCount { found, expected: spec.columns.len() });
    }
    let (mut fields, mut fault) = ([&[][..]; COLUMNS_MAX], None);
    for (field, column) in fields.iter_mut().zip(spec.columns) {
        let Some((length, found, behind)) = split_field(rest) else { return Err(fault.unwrap_or(TupleError::Torn)) };
        (*field, rest) = (found, behind);
        if fault.is_none() {
            fault = check_field(column, length, found).err();
        }
    }
    let bytes = &bytes[..bytes.len() - rest.len()];
    Ok(Framed { tuple: Tuple { spec, bytes, fields }, fault })
}

/// The length that a field says, its bytes, and what follows. A field that is NULL has none.
fn split_field(bytes: &[u8]) -> Option<(i32, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    let length = i32::from_be_bytes(*length);
    let (field, behind) = rest.split_at_checked(usize::try_from(length.max(0)).ok()?)?;
    Some((length, field, behind))
}

/// The fields of a tuple that was found before, from the first on.
pub(super) fn leading_fields(tuple: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = tuple.get(size_of::<i16>()..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (_, field, behind) = split_field(rest)?;
        rest = behind;
        Some(field)
    })
}

fn check_field(column: &Column, length: i32, field: &[u8]) -> Result<(), TupleError> {
    let fits = match column.kind {
        _ if length < 0 => false,
        ColumnType::Int2 => length == 2,
        ColumnType::Int8 | ColumnType::Timestamptz => length == 8,
        ColumnType::Jsonb => length > 0,
        ColumnType::Text => true,
    };
    if !fits {
        return Err(TupleError::FieldLength { column: column.name, bytes: length });
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A tuple of that many empty fields.
    fn empty(fields: usize) -> Vec<u8> {
        let mut tuple = (fields as i16).to_be_bytes().to_vec();
        tuple.resize(2 + 4 * fields, 0);
        tuple
    }

    #[test]
    fn a_tuple_with_a_column_more_or_less_is_refused() {
        for lane in Lane::ALL {
            let expected = lane.columns().len();
            for fields in (0..=COLUMNS_MAX + 2).filter(|&fields| fields != expected) {
                let bytes = empty(fields);
                let error = Tuples::new(lane, &bytes).next().unwrap().unwrap_err();
                assert_eq!(error, TupleError::FieldCount { found: fields as i16, expected }, "{lane}");
                let index = crate::tuple::TupleIndex::of(lane, &bytes);
                assert!(index.is_torn() && index.entries().is_empty(), "{lane} {fields}");
            }
        }
    }
}
