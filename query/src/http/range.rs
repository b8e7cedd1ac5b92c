//! `GET /v1/orders`: everybody's orders over a range of time, from every shard at once, by the page or as a whole; and what they
//! come to.

use axum::response::Response;
use forebay_api::Route;
use forebay_model::{ShardId, ShardMap};
use forebay_service::Problem;
use forebay_shard::read::Subject;

use crate::http::list::ListRequest;
use crate::http::tenant;

/// A page of all orders, or all of them.
pub(crate) async fn get_orders(request: ListRequest) -> Result<Response, Problem> {
    request.answer(Route::GetOrders, tenant(), &["orders"], reads).await
}

/// What all orders come to.
pub(crate) async fn get_totals(request: ListRequest) -> Result<Response, Problem> {
    request.totals(Route::GetTotals, tenant(), &["orders"], reads).await
}

fn reads(map: &ShardMap) -> Vec<(ShardId, Subject)> {
    map.shards().map(|shard| (shard, Subject::Everybody)).collect()
}
