//! `GET /v1/customers/{customer_id}/orders`: a customer's history, by the page or as a whole; and what it comes to.

use std::sync::Arc;

use axum::response::Response;
use forebay_api::Route;
use forebay_model::{CustomerId, ShardId, ShardMap};
use forebay_service::Problem;
use forebay_service::extract::Path;
use forebay_shard::read::Subject;

use crate::http::list::{ListRequest, in_bucket};
use crate::http::tenant;

/// A page of a customer's orders, or all of them.
pub(crate) async fn get_orders(Path(customer_id): Path<String>, request: ListRequest) -> Result<Response, Problem> {
    let customer_id = customer_id_of(customer_id)?;
    let names = ["customer", customer_id.as_str()];
    request.answer(Route::GetOrdersOfCustomer, tenant(), &names, reads(&customer_id)).await
}

/// What a customer's orders come to.
pub(crate) async fn get_totals(Path(customer_id): Path<String>, request: ListRequest) -> Result<Response, Problem> {
    let customer_id = customer_id_of(customer_id)?;
    let names = ["customer", customer_id.as_str()];
    request.totals(Route::GetTotalsOfCustomer, tenant(), &names, reads(&customer_id)).await
}

/// The customer that a path names.
pub(crate) fn customer_id_of(text: String) -> Result<CustomerId, Problem> {
    CustomerId::new(text).map_err(|error| Problem::malformed(format!("a customer id {error}")))
}

/// Where a customer's orders are.
fn reads(customer_id: &CustomerId) -> impl FnOnce(&ShardMap) -> Vec<(ShardId, Subject)> {
    move |map| {
        let bucket = map.bucket_of(tenant(), customer_id);
        in_bucket(map, bucket, &Subject::Customer { bucket, customer_id: Arc::from(customer_id.as_str()) })
    }
}
