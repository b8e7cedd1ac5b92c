//! The model's instants as Postgres' `timestamptz`, so that they can be bound and read.

use forebay_model::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::postgres::types::Oid;
use sqlx::postgres::{PgArgumentBuffer, PgHasArrayType, PgTypeInfo, PgValueFormat, PgValueRef};
use sqlx::{Decode, Encode, Postgres, Type};

/// An instant as a parameter or a column of type `timestamptz`. Columns are read in the binary format only, which every
/// statement uses but those of several statements in one text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamptz(pub Timestamp);

/// `timestamptz` and its array in every Postgres: `pg_type.dat`.
const OID: Oid = Oid(1184);
const ARRAY_OID: Oid = Oid(1185);

impl Type<Postgres> for Timestamptz {
    fn type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(OID)
    }
}

impl PgHasArrayType for Timestamptz {
    fn array_type_info() -> PgTypeInfo {
        PgTypeInfo::with_oid(ARRAY_OID)
    }
}

impl Encode<'_, Postgres> for Timestamptz {
    fn encode_by_ref(&self, out: &mut PgArgumentBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<Postgres>>::encode(self.0.postgres_us(), out)
    }

    fn size_hint(&self) -> usize {
        size_of::<i64>()
    }
}

impl<'r> Decode<'r, Postgres> for Timestamptz {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.format() == PgValueFormat::Text {
            return Err("a timestamptz in text format".into());
        }
        let us = <i64 as Decode<Postgres>>::decode(value)?;
        Ok(Self(Timestamp::from_postgres_us(us).ok_or("a timestamptz outside the range of instants")?))
    }
}
