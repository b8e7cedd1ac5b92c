//! The endpoints: what a request asks for, and its answer.
//!
//! | module | concept |
//! |---|---|
//! | `customer`, `order`, `range`, `view`, `receipt`, `stats` | the endpoints |
//! | `query_string`, `accept` | what a request says, checked strictly |
//! | `list`, `page`, `export` | a list; a list by the page; a whole list in one answer |
//! | `response` | the headers of answers |

mod accept;
mod customer;
mod export;
mod list;
mod order;
mod page;
mod query_string;
mod range;
mod receipt;
mod response;
mod stats;
mod view;

use axum::Router;
use axum::routing::get;
use forebay_model::Tenant;

use crate::app::App;

/// The routes of all endpoints.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/v1/orders", get(range::get_orders))
        .route("/v1/orders/{order_id}", get(order::get_order))
        .route("/v1/customers/{customer_id}/orders", get(customer::get_orders))
        .route("/v1/customers/{customer_id}/orders/{order_id}", get(order::get_order_of_customer))
        .route("/v1/receipts/{receipt}", get(receipt::get_receipt))
        .route("/v1/stats", get(stats::get_stats))
        .route("/v1/{view}/{key}/orders", get(view::get_orders))
}

/// Whose orders a request asks for. Nothing names a tenant yet.
fn tenant() -> &'static Tenant {
    Tenant::none()
}
