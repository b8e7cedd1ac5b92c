//! `GET /v1/orders`: everybody's orders over a range of time, from every shard at once, by the page or as a whole.

use axum::extract::State;
use axum::response::Response;
use forebay_model::{ShardId, ShardMap};
use forebay_service::Problem;
use forebay_shard::read::Subject;
use http::{HeaderMap, Uri, Version};

use crate::app::App;
use crate::http::export::ExportRequest;
use crate::http::page::PageRequest;
use crate::http::query_string::RANGE;

/// A page of all orders, or all of them.
pub(crate) async fn get_orders(
    State(app): State<App>,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if let Some(export) = ExportRequest::parse(&uri, version, &headers, RANGE)? {
        return export.answer(&app, reads(&*app.map()?)).await;
    }
    let request = PageRequest::parse(&uri, &headers, RANGE, &["orders"])?;
    let map = app.map()?;
    request.answer(&app, &map, reads(&map)).await
}

/// What to read of each shard.
fn reads(map: &ShardMap) -> Vec<(ShardId, Subject)> {
    map.shards().map(|shard| (shard, Subject::Everybody)).collect()
}
