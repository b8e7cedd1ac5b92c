//! COPY: the tuples of the log, as they are but for their place, into a table.

use forebay_model::tuple::{COPY_HEADER, COPY_TRAILER};
use sqlx::postgres::PgConnection;

use crate::place::Place;
use crate::step::{Step, StepError, step};

/// Small frames are gathered into one message to the server; it makes no difference to a large one.
const CHUNK_BYTES: usize = 64 * 1024;

/// What is sent: a tuple with its place, or any number of tuples as they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sent<'a> {
    pub(crate) tuples: &'a [u8],
    pub(crate) place: Option<Place>,
}

/// Streams tuples into a `copy … from stdin (format binary)`. The bytes are those of the log, and places.
///
/// After any error, and when this is dropped in the middle, the connection is off by an answer and must not be used again.
/// [`Session`](crate::store::transaction::attempt::Session) owns its connection and gives it back only after a COMMIT, so there is nothing to forget.
pub(crate) async fn copy(connection: &mut PgConnection, statement: &str, rows: &[Sent<'_>]) -> Result<u64, StepError> {
    let mut copy = step(Step::Rows, connection.copy_in_raw(statement)).await?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES * 2);
    chunk.extend_from_slice(COPY_HEADER);
    for row in rows {
        row.push(&mut chunk);
        if chunk.len() >= CHUNK_BYTES {
            step(Step::Rows, copy.send(&chunk[..])).await?;
            chunk.clear();
        }
    }
    chunk.extend_from_slice(COPY_TRAILER);
    step(Step::Rows, copy.send(&chunk[..])).await?;
    step(Step::Rows, copy.finish()).await
}

impl<'a> Sent<'a> {
    /// Tuples of a table that keeps no places.
    pub(crate) fn as_they_are(tuples: &'a [u8]) -> Self {
        Self { tuples, place: None }
    }

    fn push(self, out: &mut Vec<u8>) {
        match self.place {
            Some(place) => place.push_tuple(self.tuples, out),
            None => out.extend_from_slice(self.tuples),
        }
    }
}
