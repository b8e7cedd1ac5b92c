//! `GET /v1/orders`: everybody's orders over a range of time, from every shard at once, by the page or as a whole.

use axum::response::Response;
use forebay_api::Route;
use forebay_model::ShardMap;
use forebay_service::Problem;
use forebay_shard::read::Subject;

use crate::http::list::ListRequest;
use crate::http::tenant;

/// A page of all orders, or all of them.
pub(crate) async fn get_orders(request: ListRequest) -> Result<Response, Problem> {
    let reads = |map: &ShardMap| map.shards().map(|shard| (shard, Subject::Everybody)).collect();
    request.answer(Route::GetOrders, tenant(), &["orders"], reads).await
}
