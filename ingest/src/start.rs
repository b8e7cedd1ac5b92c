//! How the service comes to be: its tasks and its routes.

use axum::routing::post;
use axum::{Router, middleware};
use forebay_service::{BadSetting, Right, Service};

use crate::app::App;
use crate::append::log_watch::LogWatch;
use crate::http::{self, batch, order};
use crate::{Settings, metrics};

/// Starts the service's tasks and returns its routes. Until the log is reached and has a shard map, requests get 503
/// and `/readyz` says why.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Router> {
    settings.service.failpoints.check(&[])?;
    metrics::begin();
    let log = settings.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let app = App::new(settings, service);
    let watch = LogWatch::new(app.clone(), log, settings.ack_timeout, service);
    service.lifecycle.spawn("log", watch.run());
    let rates = app.clone();
    service.lifecycle.spawn("rate limits", async move {
        rates.rates().forget_quiet_clients(rates.shutdown()).await;
        Ok(())
    });
    Ok(Router::new()
        .route("/v1/orders", post(order::post_order))
        .route("/v1/orders/batch", post(batch::post_batch))
        .route_layer(service.clients.guard(Right::Write))
        .route_layer(middleware::from_fn(http::without_parameters))
        .with_state(app))
}
