//! What is said of which route.

use super::operation::Operation;
use super::schemas::Schemas;
use super::{common, ingest, query};
use crate::route::Route;

impl Operation {
    pub(super) fn of(route: Route, schemas: &mut Schemas) -> Self {
        match route {
            Route::PostOrder => ingest::post_order(schemas),
            Route::PostOrders => ingest::post_orders(schemas),
            Route::PostEvent => ingest::post_event(schemas),
            Route::PostEvents => ingest::post_events(schemas),
            Route::GetOrders => query::get_orders(schemas),
            Route::GetTotals | Route::GetTotalsOfCustomer | Route::GetTotalsOfView => query::get_totals(route, schemas),
            Route::GetOrder => query::get_order(schemas),
            Route::GetEventsOfOrder => query::get_events_of_order(schemas),
            Route::GetEventsOfOrderOfCustomer => query::get_events_of_order_of_customer(schemas),
            Route::PostLookup => query::post_lookup(schemas),
            Route::GetOrdersOfCustomer => query::get_orders_of_customer(schemas),
            Route::GetOrderOfCustomer => query::get_order_of_customer(schemas),
            Route::GetOrdersOfView => query::get_orders_of_view(schemas),
            Route::GetChanges => query::get_changes(schemas),
            Route::GetReceipt => query::get_receipt(schemas),
            Route::GetStats => query::get_stats(schemas),
            Route::GetStreams => common::get_streams(schemas),
            Route::Welcome => common::welcome(schemas),
            Route::Description => common::description(),
            Route::Docs => common::docs(),
            Route::DocsViewer => common::docs_viewer(),
            Route::Livez => common::livez(),
            Route::Readyz => common::readyz(schemas),
            Route::Metrics => common::metrics(),
        }
    }
}
