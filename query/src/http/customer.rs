//! `GET /v1/customers/{customer_id}/orders`: a customer's history, newest first, by the page or as a whole.

use std::sync::Arc;

use axum::response::Response;
use forebay_api::Route;
use forebay_model::{CustomerId, ShardMap};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::Subject;

use crate::http::list::{ListRequest, in_bucket};
use crate::http::tenant;

/// A page of a customer's orders, or all of them.
pub(crate) async fn get_orders(Path(customer_id): Path<String>, request: ListRequest) -> Result<Response, Problem> {
    let (tenant, customer_id) = (tenant(), customer_id_of(customer_id)?);
    let reads = |map: &ShardMap| {
        let bucket = map.bucket_of(tenant, &customer_id);
        in_bucket(map, bucket, &Subject::Customer { bucket, customer_id: Arc::from(customer_id.as_str()) })
    };
    request.answer(Route::GetOrdersOfCustomer, tenant, &["customer", customer_id.as_str()], reads).await
}

/// The customer that a path names.
pub(crate) fn customer_id_of(text: String) -> Result<CustomerId, Problem> {
    CustomerId::new(text).map_err(|error| Problem::malformed(format!("a customer id {error}")))
}
