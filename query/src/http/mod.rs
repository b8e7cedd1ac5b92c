//! The endpoints: what a request asks for, and its answer.
//!
//! | module | concept |
//! |---|---|
//! | [`request`] | what a request says |
//! | `framing` | how a stream of changes is written |
//! | `lists` | lists, and questions about one: a customer's, a view's key's, everybody's |
//! | `order`, `lookup`, `changes`, `receipt`, `stats` | the other endpoints |
//! | `response` | the headers of answers |

mod changes;
mod framing;
mod lists;
mod lookup;
mod order;
mod receipt;
pub(crate) mod request;
mod response;
mod stats;

use std::sync::Arc;

use forebay_api::Route;
use forebay_service::Routes;
use forebay_service::auth::Clients;
use forebay_service::limit::Rates;

use crate::app::App;
use crate::reader::Closed;
use lists::{customer, range, view};

/// The routes of all endpoints, for those clients, within their limits.
pub(crate) fn routes(clients: &Clients, rates: &Arc<Rates>, app: App) -> Routes {
    let routes = Routes::of(clients)
        .limited_by(rates)
        .on(Route::GetOrders, range::get_orders)
        .on(Route::GetTotals, range::get_totals)
        .on(Route::GetTotalsOfCustomer, customer::get_totals)
        .on(Route::GetTotalsOfView, view::get_totals)
        .on(Route::GetOrder, order::get_order)
        .on(Route::PostLookup, lookup::post_lookup)
        .also_at(Route::PostOrders.path(), Route::GetOrder, order::get_order_batch)
        .on(Route::GetEventsOfOrder, order::get_events)
        .also_at(Route::PostLookup.path(), Route::GetOrder, order::get_order_lookup)
        .on(Route::GetOrdersOfCustomer, customer::get_orders)
        .on(Route::GetOrderOfCustomer, order::get_order_of_customer)
        .on(Route::GetEventsOfOrderOfCustomer, order::get_events_of_customer)
        .on(Route::GetChanges, changes::get_changes)
        .on(Route::GetReceipt, receipt::get_receipt)
        .on(Route::GetStats, stats::get_stats)
        .on(Route::GetOrdersOfView, view::get_orders);
    routes.with_state(Closed::new(app))
}
