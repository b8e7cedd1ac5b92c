//! `GET /v1/customers/{customer_id}/orders`: a customer's history, by the page or as a whole; and what it comes to.

use axum::response::Response;
use forebay_api::Route;
use forebay_model::CustomerId;
use forebay_service::Problem;
use forebay_service::extract::Path;

use crate::http::lists::list::ListRequest;

/// A page of a customer's orders, or all of them.
pub(crate) async fn get_orders(Path(customer_id): Path<String>, request: ListRequest) -> Result<Response, Problem> {
    let customer_id = customer_id_of(customer_id)?;
    let names = ["customer", customer_id.as_str()];
    request.answer(Route::GetOrdersOfCustomer, &names, |scope, map| scope.customer(map, &customer_id)).await
}

/// What a customer's orders come to.
pub(crate) async fn get_totals(Path(customer_id): Path<String>, request: ListRequest) -> Result<Response, Problem> {
    let customer_id = customer_id_of(customer_id)?;
    let names = ["customer", customer_id.as_str()];
    request.totals(Route::GetTotalsOfCustomer, &names, |scope, map| scope.customer(map, &customer_id)).await
}

/// The customer that a path names.
pub(crate) fn customer_id_of(text: String) -> Result<CustomerId, Problem> {
    CustomerId::new(text).map_err(|error| Problem::malformed(format!("a customer id {error}")))
}
