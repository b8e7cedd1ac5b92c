//! The parameters of a statement.

use sqlx::postgres::PgArguments;
use sqlx::{Arguments, Encode, Postgres, Type};

/// The parameters of a statement, in turn.
#[derive(Default)]
pub(crate) struct Parameters(PgArguments);

impl Parameters {
    pub(crate) fn with<'t, T: Encode<'t, Postgres> + Type<Postgres>>(mut self, value: T) -> Self {
        self.0.add(value).expect("texts and numbers can be encoded");
        self
    }

    pub(crate) fn into_arguments(self) -> PgArguments {
        self.0
    }
}
