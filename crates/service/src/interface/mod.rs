//! What every service answers, beside what it is for: what it is, how it is, and the description of what can be asked here.

mod routes;

use axum::http::{HeaderName, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use forebay_api::{DESCRIPTION, Role, Route, Welcome};
use serde_json::Value;

use crate::auth::Clients;
use crate::health::Health;
use crate::telemetry::Metrics;

pub use routes::Routes;

const PAGE: &str = include_str!("docs.html");
const VIEWER: &str = include_str!("viewer/openapi-explorer.min.js");
/// Nothing is loaded from elsewhere, and nothing is asked elsewhere.
const PAGE_POLICY: &str = "default-src 'self' data: blob:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'";
/// It changes with a release only.
const VIEWER_LASTS: &str = "public, max-age=3600";

/// The routes with those that every service has.
pub(crate) fn complete(own: Routes, health: Health, metrics: Metrics) -> Routes {
    let common = Routes::of(&Clients::open())
        .on(Route::Livez, async || "alive\n")
        .on(Route::Readyz, async move || health.readyz())
        .on(Route::Metrics, async move || prometheus_text(metrics))
        .on(Route::Docs, async || docs())
        .on(Route::DocsViewer, async || viewer());
    let all: Vec<Route> =
        own.all().iter().chain(common.all()).copied().chain([Route::Welcome, Route::Description]).collect();
    let (welcome, description) = (welcome(&all), description(&all));
    own.merge(common)
        .on(Route::Welcome, async move || json(welcome))
        .on(Route::Description, async move || json(description))
}

/// What this is, and where to go on.
fn welcome(routes: &[Route]) -> Bytes {
    let mut roles: Vec<Role> = routes.iter().filter_map(|route| route.role()).collect();
    roles.sort_unstable();
    roles.dedup();
    let links = [
        ("documentation", Route::Docs),
        ("description", Route::Description),
        ("liveness", Route::Livez),
        ("readiness", Route::Readyz),
        ("metrics", Route::Metrics),
    ];
    let welcome = Welcome {
        name: "forebay".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        roles: roles.iter().map(Role::to_string).collect(),
        links: links.into_iter().map(|(name, route)| (name.to_owned(), route.path().to_owned())).collect(),
    };
    serde_json::to_vec(&welcome).unwrap_or_default().into()
}

/// The description of what can be asked here.
fn description(routes: &[Route]) -> Bytes {
    let mut document: Value = serde_json::from_str(DESCRIPTION).unwrap_or_default();
    if let Some(Value::Object(paths)) = document.get_mut("paths") {
        for (path, methods) in paths.iter_mut() {
            let is_here = |method: &str| {
                routes.iter().any(|route| route.path() == path && route.method().as_str().eq_ignore_ascii_case(method))
            };
            if let Value::Object(methods) = methods {
                methods.retain(|method, _| is_here(method));
            }
        }
        paths.retain(|_, methods| methods.as_object().is_some_and(|methods| !methods.is_empty()));
    }
    document.to_string().into()
}

fn json(body: Bytes) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], body)
}

fn docs() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, PAGE_POLICY)], PAGE)
}

fn viewer() -> impl IntoResponse {
    let headers: [(HeaderName, &str); 2] =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, VIEWER_LASTS)];
    (headers, VIEWER)
}

fn prometheus_text(metrics: Metrics) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], metrics.render())
}
