//! One order: `GET /v1/orders/{order_id}` and `GET /v1/customers/{customer_id}/orders/{order_id}`, and what happened to it: the same
//! with `/events` behind.

use axum::extract::State;
use axum::response::Response;
use forebay_api::Route;
use forebay_model::touched::id_key;
use forebay_model::{Bucket, CustomerId, Lane, OrderId, ShardId, ShardMap, StreamId, Tenant};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::OrderRow;
use futures::FutureExt;
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::cache::{Entry, Question, Watch};
use crate::error::ReadError;
use crate::http::customer::customer_id_of;
use crate::http::query_string::QueryString;
use crate::http::{response, tenant};
use crate::life::{Shown, push_timeline};
use crate::lookup::{Lookup, WithId};
use crate::position::patience::Patience;

/// What of an order is asked for.
#[derive(Clone, Copy)]
enum Asked {
    Order(Shown),
    Events,
}

/// The order with an id.
pub(crate) async fn get_order(
    State(app): State<App>,
    Path(order_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetOrder)?;
    let asked = Asked::Order(query.shown()?);
    answer(&app, order_id, asked, &query, &headers).await
}

/// What happened to the order with an id.
pub(crate) async fn get_events(
    State(app): State<App>,
    Path(order_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetEventsOfOrder)?;
    answer(&app, order_id, Asked::Events, &query, &headers).await
}

/// The order with the id `batch`, whose path is one of ingest's, too.
pub(crate) async fn get_order_batch(app: State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    get_order(app, Path("batch".to_owned()), uri, headers).await
}

/// The order with the id `lookup`, likewise.
pub(crate) async fn get_order_lookup(app: State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    get_order(app, Path("lookup".to_owned()), uri, headers).await
}

/// A customer's order.
pub(crate) async fn get_order_of_customer(
    State(app): State<App>,
    Path(names): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetOrderOfCustomer)?;
    let asked = Asked::Order(query.shown()?);
    answer_of_customer(&app, names, asked, &query, &headers).await
}

/// What happened to a customer's order.
pub(crate) async fn get_events_of_customer(
    State(app): State<App>,
    Path(names): Path<(String, String)>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = QueryString::read(&uri, Route::GetEventsOfOrderOfCustomer)?;
    answer_of_customer(&app, names, Asked::Events, &query, &headers).await
}

async fn answer(
    app: &App,
    order_id: String,
    asked: Asked,
    query: &QueryString,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, order_id, patience) = (tenant(), order_id_of(order_id)?, patience(app, query, headers)?);
    let map = app.map()?;
    let index = index_of(&map, tenant, &order_id);
    let streams = match order_id.home() {
        Some(home) => of_lane(Lane::Orders, map.read_shards(home.bucket)),
        None => index.clone(),
    };
    let load = |patience| find(app, &map, tenant, &order_id, asked, patience).boxed();
    let key = format!("{tenant}\n{}\n{order_id}", asked.name());
    let (key, epoch) = (key.into(), map.epoch());
    let question = Question { key, streams, epoch, patience: &patience, partial: false };
    let served = app.cache().serve(&question, &load).await?;
    // An order that was found where its id says is there, whatever the index lacks.
    let is_by_index = index.iter().any(|&stream| order_id.home().is_none() || served.read_at.has(stream));
    let owed = response::owed(app.shards().derivations(), if is_by_index { &index } else { &[] }, false);
    response::json(headers, &served, owed, || Problem::not_found(format!("there is no order {order_id}")))
}

async fn answer_of_customer(
    app: &App,
    (customer_id, order_id): (String, String),
    asked: Asked,
    query: &QueryString,
    headers: &HeaderMap,
) -> Result<Response, Problem> {
    let (tenant, customer_id, order_id) = (tenant(), customer_id_of(customer_id)?, order_id_of(order_id)?);
    let patience = patience(app, query, headers)?;
    let map = app.map()?;
    let streams = of_lane(Lane::Orders, map.read_shards(map.bucket_of(tenant, &customer_id)));
    let key = format!("{tenant}\n{} of customer\n{customer_id}\n{order_id}", asked.name());
    let (key, epoch) = (key.into(), map.epoch());
    let question = Question { key, streams, epoch, patience: &patience, partial: false };
    let load = |patience| find_of_customer(app, &map, tenant, &customer_id, &order_id, asked, patience).boxed();
    let served = app.cache().serve(&question, &load).await?;
    response::json(headers, &served, None, || {
        Problem::not_found(format!("customer {customer_id} has no order {order_id}"))
    })
}

async fn find(
    app: &App,
    map: &ShardMap,
    tenant: &Tenant,
    order_id: &OrderId,
    asked: Asked,
    patience: Patience,
) -> Result<Entry, ReadError> {
    let watch = Watch::Key(id_key(tenant, order_id.as_str()));
    let patience = app.cache().with_floor(patience, &index_of(map, tenant, order_id), watch);
    // What has happened to it is told by the shard that has it, which is not known yet.
    let logged: Vec<StreamId> = map.shards().map(|shard| Lane::Events.on(shard)).collect();
    let patience = app.cache().with_floor(patience, &logged, watch);
    let mut lookup = Lookup::new(app.shards(), map, tenant, patience);
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
    tenant: &Tenant,
    customer_id: &CustomerId,
    order_id: &OrderId,
    asked: Asked,
    patience: Patience,
) -> Result<Entry, ReadError> {
    let (bucket, watch) = (map.bucket_of(tenant, customer_id), Watch::Key(id_key(tenant, customer_id.as_str())));
    let patience = app.cache().with_floor(patience, &of_lane(Lane::Orders, map.read_shards(bucket)), watch);
    let mut lookup = Lookup::new(app.shards(), map, tenant, patience);
    let found = lookup.of_customer(customer_id, order_id).await?;
    lookup.into_entry(found.as_ref(), &move |out, row| asked.write(out, row))
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
    let patience = query.patience(headers)?;
    app.check_receipt(&patience.receipt)?;
    Ok(patience)
}

/// The streams by which index entries of a tenant's order id come.
pub(super) fn index_of(map: &ShardMap, tenant: &Tenant, order_id: &OrderId) -> Vec<StreamId> {
    of_lane(Lane::Index, map.read_shards(Bucket::of_key(tenant, order_id.as_str())))
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
