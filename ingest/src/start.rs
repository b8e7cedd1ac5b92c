//! How the service comes to be: its tasks and its routes.

use forebay_api::Route;
use forebay_service::{BadSetting, Routes, Service};

use crate::app::App;
use crate::http::{batch, event, order};
use crate::log_watch::LogWatch;
use crate::{Settings, metrics};

/// Starts the service's tasks and returns its routes. Until the log is reached and has a shard map, requests get 503
/// and `/readyz` says why.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Routes> {
    settings.service.failpoints.check(&[])?;
    metrics::begin();
    let log = settings.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let app = App::new(settings, service)?;
    let watch = LogWatch::new(app.clone(), log, settings.options.ack_timeout, service);
    service.lifecycle.spawn("log", watch.run());
    Ok(Routes::of(&service.clients)
        .on(Route::PostOrder, order::post_order)
        .on(Route::PostOrders, batch::post_batch)
        .on(Route::PostEvent, event::post_event)
        .on(Route::PostEvents, batch::post_events)
        .without_parameters()
        .with_state(app))
}
