//! `GET /v1/orders`: everybody's orders over a range of time, or those that the client may see, from every shard at once, by the page or as a
//! whole; and what they come to.

use axum::response::Response;
use forebay_api::Route;
use forebay_service::Problem;

use crate::http::lists::list::ListRequest;

/// A page of all orders, or all of them.
pub(crate) async fn get_orders(request: ListRequest) -> Result<Response, Problem> {
    request.answer(Route::GetOrders, &["orders"], |scope, map| Ok(Some(scope.everything(map)))).await
}

/// What all orders come to.
pub(crate) async fn get_totals(request: ListRequest) -> Result<Response, Problem> {
    request.totals(Route::GetTotals, &["orders"], |scope, map| Ok(Some(scope.everything(map)))).await
}
