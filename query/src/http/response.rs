//! Answers as HTTP responses.

use std::collections::BTreeMap;

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use forebay_api::header as names;
use forebay_model::{ShardId, StreamId, StreamKind, Timestamp};
use forebay_service::Problem;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use xxhash_rust::xxh3::xxh3_64;

use crate::cache::Served;
use crate::position::read_at::ReadAt;
use crate::replica::shards::Shards;

pub(crate) static CACHE: HeaderName = HeaderName::from_static(names::CACHE);
pub(crate) static OWED: HeaderName = HeaderName::from_static(names::OWED);
pub(crate) static POSITION: HeaderName = HeaderName::from_static(names::POSITION);
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// What an answer depends on beside its address: whether a list is a page or an export, and who asks.
pub(crate) const VARIES: HeaderValue = HeaderValue::from_static("Accept, Authorization, Forebay-Tenant");

/// An answer as JSON, or the problem where it is that there is nothing. Both say where they come from. To a request with these headers,
/// which may say that its client has the answer. `key` tells the answer from other ones, those of other clients, too.
pub(crate) fn json(
    request: &HeaderMap,
    key: &str,
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
    let tag = position.as_ref().filter(|_| served.entry.is_whole).and_then(|position| tag(position, key));
    let mut response = match &tag {
        Some(tag) if is_known(request, tag) => StatusCode::NOT_MODIFIED.into_response(),
        _ => ([(header::CONTENT_TYPE, JSON)], body).into_response(),
    };
    let headers = response.headers_mut();
    headers.extend(tag.map(|tag| (header::ETAG, tag)));
    headers.insert(CACHE.clone(), from);
    headers.insert(header::VARY, VARIES);
    headers.extend(position.map(|position| (POSITION.clone(), position)));
    headers.extend(owed.map(|owed| (OWED.clone(), owed)));
    Ok(response)
}

/// The header that says from which shards facts are still to come to the derived ones of these streams, and since when: whose writers owe some,
/// or have not been heard. Before that, whether they are of a view that is building. Where units have moved, what is owed to any shard may be for these.
pub(crate) fn owed(shards: &Shards, streams: &[StreamId], is_building: bool) -> Option<HeaderValue> {
    let derived = streams.iter().filter(|stream| stream.kind == StreamKind::Derived);
    let mut targets: Vec<ShardId> = derived.map(|stream| stream.shard).collect();
    if !targets.is_empty() && shards.moved().is_any() {
        targets = shards.all().iter().map(|shard| shard.id()).collect();
    }
    let derivations = shards.derivations();
    let mut debtors: BTreeMap<ShardId, Timestamp> = derivations.debtors(&targets).into_iter().collect();
    if !targets.is_empty() {
        // What the log of a source takes while its shard is down is not even owed yet.
        for (source, since) in derivations.silent(shards.all().iter().map(|shard| shard.id())) {
            debtors.entry(source).or_insert(since);
        }
    }
    // What is in the log of a target and not committed there is missing, too.
    for &target in &targets {
        let known = shards.get(target).ok().and_then(|shard| *shard.known().follow(StreamKind::Derived).borrow());
        let Some(position) = known else { continue };
        for (source, since) in derivations.uncommitted(target, position) {
            let earliest = debtors.entry(source).or_insert(since);
            *earliest = since.min(*earliest);
        }
    }
    let building = is_building.then(|| "building".to_owned());
    let debts = debtors.iter().map(|(source, since)| format!("{source} since {}", since.in_full()));
    let debts: Vec<String> = building.into_iter().chain(debts).collect();
    HeaderValue::from_maybe_shared(Bytes::from(debts.join(", "))).ok().filter(|_| !debts.is_empty())
}

/// What tells an answer from others to the same request (RFC 9110, section 8.8.3): the positions that it was read at, and a hash of its key. A
/// commit moves them with all that it changes, so at the same ones it is the same. It is a weak one, since the same answer may be encoded in different ways.
///
/// There is none where something is missing: before the first commit there is no position, and a shard that was left out has none here.
fn tag(position: &HeaderValue, key: &str) -> Option<HeaderValue> {
    HeaderValue::try_from(format!("W/\"{}.{:x}\"", position.to_str().ok()?, xxh3_64(key.as_bytes()))).ok()
}

/// Whether a client has the answer with this tag (RFC 9110, section 13.1.2).
fn is_known(request: &HeaderMap, tag: &HeaderValue) -> bool {
    let Ok(tag) = tag.to_str() else { return false };
    let known = request.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).map(str::trim).any(|known| known == "*" || known == tag)
}

/// The header that says at which positions an answer was read.
pub(crate) fn position(read_at: &ReadAt) -> Option<HeaderValue> {
    let receipt = read_at.to_receipt();
    // A receipt's text is letters, digits, dots and tildes; without it the header is left out.
    HeaderValue::from_maybe_shared(Bytes::from(receipt.to_string())).ok().filter(|_| !receipt.is_empty())
}
