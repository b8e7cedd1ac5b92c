//! `GET /v1/changes`: what was stored, to follow: by the page, with a wait where there is nothing yet, or as a stream that does not end.

use std::convert::Infallible;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use forebay_api::Route;
use forebay_service::Problem;
use forebay_service::guard::Admission;
use futures::FutureExt;
use futures::stream::{self, StreamExt};
use http::{HeaderMap, HeaderValue, Uri, header};
use tokio::time::{Duration, Instant};

use crate::answer::{LIST_START, push_display};
use crate::app::App;
use crate::error::ReadError;
use crate::feed::{Follower, Piece};
use crate::http::framing::Framing;
use crate::http::request::accept;
use crate::http::request::partial;
use crate::http::request::query_string::QueryString;
use crate::http::response;
use crate::reader::Reader;

/// Facts of a piece of a stream.
const STREAM_ROWS: usize = 200;
/// A stream says where it is at least so often.
const BEAT: Duration = Duration::from_secs(10);
/// The last position that a client of server-sent events has seen (HTML, section 9.2.4).
const LAST_EVENT_ID: &str = "last-event-id";

/// What was stored behind a position.
pub(crate) async fn get_changes(
    reader: Reader,
    admission: Admission,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetChanges)?;
    let framing = accept::wanted_stream(&headers)?;
    let last_seen = headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok()).filter(|_| framing.is_some());
    let since = query.since(last_seen)?;
    let (limit, is_partial, wait) = (query.limit()?, query.partial()?, query.wait()?.unwrap_or_default());
    let position = since.clone().unwrap_or_default();
    reader.app.check_receipt(&position)?;
    let mut follower = Follower::new(reader.clone(), &position, is_partial);
    if since.is_none() {
        follower.begin_now().await?;
    }
    let failed = |error: ReadError| partial::advise(error.into(), &uri, Route::GetChanges);
    match framing {
        None => {
            let piece = follower.next_until(limit, Instant::now() + wait).await.map_err(failed)?;
            Ok(page(&piece, &follower.position()))
        }
        Some(framing) => {
            // Whatever is wrong with the request is said before the stream begins.
            let first = follower.next(STREAM_ROWS).await.map_err(failed)?;
            Ok(follow(reader.app, admission, follower, first, framing))
        }
    }
}

fn page(piece: &Piece, next: &str) -> Response {
    let mut body = LIST_START.to_vec();
    for (place, fact) in piece.facts.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        body.extend_from_slice(fact);
    }
    body.extend_from_slice(b"],\"has_more\":");
    push_display(&mut body, piece.has_more);
    body.extend_from_slice(b",\"next\":\"");
    push_display(&mut body, next);
    body.extend_from_slice(b"\",\"shards_missing\":");
    body.extend_from_slice(serde_json::json!(piece.missing).to_string().as_bytes());
    body.push(b'}');
    let json = HeaderValue::from_static("application/json");
    let mut answer = ([(header::CONTENT_TYPE, json)], body).into_response();
    answer.headers_mut().insert(header::VARY, response::VARIES);
    answer
}

/// A stream of pieces, until the client goes, or would not come in any more, the service stops, or a shard does not answer any more: then it
/// ends, and its reader goes on from the last position.
fn follow(app: App, admission: Admission, follower: Follower, first: Piece, framing: Framing) -> Response {
    let ended = async move { admission.ended().await }.boxed().shared();
    let begin = (app, ended, follower, Some(first));
    let pieces = stream::unfold(begin, move |(app, ended, mut follower, first)| async move {
        let piece = match first {
            Some(first) => first,
            None => tokio::select! {
                () = app.shutdown().soft().cancelled() => return None,
                () = ended.clone() => return None,
                piece = follower.next_until(STREAM_ROWS, Instant::now() + BEAT) => piece.ok()?,
            },
        };
        let written = framing.write(&piece, &follower.position());
        Some((Ok::<_, Infallible>(written), (app, ended, follower, None)))
    });
    // What compresses it asks once more behind its end.
    let mut answer = Body::from_stream(pieces.fuse().boxed()).into_response();
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(framing.content_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::VARY, response::VARIES);
    answer
}
