//! `GET /v1/customers/{customer_id}/orders`: a customer's history, newest first.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use forebay_model::CustomerId;
use forebay_service::Problem;
use forebay_service::extract::Path;
use http::{HeaderMap, Uri};

use crate::app::App;
use crate::list::PageRequest;
use crate::query_string::LIST;
use crate::scan::Subject;

/// A page of a customer's orders.
pub(crate) async fn get_orders(
    State(app): State<App>,
    Path(customer_id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let customer_id = customer_id_of(customer_id)?;
    let request = PageRequest::parse(&uri, &headers, LIST, &["customer", customer_id.as_str()])?;
    let map = app.map()?;
    let bucket = map.bucket_of(&customer_id);
    let subject = Subject::Customer { bucket, customer_id: Arc::from(customer_id.as_str()) };
    let reads = map.read_shards(bucket).iter().map(|&shard| (shard, subject.clone())).collect();
    request.answer(&app, &map, reads).await
}

/// The customer that a path names.
pub(crate) fn customer_id_of(text: String) -> Result<CustomerId, Problem> {
    CustomerId::new(text).map_err(|error| Problem::malformed(format!("a customer id {error}")))
}
