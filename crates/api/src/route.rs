//! Every route of the interface: who answers it, by which method, on which path, and what may stand behind its `?`.
//!
//! A service can answer nothing that does not stand here: `forebay_service::Routes` takes nothing else. And nothing can stand here without
//! a description: the one in `description` goes through all of them.

use std::fmt;
use std::str::FromStr;

use crate::Right;
use crate::parameter::Parameter::{
    self, After, AsPlaced, Before, By, Cursor, Earliest, Kind, Limit, Order, Partial, Rows, Since, Status, WaitMs,
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

/// An address of this machine, and its URL.
macro_rules! local {
    ($port:literal) => {
        (concat!("127.0.0.1:", $port), concat!("http://127.0.0.1:", $port))
    };
}

impl Role {
    /// Where its process listens, where nothing else is said.
    pub const fn listen_default(self) -> &'static str {
        self.default_address().0
    }

    /// Where its clients find it, where nothing else is said.
    pub const fn url_default(self) -> &'static str {
        self.default_address().1
    }

    const fn default_address(self) -> (&'static str, &'static str) {
        match self {
            Self::Ingest => local!(8080),
            Self::Query => local!(8081),
            Self::Writer => local!(8082),
        }
    }
}

/// How a route is asked. `HEAD` goes wherever `GET` does, and `OPTIONS` everywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// To read.
    Get,
    /// To send.
    Post,
}

const ORDERS_IN: Option<(Role, Right)> = Some((Role::Ingest, Right::OrdersWrite));
const EVENTS_IN: Option<(Role, Right)> = Some((Role::Ingest, Right::EventsWrite));
const ORDERS_OUT: Option<(Role, Right)> = Some((Role::Query, Right::OrdersRead));
const INSIDE: Option<(Role, Right)> = Some((Role::Writer, Right::Ops));
const EVERYBODY: Option<(Role, Right)> = None;

/// Parameters of every read.
const READ: &[Parameter] = &[After, WaitMs, Partial];
/// Parameters of every list.
const LIST: &[Parameter] =
    &[Earliest, Before, Limit, Cursor, Order, Kind, Status, AsPlaced, After, WaitMs, Partial, Rows];
/// Parameters of reads of one order.
const ORDER: &[Parameter] = &[AsPlaced, After, WaitMs, Partial];
/// Parameters of totals.
const TOTALS: &[Parameter] = &[Earliest, Before, By, After, WaitMs, Partial];

macro_rules! routes {
    ($( $route:ident $method:ident $path:literal $door:expr, $parameters:expr; )+) => {
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

            /// Who answers it, and what a client must be allowed to where access is not open. `None` is everybody, and nothing.
            pub const fn door(self) -> Option<(Role, Right)> {
                match self { $( Self::$route => $door, )+ }
            }

            /// What may stand behind its `?`.
            pub const fn parameters(self) -> &'static [Parameter] {
                match self { $( Self::$route => $parameters, )+ }
            }
        }
    };
}

routes! {
    PostOrder Post "/v1/orders" ORDERS_IN, &[];
    PostOrders Post "/v1/orders/batch" ORDERS_IN, &[];
    PostEvent Post "/v1/orders/{order_id}/events" EVENTS_IN, &[];
    PostEvents Post "/v1/events/batch" EVENTS_IN, &[];
    GetOrders Get "/v1/orders" ORDERS_OUT, LIST;
    GetTotals Get "/v1/orders/totals" ORDERS_OUT, TOTALS;
    GetOrder Get "/v1/orders/{order_id}" ORDERS_OUT, ORDER;
    GetEventsOfOrder Get "/v1/orders/{order_id}/events" ORDERS_OUT, READ;
    PostLookup Post "/v1/orders/lookup" ORDERS_OUT, READ;
    GetOrdersOfCustomer Get "/v1/customers/{customer_id}/orders" ORDERS_OUT, LIST;
    GetOrderOfCustomer Get "/v1/customers/{customer_id}/orders/{order_id}" ORDERS_OUT, ORDER;
    GetEventsOfOrderOfCustomer Get "/v1/customers/{customer_id}/orders/{order_id}/events" ORDERS_OUT, READ;
    GetOrdersOfView Get "/v1/{view}/{key}/orders" ORDERS_OUT, LIST;
    GetTotalsOfCustomer Get "/v1/customers/{customer_id}/totals" ORDERS_OUT, TOTALS;
    GetTotalsOfView Get "/v1/{view}/{key}/totals" ORDERS_OUT, TOTALS;
    GetChanges Get "/v1/changes" ORDERS_OUT, &[Since, Limit, WaitMs, Partial];
    GetReceipt Get "/v1/receipts/{receipt}" ORDERS_OUT, &[WaitMs];
    GetStats Get "/v1/stats" ORDERS_OUT, &[WaitMs];
    GetStreams Get "/v1/streams" INSIDE, &[];
    Welcome Get "/" EVERYBODY, &[];
    Description Get "/openapi.json" EVERYBODY, &[];
    Docs Get "/docs" EVERYBODY, &[];
    DocsViewer Get "/docs/viewer.js" EVERYBODY, &[];
    Livez Get "/livez" EVERYBODY, &[];
    Readyz Get "/readyz" EVERYBODY, &[];
    Metrics Get "/metrics" EVERYBODY, &[];
}

impl Route {
    /// Who answers it; `None` is everybody.
    pub fn role(self) -> Option<Role> {
        self.door().map(|(role, _)| role)
    }

    /// What a client must be allowed to, where access is not open; `None` is nothing.
    pub fn right(self) -> Option<Right> {
        self.door().map(|(_, right)| right)
    }

    /// Whether it is about what is of one tenant, or of none. Who looks at the system as a whole does so for no tenant.
    pub fn is_of_a_tenant(self) -> bool {
        self != Self::GetStats && self.right().is_some_and(|right| right != Right::Ops)
    }
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
