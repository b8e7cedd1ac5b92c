//! `GET /v1/customers/{customer_id}/orders`: a customer's history, newest first, by the page or as a whole.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use forebay_model::{CustomerId, ShardId, ShardMap};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::Subject;
use http::{HeaderMap, Uri, Version};

use crate::app::App;
use crate::http::export::ExportRequest;
use crate::http::page::PageRequest;
use crate::http::query_string::LIST;

/// A page of a customer's orders, or all of them.
pub(crate) async fn get_orders(
    State(app): State<App>,
    Path(customer_id): Path<String>,
    uri: Uri,
    version: Version,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let customer_id = customer_id_of(customer_id)?;
    if let Some(export) = ExportRequest::parse(&uri, version, &headers, LIST)? {
        return export.answer(&app, reads(&*app.map()?, &customer_id)).await;
    }
    let request = PageRequest::parse(&uri, &headers, LIST, &["customer", customer_id.as_str()])?;
    let map = app.map()?;
    request.answer(&app, &map, reads(&map, &customer_id)).await
}

/// What to read of each shard that has orders of the customer.
fn reads(map: &ShardMap, customer_id: &CustomerId) -> Vec<(ShardId, Subject)> {
    let bucket = map.bucket_of(customer_id);
    let subject = Subject::Customer { bucket, customer_id: Arc::from(customer_id.as_str()) };
    map.read_shards(bucket).iter().map(|&shard| (shard, subject.clone())).collect()
}

/// The customer that a path names.
pub(crate) fn customer_id_of(text: String) -> Result<CustomerId, Problem> {
    CustomerId::new(text).map_err(|error| Problem::malformed(format!("a customer id {error}")))
}
