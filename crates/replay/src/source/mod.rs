//! A file as a sequence of records.
//!
//! | module | concept |
//! |---|---|
//! | [`plan`], [`input`] | the files, checked and opened |
//! | `no_map` | what is to be done where a table has no map |
//! | [`reader`] | reads the files, in a thread of its own |
//! | [`skip`] | what of a file is passed over |
//! | [`records`] | records of JSON |
//! | [`rows`] | rows of tables, made into orders by a map |
//! | [`parquet`] | Parquet files, as orders or as rows |

pub(crate) mod input;
mod no_map;
pub(crate) mod parquet;
pub(crate) mod plan;
pub(crate) mod reader;
pub(crate) mod records;
pub(crate) mod rows;
pub(crate) mod skip;

use std::io;

use crate::chunk::{ChunkBuilder, LineSpan, Refusal};

/// No record is longer. An order may have 256 KiB, so there is room for white space.
pub(crate) const RECORD_BYTES_MAX: usize = 1024 * 1024;

/// Reads records one after the other.
pub(crate) trait RecordSource: Send {
    /// Reads on a little, and puts the records found, if any, into a builder that is not full. False at the end.
    ///
    /// # Errors
    /// When the file cannot be read on; what was found before stays in the builder.
    fn fill(&mut self, builder: &mut ChunkBuilder) -> io::Result<bool>;

    /// Counts lines from behind the first `lines` of the file.
    fn begin_behind(&mut self, _lines: u64) {}

    /// Leaves a record at the end that may go on, where a file grows.
    fn leave_last(&mut self) {}

    /// The byte of what was read at which the record begins that was left.
    fn left_at(&self) -> Option<u64> {
        None
    }
}

/// A record longer than [`RECORD_BYTES_MAX`].
pub(crate) fn too_long(place: LineSpan) -> Refusal {
    let detail = "the record has more than 1 MiB, and an order may have 256 KiB; it is not repeated here".to_owned();
    Refusal { place, order_id: None, code: "too_large", detail, record: None }
}
