//! Values beside the text of a statement, in the order of their numbers there.

use forebay_model::Bucket;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, Postgres, Type};

/// A bucket as a value.
pub(super) fn number(bucket: Bucket) -> i16 {
    bucket.number().cast_signed()
}

/// One parameter more.
pub(super) fn with<'t, T: Encode<'t, Postgres> + Type<Postgres>>(mut arguments: PgArguments, value: T) -> PgArguments {
    arguments.add(value).expect("texts and numbers can be encoded");
    arguments
}
