//! Exports: a whole list in one answer, as NDJSON, CSV or Parquet, streamed.
//!
//! Two promises are kept here. An export that has come to its end is whole: where a shard fails on the way and
//! does not come back in time, the transfer is torn (no last chunk, or a reset stream), and never ends as if it were whole.
//! And an export holds a bounded part of its list, and a connection only while a piece is read.
//!
//! A source reads one piece ahead while the one before it is written out, so Postgres, the encoding and the client work at the
//! same time. Pieces follow each other by key: a piece that failed is read again from where the last one ended.
//!
//! | module | concept |
//! |---|---|
//! | `format` | the forms of an export |
//! | `limits` | what all exports together may hold |
//! | `feed`, `feeds` | the rows of one source, read ahead; those of several as one list |
//! | `encoder`, `csv`, `items` | rows as bytes |
//! | `pump`, `stream` | rows on their way to the client; what the client sees |

mod csv;
mod encoder;
mod feed;
mod feeds;
mod format;
mod items;
mod limits;
mod pump;
mod stream;

use axum::body::Body;
use tokio::sync::OwnedSemaphorePermit;

pub(crate) use self::encoder::{Encoder, Rows};
pub(crate) use self::feed::ROWS_MAX as ROWS_FIRST;
use self::feeds::Feeds;
pub(crate) use self::format::Format;
pub(crate) use self::limits::Limits;
use self::pump::Pump;
pub(crate) use self::stream::begin_counting;
use crate::list::merge::Merge;

/// The body of an export, on from a merge that has its first rows in hand.
pub(crate) fn start(encoder: Encoder, merge: Merge, limits: &Limits, admitted: OwnedSemaphorePermit) -> Body {
    let feeds = Feeds::start(merge, limits.clone());
    stream::start(Pump { feeds, encoder }, admitted)
}
