//! Answers as HTTP responses.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderName, HeaderValue, header};

use crate::read_at::ReadAt;

static CACHE: HeaderName = HeaderName::from_static("forebay-cache");
static POSITION: HeaderName = HeaderName::from_static("forebay-position");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// JSON that was read at these positions, straight from the shards.
pub(crate) fn json(body: Bytes, read_at: &ReadAt) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(CACHE.clone(), HeaderValue::from_static("bypass"));
    let receipt = read_at.to_receipt();
    if !receipt.is_empty() {
        // A receipt's text is letters, digits, dots and tildes; without it the header is left out.
        if let Ok(value) = HeaderValue::from_maybe_shared(Bytes::from(receipt.to_string())) {
            headers.insert(POSITION.clone(), value);
        }
    }
    response
}
