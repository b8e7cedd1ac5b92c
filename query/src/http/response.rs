//! Answers as HTTP responses.

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forebay_model::{ShardId, StreamId, StreamKind};
use forebay_service::Problem;
use http::{HeaderName, HeaderValue, header};

use crate::cache::Served;
use crate::position::derivations::Derivations;
use crate::position::read_at::ReadAt;

pub(crate) static CACHE: HeaderName = HeaderName::from_static("forebay-cache");
pub(crate) static OWED: HeaderName = HeaderName::from_static("forebay-owed");
pub(crate) static POSITION: HeaderName = HeaderName::from_static("forebay-position");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What decides whether a list is a page or an export.
pub(crate) const ACCEPT: HeaderValue = HeaderValue::from_static("Accept");

/// An answer as JSON, or the problem where it is that there is nothing. Both say where they come from.
pub(crate) fn json(
    served: &Served,
    owed: Option<HeaderValue>,
    nothing: impl FnOnce() -> Problem,
) -> Result<Response, Problem> {
    let from = HeaderValue::from_static(served.from.as_str());
    let position = position(&served.read_at);
    let Some(body) = served.entry.body.clone() else {
        let further =
            [(&POSITION, position), (&OWED, owed)].into_iter().filter_map(|(name, value)| Some((name, value?)));
        let problem = nothing().header(CACHE.clone(), from);
        return Err(further.fold(problem, |problem, (name, value)| problem.header(name.clone(), value)));
    };
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, JSON);
    headers.insert(CACHE.clone(), from);
    headers.insert(header::VARY, ACCEPT);
    headers.extend(position.map(|position| (POSITION.clone(), position)));
    headers.extend(owed.map(|owed| (OWED.clone(), owed)));
    Ok(response)
}

/// The header that says which shards' writers still owe facts to the derived ones of these streams, and since when; and before
/// that, whether they are of a view that is building.
pub(crate) fn owed(derivations: &Derivations, streams: &[StreamId], is_building: bool) -> Option<HeaderValue> {
    let derived = streams.iter().filter(|stream| stream.kind == StreamKind::Derived);
    let targets: Vec<ShardId> = derived.map(|stream| stream.shard).collect();
    let debtors = derivations.debtors(&targets);
    let building = is_building.then(|| "building".to_owned());
    let debts = debtors.iter().map(|(source, since)| format!("{source} since {since}"));
    let debts: Vec<String> = building.into_iter().chain(debts).collect();
    HeaderValue::from_maybe_shared(Bytes::from(debts.join(", "))).ok().filter(|_| !debts.is_empty())
}

/// The header that says at which positions an answer was read.
pub(crate) fn position(read_at: &ReadAt) -> Option<HeaderValue> {
    let receipt = read_at.to_receipt();
    // A receipt's text is letters, digits, dots and tildes; without it the header is left out.
    HeaderValue::from_maybe_shared(Bytes::from(receipt.to_string())).ok().filter(|_| !receipt.is_empty())
}
