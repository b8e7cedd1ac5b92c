//! Exports: a whole list in one answer, as NDJSON, CSV or Parquet, streamed.
//!
//! Two promises are kept here. Whoever has got an export to its end has got all of it: where a shard fails on the way and
//! does not come back in time, the transfer is torn (no last chunk, or a reset stream), and never ends as if it were whole.
//! And an export holds a bounded part of its list, and a connection only while a piece is read.
//!
//! A source reads one piece ahead while the one before it is written out, so Postgres, the encoding and the client work at the
//! same time. Pieces follow each other by key: a piece that failed is read again from where the last one ended.
//!
//! | module | concept |
//! |---|---|
//! | `accept`, `format` | what form a client wants, and what forms there are |
//! | `room` | what all exports together may hold |
//! | `feed`, `feeds` | the rows of one source, read ahead; those of several as one list |
//! | `encoder`, `csv` | rows as bytes |
//! | `pump`, `stream` | rows on their way to the client; what the client sees |

mod accept;
mod csv;
mod encoder;
mod feed;
mod feeds;
mod format;
mod pump;
mod room;
mod stream;

use axum::body::Body;
use axum::response::Response;
use forebay_model::ShardId;
use forebay_service::Problem;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header};
use tokio::task::JoinSet;

use self::encoder::Encoder;
use self::feeds::Feeds;
use self::format::Format;
use self::pump::Pump;
pub(crate) use self::room::Room;
use crate::app::App;
use crate::error::ReadError;
use crate::http::query_string::QueryString;
use crate::http::response;
use crate::list::merge::Merge;
use crate::list::scan::{Scan, Subject};
use crate::position::read_at::ReadAt;
use crate::position::wait::Patience;

static SHARDS_MISSING: HeaderName = HeaderName::from_static("forebay-shards-missing");

/// An export that is asked for.
pub(crate) struct ExportRequest {
    format: Format,
    scan: Scan,
    patience: Patience,
}

impl ExportRequest {
    /// What a request to a list asks for; nothing where it asks for a page.
    ///
    /// # Errors
    /// The problem `not_acceptable` where it asks for a form that there is not, `malformed` for its parameters.
    pub(crate) fn parse(
        uri: &Uri,
        version: Version,
        headers: &HeaderMap,
        known: &[&str],
    ) -> Result<Option<Self>, Problem> {
        let Some(format) = accept::wanted(headers)? else { return Ok(None) };
        if version < Version::HTTP_11 {
            // There a stream just ends, so a torn one (behind a proxy, too) would look complete.
            return Err(Problem::malformed("an export needs HTTP/1.1 or later"));
        }
        let query = QueryString::read(uri, known)?;
        query.refuse(&["limit", "cursor"], "an export is the whole list; pages come as application/json")?;
        let (direction, span) = (query.direction()?, query.span()?);
        let scan = Scan { direction, span, last: span.start(direction), partial: query.partial()? };
        Ok(Some(Self { format, scan, patience: query.patience(headers)? }))
    }

    /// Begins the export from these shards, each with the subject to read there. When it answers, each of them has given its
    /// first rows.
    pub(crate) async fn answer(self, app: &App, reads: Vec<(ShardId, Subject)>) -> Result<Response, Problem> {
        let Self { format, scan, patience } = self;
        let is_view = reads.iter().any(|(_, subject)| matches!(subject, Subject::View { .. }));
        app.check_receipt(&patience.receipt)?;
        let place = app.exports().admit(format, reads.len()).await?;
        let mut merge = Merge::new(app.shards(), reads, &scan, patience.clone())?;
        merge.begin(feed::ROWS_MAX).await?;
        let head = head(format, &merge)?;
        let mut tasks = JoinSet::new();
        let feeds = Feeds::start(merge.into_sources(), scan.direction, &patience, app.exports(), &mut tasks);
        let encoder = Encoder::new(format, is_view).map_err(|error| Problem::internal(error.to_string()))?;
        let body = stream::start(Pump { feeds, encoder, format }, tasks, place);
        Ok(head.map(|_| body))
    }
}

/// The answer without its body.
fn head(format: Format, merge: &Merge) -> Result<Response, ReadError> {
    let mut read_at = ReadAt::default();
    for source in merge.sources() {
        read_at.note(source.kind().lane(), source.shard_id(), source.position());
    }
    let mut head = Response::new(Body::empty());
    let headers = head.headers_mut();
    headers.insert(response::CACHE.clone(), HeaderValue::from_static("bypass"));
    headers.extend(response::position(&read_at).map(|position| (response::POSITION.clone(), position)));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(format.disposition()));
    headers.insert(header::VARY, response::ACCEPT);
    if !merge.missing().is_empty() {
        let missing: Vec<String> = merge.missing().iter().map(ShardId::to_string).collect();
        let missing = HeaderValue::from_maybe_shared(bytes::Bytes::from(missing.join(", ")));
        headers
            .insert(SHARDS_MISSING.clone(), missing.map_err(|_| Problem::internal("a shard's number is no header"))?);
    }
    Ok(head)
}
