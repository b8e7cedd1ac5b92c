//! A whole list in one answer: what a request asks for, and the head of the answer.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use forebay_api::{Parameter, Route};
use forebay_model::{ShardId, ShardMap, StreamId};
use forebay_service::Problem;
use forebay_shard::read::Subject;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, Version, header};

use crate::app::App;
use crate::error::ReadError;
use crate::export::{self, Encoder, Format, Rows};
use crate::http::lists::listed::reads;
use crate::http::request::accept;
use crate::http::request::query_string::QueryString;
use crate::http::response;
use crate::list::merge::Merge;
use crate::list::scan::Scan;
use crate::position::patience::Patience;
use crate::position::read_at::ReadAt;
use crate::reader::is_building;

static SHARDS_MISSING: HeaderName = HeaderName::from_static(forebay_api::header::SHARDS_MISSING);

/// An export that is asked for.
pub(crate) struct ExportRequest {
    format: Format,
    is_by_item: bool,
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
        route: Route,
    ) -> Result<Option<Self>, Problem> {
        let Some(format) = accept::wanted(headers)? else { return Ok(None) };
        if version < Version::HTTP_11 {
            // There a stream just ends, so a torn one (behind a proxy, too) would look complete.
            return Err(Problem::malformed("an export needs HTTP/1.1 or later"));
        }
        let query = QueryString::read(uri, route)?;
        query.refuse(
            &[Parameter::Limit, Parameter::Cursor],
            "an export is the whole list; pages come as application/json",
        )?;
        let is_by_item = query.is_by_item()?;
        if is_by_item && format == Format::Parquet {
            return Err(Problem::malformed("a row for each item comes as text/csv or application/x-ndjson"));
        }
        let (direction, filter, span) = (query.direction()?, query.filter()?, query.span()?);
        let (last, partial) = (span.start(direction), query.partial()?);
        let scan = Scan { direction, filter, span, last, partial };
        Ok(Some(Self { format, is_by_item, scan, patience: query.patience(headers)? }))
    }

    /// Begins the export of what is in sight of the list. When it answers, each of its shards has given its first rows.
    pub(crate) async fn answer(self, app: &App, map: &ShardMap, subject: Option<Subject>) -> Result<Response, Problem> {
        let Self { format, is_by_item, scan, patience } = self;
        let (reads, is_building) = (reads(map, subject.as_ref()), is_building(map, subject.as_ref()));
        let is_view = matches!(subject, Some(Subject::View { .. }));
        let patience = app.patient(patience)?;
        let sources = reads.len() * scan.filter.parts().count();
        let admitted = app.exports().admit(format, sources).await?;
        let mut merge = Merge::new(app.shards(), reads, &scan, patience)?;
        merge.begin(export::ROWS_FIRST).await?;
        let read_at = merge.read_at();
        let streams: Vec<StreamId> = read_at.iter().map(|(stream, _)| stream).collect();
        let owed = response::owed(app.shards(), &streams, is_building);
        let head = head(format, &merge, &read_at, owed)?;
        let rows = if is_by_item {
            Rows::Items
        } else if is_view {
            Rows::OfView
        } else {
            Rows::Whole
        };
        let encoder = Encoder::new(format, rows).map_err(|error| Problem::internal(error.to_string()))?;
        let body = export::start(encoder, merge, app.exports(), admitted);
        Ok(head.map(|_| body))
    }
}

/// The answer without its body.
fn head(format: Format, merge: &Merge, read_at: &ReadAt, owed: Option<HeaderValue>) -> Result<Response, ReadError> {
    let mut head = Response::new(Body::empty());
    let headers = head.headers_mut();
    headers.insert(response::CACHE.clone(), HeaderValue::from_static("bypass"));
    headers.extend(response::position(read_at).map(|position| (response::POSITION.clone(), position)));
    headers.extend(owed.map(|owed| (response::OWED.clone(), owed)));
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.content_type()));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static(format.disposition()));
    headers.insert(header::VARY, response::VARIES);
    if !merge.missing().is_empty() {
        let missing: Vec<String> = merge.missing().iter().map(ShardId::to_string).collect();
        let missing = HeaderValue::from_maybe_shared(Bytes::from(missing.join(", ")));
        headers
            .insert(SHARDS_MISSING.clone(), missing.map_err(|_| Problem::internal("a shard's number is no header"))?);
    }
    Ok(head)
}
