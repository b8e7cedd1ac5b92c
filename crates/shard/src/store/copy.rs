//! COPY: the tuples of the log, as they are, into a table.

use forebay_model::tuple::{COPY_HEADER, COPY_TRAILER};
use sqlx::postgres::PgConnection;

use super::step::{Step, StepError, step};

/// Small frames are gathered into one message to the server; it makes no difference to a large one.
const CHUNK_BYTES: usize = 64 * 1024;

/// Streams tuples into a `copy … from stdin (format binary)`. The bytes are those of the log.
///
/// After any error, and when this is dropped in the middle, the connection is off by an answer and must not be used again.
/// [`super::attempt`] owns its connection and gives it back only after a COMMIT, so there is nothing to forget.
pub(crate) async fn copy(connection: &mut PgConnection, statement: &str, tuples: &[&[u8]]) -> Result<u64, StepError> {
    let mut copy = step(Step::Rows, connection.copy_in_raw(statement)).await?;
    let mut chunk = Vec::with_capacity(CHUNK_BYTES * 2);
    chunk.extend_from_slice(COPY_HEADER);
    for tuples in tuples {
        chunk.extend_from_slice(tuples);
        if chunk.len() >= CHUNK_BYTES {
            step(Step::Rows, copy.send(&chunk[..])).await?;
            chunk.clear();
        }
    }
    chunk.extend_from_slice(COPY_TRAILER);
    step(Step::Rows, copy.send(&chunk[..])).await?;
    step(Step::Rows, copy.finish()).await
}
