//! Every route of the interface: who answers it, by which method, on which path, and what may stand behind its `?`.
//!
//! A service can answer nothing that does not stand here: `forebay_service::Routes` takes nothing else. And nothing can stand here without
//! a description: the one in `description` goes through all of them.

use std::fmt;
use std::str::FromStr;

use crate::parameter::Parameter::{
    self, After, AsPlaced, By, Cursor, From, Kind, Limit, Order, Partial, Rows, Since, Status, To, WaitMs,
};

/// A part of Forebay that answers requests: a process of its own, or one of several in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Takes orders.
    Ingest,
    /// Stores them.
    Writer,
    /// Gives them back.
    Query,
}

/// How a route is asked. `HEAD` goes wherever `GET` does, and `OPTIONS` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To read.
    Get,
    /// To send.
    Post,
}

/// Parameters of every read.
const READ: &[Parameter] = &[After, WaitMs, Partial];
/// Parameters of every list.
const LIST: &[Parameter] = &[From, To, Limit, Cursor, Order, Kind, Status, AsPlaced, After, WaitMs, Partial, Rows];
/// Parameters of reads of one order.
const ORDER: &[Parameter] = &[AsPlaced, After, WaitMs, Partial];
/// Parameters of totals.
const TOTALS: &[Parameter] = &[From, To, By, After, WaitMs, Partial];

macro_rules! routes {
    ($( $route:ident $method:ident $path:literal $role:expr, $parameters:expr; )+) => {
        /// A route of the interface.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Route {
            $( #[doc = concat!("`", $path, "`.")] $route, )+
        }

        impl Route {
            /// All of them.
            pub const ALL: &[Self] = &[$( Self::$route, )+];

            /// How it is asked.
            pub const fn method(self) -> Method {
                match self { $( Self::$route => Method::$method, )+ }
            }

            /// Where it is; what varies stands in braces.
            pub const fn path(self) -> &'static str {
                match self { $( Self::$route => $path, )+ }
            }

            /// Who answers it; `None` is everybody.
            pub const fn role(self) -> Option<Role> {
                match self { $( Self::$route => $role, )+ }
            }

            /// What may stand behind its `?`.
            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( Self::$route => $parameters, )+ }
            }
        }
    };
}

routes! {
    PostOrder Post "/v1/orders" Some(Role::Ingest), &[];
    PostOrders Post "/v1/orders/batch" Some(Role::Ingest), &[];
    PostEvent Post "/v1/orders/{order_id}/events" Some(Role::Ingest), &[];
    PostEvents Post "/v1/events/batch" Some(Role::Ingest), &[];
    GetOrders Get "/v1/orders" Some(Role::Query), LIST;
    GetTotals Get "/v1/orders/totals" Some(Role::Query), TOTALS;
    GetOrder Get "/v1/orders/{order_id}" Some(Role::Query), ORDER;
    GetEventsOfOrder Get "/v1/orders/{order_id}/events" Some(Role::Query), READ;
    PostLookup Post "/v1/orders/lookup" Some(Role::Query), READ;
    GetOrdersOfCustomer Get "/v1/customers/{customer_id}/orders" Some(Role::Query), LIST;
    GetOrderOfCustomer Get "/v1/customers/{customer_id}/orders/{order_id}" Some(Role::Query), ORDER;
    GetEventsOfOrderOfCustomer Get "/v1/customers/{customer_id}/orders/{order_id}/events" Some(Role::Query), READ;
    GetOrdersOfView Get "/v1/{view}/{key}/orders" Some(Role::Query), LIST;
    GetTotalsOfCustomer Get "/v1/customers/{customer_id}/totals" Some(Role::Query), TOTALS;
    GetTotalsOfView Get "/v1/{view}/{key}/totals" Some(Role::Query), TOTALS;
    GetChanges Get "/v1/changes" Some(Role::Query), &[Since, Limit, WaitMs, Partial];
    GetReceipt Get "/v1/receipts/{receipt}" Some(Role::Query), &[WaitMs];
    GetStats Get "/v1/stats" Some(Role::Query), &[WaitMs];
    GetStreams Get "/v1/streams" Some(Role::Writer), &[];
    Welcome Get "/" None, &[];
    Description Get "/openapi.json" None, &[];
    Docs Get "/docs" None, &[];
    DocsViewer Get "/docs/viewer.js" None, &[];
    Livez Get "/livez" None, &[];
    Readyz Get "/readyz" None, &[];
    Metrics Get "/metrics" None, &[];
}

impl Role {
    /// All of them, as they start: the writer makes what the others look for.
    pub const ALL: [Self; 3] = [Self::Writer, Self::Ingest, Self::Query];

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Writer => "writer",
            Self::Query => "query",
        }
    }
}

impl Method {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
        }
    }
}

impl FromStr for Role {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|role| role.as_str() == text);
        found.ok_or_else(|| format!("there is no role {text:?}: there are ingest, writer and query"))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method().as_str(), self.path())
    }
}
