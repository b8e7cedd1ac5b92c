//! Routes of the interface, each with what answers it.

use axum::Router;
use axum::extract::{Request, State};
use axum::handler::Handler;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter};
use forebay_api::Route;
use forebay_api::route::Method;

use crate::auth::Guard;
use crate::lifecycle::Lifecycle;
use crate::problem::Problem;

/// Routes of the interface, each with what answers it. `S` is what the handlers still want to be given.
///
/// It takes only what stands in the table of routes, and so nothing that is not described.
#[derive(Debug, Clone)]
pub struct Routes<S = ()> {
    router: Router<S>,
    routes: Vec<Route>,
    has_others: bool,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// None yet.
    pub fn new() -> Self {
        Self { router: Router::new(), routes: Vec::new(), has_others: false }
    }

    /// With one more.
    #[must_use]
    pub fn on<H, T>(mut self, route: Route, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        self.routes.push(route);
        self.also_at(route.path(), route.method(), handler)
    }

    /// With a path that another service has for something else: on one address with it, what is in the place of a parameter would be
    /// hidden by it.
    #[must_use]
    pub fn also_at<H, T>(self, path: &str, method: Method, handler: H) -> Self
    where
        H: Handler<T, S>,
        T: 'static,
    {
        let method = match method {
            Method::Get => MethodFilter::GET,
            Method::Post => MethodFilter::POST,
        };
        Self { router: self.router.route(path, MethodRouter::new().on(method, handler)), ..self }
    }

    /// Only for clients with a right.
    #[must_use]
    pub fn behind(self, guard: Guard) -> Self {
        Self { router: self.router.route_layer(guard), ..self }
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
        let Self { router, routes, has_others } = self;
        Routes { router: router.with_state(state), routes, has_others }
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
        Self { router: self.router.merge(other.router), routes: self.routes, has_others }
    }

    pub(crate) fn into_router(self) -> Router {
        self.router
    }
}

impl<S: Clone + Send + Sync + 'static> Default for Routes<S> {
    fn default() -> Self {
        Self::new()
    }
}

/// Routes that are no part of the interface: a test's.
impl From<Router> for Routes {
    fn from(router: Router) -> Self {
        Self { router, routes: Vec::new(), has_others: true }
    }
}
