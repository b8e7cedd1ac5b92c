//! Names, counts and times requests, and answers for handlers that panic.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::response::{IntoResponse, Response};
use forebay_api::header::REQUEST_ID;
use futures::FutureExt;
use http::{HeaderName, Method};
use metrics::{Counter, Histogram, counter, histogram};
use tower::{Layer, Service};
use tracing::debug;

use crate::problem::{Code, Problem};
use crate::request_name::RequestName;
use crate::telemetry::metrics::{PROBLEMS, REQUEST_SECONDS, REQUESTS};

/// The label of requests that no route matches; their paths are anybody's invention.
const UNMATCHED: &str = "unmatched";

static NAME: HeaderName = HeaderName::from_static(REQUEST_ID);

/// A layer for a whole router (`router.layer(Observe)`), after all routes and fallbacks.
///
/// Each request has a name, its `X-Request-Id`, which stands in its answer.
///
/// Metrics: `forebay_http_requests_total{route,method,status}`, `forebay_http_request_seconds{route,method}` (until the
/// answer's head), `forebay_http_problems_total{route,code}`. A panic becomes the problem `internal`.
#[derive(Debug, Clone, Copy)]
pub struct Observe;

/// A service under [`Observe`].
#[derive(Debug, Clone)]
pub struct Observed<S> {
    inner: S,
}

impl<S> Layer<S> for Observe {
    type Service = Observed<S>;

    fn layer(&self, inner: S) -> Observed<S> {
        Observed { inner }
    }
}

impl<S> Service<Request> for Observed<S>
where
    S: Service<Request, Response = Response, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request) -> Self::Future {
        let began = Instant::now();
        let route = request.extensions().get::<MatchedPath>().cloned();
        let method = method_label(request.method());
        let name = RequestName::of(request.headers());
        let handled = AssertUnwindSafe(name.within(|| self.inner.call(request))).catch_unwind();
        let id = name.value();
        Box::pin(name.through(async move {
            let mut response = match handled.await {
                Ok(Ok(response)) => response,
                // The panic hook has logged where and why.
                Err(_) => Problem::internal("the service failed on this request; it was logged").into_response(),
            };
            record(route.as_ref().map_or(UNMATCHED, MatchedPath::as_str), method, &response, began);
            response.headers_mut().insert(NAME.clone(), id);
            Ok(response)
        }))
    }
}

fn record(route: &str, method: &'static str, response: &Response, began: Instant) {
    let elapsed = began.elapsed();
    let status = response.status().as_u16();
    with_meters(route, method, status, |meters| {
        meters.requests.increment(1);
        meters.seconds.record(elapsed);
    });
    if let Some(code) = response.extensions().get::<Code>() {
        counter!(PROBLEMS.name, "route" => route.to_owned(), "code" => code.as_str()).increment(1);
    }
    debug!(route, method, status, elapsed_us = elapsed.as_micros() as u64, "request");
}

/// The metrics of one route, method and status.
struct Meters {
    method: &'static str,
    status: u16,
    requests: Counter,
    seconds: Histogram,
}

thread_local! {
    /// Looking metrics up by their labels costs more than everything else here, so each thread keeps what it has met.
    /// Bounded, since routes, methods and statuses are.
    static METERS: RefCell<HashMap<String, Vec<Meters>>> = RefCell::default();
}

fn with_meters(route: &str, method: &'static str, status: u16, record: impl FnOnce(&Meters)) {
    METERS.with_borrow_mut(|routes| {
        if !routes.contains_key(route) {
            routes.insert(route.to_owned(), Vec::new());
        }
        let Some(known) = routes.get_mut(route) else { return };
        let index = known.iter().position(|meters| meters.status == status && meters.method == method);
        let index = index.unwrap_or_else(|| {
            known.push(Meters::new(route, method, status));
            known.len() - 1
        });
        record(&known[index]);
    });
}

impl Meters {
    fn new(route: &str, method: &'static str, status: u16) -> Self {
        let labels = [("route", route.to_owned()), ("method", method.to_owned())];
        let seconds = histogram!(REQUEST_SECONDS.name, &labels);
        let [route, method_label] = labels;
        let labels = [route, method_label, ("status", status.to_string())];
        Self { method, status, requests: counter!(REQUESTS.name, &labels), seconds }
    }
}

/// Methods are free text; the metrics know the usual ones.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
