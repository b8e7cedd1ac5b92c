//! One order: `GET /v1/orders/{order_id}` and `GET /v1/customers/{customer_id}/orders/{order_id}`, and what happened to it: the same
//! with `/events` behind.

use axum::response::Response;
use forebay_api::Route;
use forebay_model::touched::{id_key, view_key};
use forebay_model::{Bucket, Lane, OrderId, ShardId, ShardMap, StreamId};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::{OrderRow, Scope, Subject};
use futures::FutureExt;
use http::{HeaderMap, Uri};

use crate::answer::life::{Shown, push_timeline};
use crate::app::App;
use crate::cache::{CacheEntry, Question, Watch};
use crate::error::ReadError;
use crate::http::lists::customer::customer_id_of;
use crate::http::request::query_string::QueryString;
use crate::http::response;
use crate::lookup::{Lookup, WithId};
use crate::position::patience::Patience;
use crate::reader::{Reader, is_building, other_side};

/// What of an order is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Order(Shown),
    Events,
}

/// The order with an id.
pub(crate) async fn get_order(
    reader: Reader,
    Path(order_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetOrder)?;
    let asked = Asked::Order(query.shown()?);
    answer(&reader, order_id, asked, &query, &headers).await
}

/// What happened to the order with an id.
pub(crate) async fn get_events(
    reader: Reader,
    Path(order_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetEventsOfOrder)?;
    answer(&reader, order_id, Asked::Events, &query, &headers).await
}

/// The order with the id `batch`, whose path is one of ingest's, too.
pub(crate) async fn get_order_batch(reader: Reader, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    get_order(reader, Path("batch".to_owned()), uri, headers).await
}

/// The order with the id `lookup`, likewise.
pub(crate) async fn get_order_lookup(reader: Reader, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    get_order(reader, Path("lookup".to_owned()), uri, headers).await
}

/// A customer's order.
pub(crate) async fn get_order_of_customer(
    reader: Reader,
    Path(names): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetOrderOfCustomer)?;
    let asked = Asked::Order(query.shown()?);
    answer_of_customer(&reader, names, asked, &query, &headers).await
}

/// What happened to a customer's order.
pub(crate) async fn get_events_of_customer(
    reader: Reader,
    Path(names): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetEventsOfOrderOfCustomer)?;
    answer_of_customer(&reader, names, Asked::Events, &query, &headers).await
}

async fn answer(
    Reader { app, scope }: &Reader,
    order_id: String,
    asked: Asked,
    query: &QueryString,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (order_id, patience) = (order_id_of(order_id)?, patience(app, query, headers)?);
    let map = app.map()?;
    let subject = scope.everything(&map);
    let by = index_of(&map, &subject, &order_id);
    let streams = match (&subject, order_id.home()) {
        (Subject::Everybody { .. }, Some(home)) => vec![map.stream(Lane::Orders, home.bucket)],
        (Subject::Everybody { .. }, None) => by.clone(),
        (Subject::Customer { .. } | Subject::View { .. }, _) => of_lane(subject.lane(), &subject.shards(&map)),
    };
    let load = |patience| find(app, &map, scope, &order_id, asked, patience).boxed();
    let key = format!("{scope}\n{}\n{order_id}", asked.name());
    let has_moved = app.shards().moved().is_any();
    let question = Question { key: key.into(), streams, patience: &patience, has_moved, partial: false };
    let served = app.cache().serve(&question, &load).await?;
    // An order that was found where its id says is there, whatever the index lacks.
    let is_by_index = by.iter().any(|&stream| order_id.home().is_none() || served.read_at.has(stream));
    let is_building = is_building(&map, Some(&subject));
    let owed = response::owed(app.shards(), if is_by_index { &by } else { &[] }, is_building);
    response::json(headers, &question.key, &served, owed, || {
        Problem::not_found(format!("there is no order {order_id}"))
    })
}

async fn answer_of_customer(
    Reader { app, scope }: &Reader,
    (customer_id, order_id): (String, String),
    asked: Asked,
    query: &QueryString,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (customer_id, order_id) = (customer_id_of(customer_id)?, order_id_of(order_id)?);
    let patience = patience(app, query, headers)?;
    let map = app.map()?;
    let nothing = || Problem::not_found(format!("customer {customer_id} has no order {order_id}"));
    let subject = scope.customer(&map, &customer_id).map_err(other_side)?.ok_or_else(nothing)?;
    let streams = of_lane(Lane::Orders, &subject.shards(&map));
    let key = format!("{scope}\n{} of customer\n{customer_id}\n{order_id}", asked.name());
    let has_moved = app.shards().moved().is_any();
    let question = Question { key: key.into(), streams, patience: &patience, has_moved, partial: false };
    let load = |patience| find_of_customer(app, &map, scope, &subject, &order_id, asked, patience).boxed();
    let served = app.cache().serve(&question, &load).await?;
    response::json(headers, &question.key, &served, None, nothing)
}

async fn find(
    app: &App,
    map: &ShardMap,
    scope: &Scope,
    order_id: &OrderId,
    asked: Asked,
    patience: Patience,
) -> Result<CacheEntry, ReadError> {
    let subject = scope.everything(map);
    let patience = with_floor(app, map, &subject, order_id, patience);
    let mut lookup = Lookup::new(app.shards(), map, scope, patience);
    let WithId { mut found, may_be_more } = lookup.with_id(order_id).await?;
    if found.len() > 1 {
        return Err(ambiguous(order_id, found.into_keys().collect(), may_be_more).into());
    }
    let row = found.pop_first().map(|(_, row)| row);
    lookup.into_entry(row.as_ref(), &move |out, row| asked.write(out, row))
}

async fn find_of_customer(
    app: &App,
    map: &ShardMap,
    scope: &Scope,
    subject: &Subject,
    order_id: &OrderId,
    asked: Asked,
    patience: Patience,
) -> Result<CacheEntry, ReadError> {
    let patience = with_floor(app, map, subject, order_id, patience);
    let mut lookup = Lookup::new(app.shards(), map, scope, patience);
    let Subject::Customer { bucket, customer_id, .. } = subject else { return lookup.into_entry(None, &|_, _| Ok(())) };
    let found = lookup.of_customer(subject, *bucket, customer_id, order_id).await?;
    lookup.into_entry(found.as_ref(), &move |out, row| asked.write(out, row))
}

/// With that as the least, what this process knows to have touched the order.
pub(super) fn with_floor(
    app: &App,
    map: &ShardMap,
    subject: &Subject,
    order_id: &OrderId,
    patience: Patience,
) -> Patience {
    let (tenant, own) = (subject.tenant(), of_lane(subject.lane(), &subject.shards(map)));
    let (streams, watch) = match subject {
        Subject::Customer { customer_id, .. } => (own, Watch::Key(id_key(tenant, customer_id))),
        Subject::View { view, key, .. } => (own, Watch::Key(view_key(tenant, *view, key))),
        // What has happened to it is told by the shard that has it, which is not known yet.
        Subject::Everybody { .. } => {
            let logged = map.shards().map(|shard| Lane::Events.on(shard));
            let streams = index_of(map, subject, order_id).into_iter().chain(logged).collect();
            (streams, Watch::Key(id_key(tenant, order_id.as_str())))
        }
    };
    app.cache().with_floor(patience, &streams, watch)
}

impl Asked {
    /// What tells it from others in the cache.
    const fn name(self) -> &'static str {
        match self {
            Self::Order(Shown::Now) => "order",
            Self::Order(Shown::AsPlaced) => "order as placed",
            Self::Events => "events of order",
        }
    }

    fn write(self, out: &mut Vec<u8>, row: &OrderRow) -> Result<(), ReadError> {
        match self {
            Self::Order(shown) => shown.push(out, row),
            Self::Events => push_timeline(out, row),
        }
    }
}

fn patience(app: &App, query: &QueryString, headers: &HeaderMap) -> Result<Patience, Problem> {
    // An order is found or not, there is no part of it.
    query.partial()?;
    app.patient(query.patience(headers)?)
}

/// The derived streams by which it is known whether a subject has an order: of the index for everybody, of the view for its key.
pub(super) fn index_of(map: &ShardMap, subject: &Subject, order_id: &OrderId) -> Vec<StreamId> {
    match subject {
        Subject::Customer { .. } => Vec::new(),
        Subject::View { .. } => of_lane(Lane::Views, &subject.shards(map)),
        Subject::Everybody { tenant, .. } => vec![map.stream(Lane::Index, Bucket::of_key(tenant, order_id.as_str()))],
    }
}

fn of_lane(lane: Lane, shards: &[ShardId]) -> Vec<StreamId> {
    shards.iter().map(|&shard| lane.on(shard)).collect()
}

fn order_id_of(text: String) -> Result<OrderId, Problem> {
    OrderId::new(text).map_err(|error| Problem::malformed(format!("an order id {error}")))
}

fn ambiguous(order_id: &OrderId, customers: Vec<String>, may_be_more: bool) -> Problem {
    let at_least = if may_be_more { "at least " } else { "" };
    let detail = format!(
        "{at_least}{} customers have an order {order_id}: read /v1/customers/{{customer_id}}/orders/{{order_id}}",
        customers.len()
    );
    Problem::ambiguous(detail).with("customers", customers)
}
