//! `POST /v1/orders/lookup`: many orders by their ids.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use forebay_api::Route;
use forebay_api::lookup::{IDS_MAX, OrderIds};
use forebay_api::problem::FaultEntry;
use forebay_model::{OrderId, StreamKind};
use forebay_service::{Problem, http as service_http};
use http::{HeaderMap, HeaderValue, Uri, header};

use crate::answer::life::Shown;
use crate::answer::{LIST_START, push_looked_up_end};
use crate::error::ReadError;
use crate::http::order::with_floor;
use crate::http::request::partial;
use crate::http::request::query_string::QueryString;
use crate::http::response;
use crate::lookup::Lookup;
use crate::lookup::many::ById;
use crate::reader::{Reader, is_building};

/// Room for as many ids as there may be, each at its longest and escaped.
const BODY_BYTES_MAX: usize = 1 << 20;
const BODY_DEADLINE: Duration = Duration::from_secs(20);

/// The orders with these ids, in their order. It is read anew each time: there are as many of these questions as there are sets of ids.
pub(crate) async fn post_lookup(
    Reader { app, scope }: Reader,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::PostLookup)?;
    let (is_partial, patience) = (query.partial()?, app.patient(query.patience(&headers)?)?);
    let ids = ids_of(&service_http::read_whole(body, BODY_BYTES_MAX, BODY_DEADLINE).await?)?;
    let map = app.map()?;
    let wanted: Vec<OrderId> = ids.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
    let subject = scope.everything(&map);
    let floor = |patience, id| with_floor(&app, &map, &subject, id, patience);
    let mut lookup = Lookup::new(app.shards(), &map, &scope, wanted.iter().fold(patience, floor));
    let found = lookup.with_ids(&wanted, is_partial).await;
    let found = found.map_err(|error| partial::advise(error.into(), &uri, Route::PostLookup))?;
    let derived = lookup.read_at().iter().map(|(stream, _)| stream).filter(|stream| stream.kind == StreamKind::Derived);
    let owed = response::owed(app.shards(), &derived.collect::<Vec<_>>(), is_building(&map, Some(&subject)));
    let mut response = ([(header::CONTENT_TYPE, "application/json")], answer(&ids, &found, &lookup)?).into_response();
    let headers = response.headers_mut();
    headers.insert(response::CACHE.clone(), HeaderValue::from_static("bypass"));
    headers.extend(response::position(lookup.read_at()).map(|position| (response::POSITION.clone(), position)));
    headers.extend(owed.map(|owed| (response::OWED.clone(), owed)));
    Ok(response)
}

/// The ids that a body asks for.
fn ids_of(body: &[u8]) -> Result<Vec<OrderId>, Problem> {
    let OrderIds { ids } = serde_json::from_slice(body)
        .map_err(|error| Problem::malformed(format!("the body must be {{\"ids\": [\"…\", …]}}: {error}")))?;
    let fault = |pointer: String, detail: String| FaultEntry { pointer, detail };
    let mut faults = Vec::new();
    if ids.is_empty() || ids.len() > IDS_MAX {
        faults.push(fault("/ids".to_owned(), format!("must have 1 to {IDS_MAX} ids")));
    }
    let mut known = Vec::with_capacity(ids.len());
    for (place, id) in ids.into_iter().enumerate().take(IDS_MAX) {
        match OrderId::new(id) {
            Ok(id) => known.push(id),
            Err(error) => faults.push(fault(format!("/ids/{place}"), error.to_string())),
        }
    }
    match faults.first() {
        None => Ok(known),
        Some(first) => Err(Problem::invalid(format!("{} {}", first.pointer, first.detail)).with_faults(faults)),
    }
}

/// What was found, id by id. An id that several customers have is no one order: they are named.
fn answer(ids: &[OrderId], found: &ById, lookup: &Lookup<'_>) -> Result<Vec<u8>, ReadError> {
    let mut body = LIST_START.to_vec();
    let mut ambiguous = BTreeMap::new();
    for (place, id) in ids.iter().enumerate() {
        if place > 0 {
            body.push(b',');
        }
        let orders = found.get(id.as_str());
        match orders.map(|orders| (orders.len(), orders.first_key_value())) {
            Some((1, Some((_, row)))) => Shown::Now.push(&mut body, row)?,
            _ => body.extend_from_slice(b"null"),
        }
        if let Some(orders) = orders.filter(|orders| orders.len() > 1) {
            ambiguous.insert(id.as_str(), orders.keys().map(String::as_str).collect::<Vec<_>>());
        }
    }
    push_looked_up_end(&mut body, &ambiguous, lookup.missing());
    Ok(body)
}
