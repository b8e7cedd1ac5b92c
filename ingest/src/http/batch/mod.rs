//! `POST /v1/orders/batch` and `POST /v1/events/batch`: a stream of orders, or of what happened to some, as NDJSON or as a JSON array, read
//! as it comes and of any length.
//!
//! | module | concept |
//! |---|---|
//! | [`body`] | the request's body, decompressed, as chunks |
//! | [`split`], [`record`], `lines`, `array` | chunks to records |
//! | [`record_kind`] | orders, or events |
//! | [`gather`] | records to facts, until they are worth logging |
//! | [`stream`] | reading, logging and settling at the same time |
//! | [`report`] | what the client is told |
//! | `prefer` | how long it waits for that |

mod array;
mod body;
mod gather;
mod lines;
mod prefer;
pub(crate) mod record;
mod record_kind;
mod report;
pub(crate) mod split;
mod stream;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use forebay_service::{Client, Problem};
use http::HeaderMap;

use crate::app::App;
use crate::assign::Assigner;
use crate::http::media::{Encoding, media_type, unsupported_media_type};
use record_kind::RecordKind;
use split::Splitter;
use stream::BatchStream;

/// Takes a batch of orders.
pub(crate) async fn post_batch(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(app, client, RecordKind::Orders, headers, body).await
}

/// Takes a batch of events.
pub(crate) async fn post_events(
    State(app): State<App>,
    client: Client,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    take(app, client, RecordKind::Events, headers, body).await
}

async fn take(app: App, client: Client, kind: RecordKind, headers: HeaderMap, body: Body) -> Result<Response, Problem> {
    let media_type = media_type(&headers);
    let splitter = match media_type.as_str() {
        "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Splitter::ndjson(),
        "application/json" => Splitter::array(),
        other => return Err(unsupported_media_type(other, "application/x-ndjson, or application/json with an array")),
    };
    let chunks = body::chunks(body, Encoding::of(&headers)?);
    let assigner = Assigner::from_headers(&headers)?;
    Ok(BatchStream::new(app, client, kind, splitter, assigner)?
        .slowed_at_most(prefer::wait(&headers))
        .run(chunks)
        .await)
}
