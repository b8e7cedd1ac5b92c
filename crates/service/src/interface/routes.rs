//! Routes of the interface, each with what answers it.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter};
use forebay_api::Route;
use forebay_api::route::Method;

use crate::auth::Clients;
use crate::lifecycle::Lifecycle;
use crate::limit::Rates;
use crate::problem::Problem;

/// Routes of the interface, each with what answers it. `S` is what the handlers still want to be given.
///
/// It takes only what stands in the table of routes, and so nothing that is not described.
#[derive(Debug, Clone)]
pub struct Routes<S = ()> {
    clients: Clients,
    rates: Option<Arc<Rates>>,
    router: Router<S>,
    routes: Vec<Route>,
    has_others: bool,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet. Each that is added takes only who has the right that it needs.
    pub fn of(clients: &Clients) -> Self {
        Self { clients: clients.clone(), rates: None, router: Router::new(), routes: Vec::new(), has_others: false }
    }

    /// Of each request to those that are added now, and need a right, one is taken from its client's bucket.
    #[must_use]
    pub fn limited_by(self, rates: &Arc<Rates>) -> Self {
        Self { rates: Some(Arc::clone(rates)), ..self }
    }

    /// With one more.
    #[must_use]
    pub fn on<H, T>(mut self, route: Route, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.routes.push(route);
        self.also_at(route.path(), route, handler)
    }

    /// With a route at a path that another service has for something else: on one address with it, what is in the place of a parameter
    /// would be hidden by it.
    #[must_use]
    pub fn also_at<H, T>(self, path: &str, route: Route, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let method = match route.method() {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        let answering = MethodRouter::new().on(method, handler);
        let answering = match route.right() {
            Some(right) => answering.route_layer(self.clients.guard(right).limited(self.rates.clone())),
            None => answering,
        };
        Self { router: self.router.route(path, answering), ..self }
    }

    /// Refuses whatever stands behind a `?`: who writes `?dry_run=true` must not find the order stored.
    #[must_use]
    pub fn without_parameters(self) -> Self {
        let refuse = async |request: Request, next: Next| match request.uri().query() {
            None | Some("") => next.run(request).await,
            Some(_) => Problem::malformed("there are no parameters here").into_response(),
        };
        Self { router: self.router.route_layer(from_fn(refuse)), ..self }
    }

    /// With what the handlers want.
    pub fn with_state(self, state: S) -> Routes {
        let Self { clients, rates, router, routes, has_others } = self;
        Routes { clients, rates, router: router.with_state(state), routes, has_others }
    }

    /// Which they are.
    pub fn all(&self) -> &[Route] {
        &self.routes
    }

    /// Whether there is nothing among them that is not described.
    pub fn are_described(&self) -> bool {
        !self.has_others
    }
}

impl Routes {
    /// Each request is one of that lifecycle's, which stops only when it is answered. Where the lifecycle serves them itself, they are.
    #[must_use]
    pub fn awaited_by(self, lifecycle: &Lifecycle) -> Self {
        let hold = async |State(lifecycle): State<Lifecycle>, request: Request, next: Next| {
            let _held = lifecycle.request();
            next.run(request).await
        };
        Self { router: self.router.route_layer(from_fn_with_state(lifecycle.clone(), hold)), ..self }
    }

    /// With those of another role, on the same address.
    #[must_use]
    pub fn merge(mut self, other: Self) -> Self {
        self.routes.extend(other.routes);
        let has_others = self.has_others || other.has_others;
        Self { router: self.router.merge(other.router), has_others, ..self }
    }

    pub(crate) fn into_router(self) -> Router {
        self.router
    }
}

/// Routes that are no part of the interface: a test's.
impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self { clients: Clients::open(), rates: None, router, routes: Vec::new(), has_others: true }
    }
}
