//! `GET /v1/orders`: everybody's orders over a range of time, from every shard at once.

use axum::extract::State;
use axum::response::Response;
use forebay_service::Problem;
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::list::PageRequest;
use crate::query_string::RANGE;
use crate::scan::Subject;

/// A page of all orders.
pub(crate) async fn get_orders(State(app): State<App>, uri: Uri, headers: HeaderMap) -> Result<Response, Problem> {
    let request = PageRequest::parse(&uri, &headers, RANGE, &["orders"])?;
    let map = app.map()?;
    let reads = map.shards().into_iter().map(|shard| (shard, Subject::Everybody)).collect();
    request.answer(&app, &map, reads).await
}
