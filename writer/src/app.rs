//! How the writer's tasks come to be.

use forebay_api::Route;
use forebay_log::LogSettings;
use forebay_service::health::Need;
use forebay_service::telemetry::metrics::describe;
use forebay_service::{BadSetting, Routes, Service};

use crate::metrics::METRICS;
use crate::moving::Moving;
use crate::shards::Shards;
use crate::status::backlog::Backlog;
use crate::status::report;
use crate::upkeep::trimming;
use crate::{Settings, bootstrap, failpoint};

/// Starts the writer's tasks and returns its routes.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Routes> {
    start_with_backlog(settings, service).map(|(routes, _)| routes)
}

/// The same, with what it has still to do.
///
/// # Errors
/// [`BadSetting`].
pub fn start_with_backlog(settings: &Settings, service: &Service) -> anyhow::Result<(Routes, Backlog)> {
    settings.service.failpoints.check(&failpoint::POINTS)?;
    describe(METRICS);
    let log = settings.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let log = log.spawned_by(service.lifecycle.spawner());
    let backlog = Backlog::default();
    let run = run(settings.clone(), log, service.clone(), backlog.clone());
    service.lifecycle.spawn("log", Box::pin(run));
    let routes = Routes::of(&service.clients).on(Route::GetStreams, report::get_streams);
    Ok((routes.with_state(backlog.clone()), backlog))
}

/// Reaches the log, starts everything that needs it, and keeps `/readyz` true to it.
async fn run(settings: Settings, log: LogSettings, service: Service, backlog: Backlog) -> anyhow::Result<()> {
    let stop = service.shutdown().soft().clone();
    let nats = service.health.dependency("nats", Need::Required);
    let map = service.health.dependency("shard map", Need::Required);
    let reached = bootstrap::log(&settings, &log, &nats, &map);
    let Some(log) = stop.run_until_cancelled(reached).await else { return Ok(()) };
    let log = log?;
    backlog.set_log(log.clone());
    let shards = Shards::new(settings.clone(), log.clone(), service.clone(), backlog.clone());
    service.lifecycle.spawn("shards", shards.run(map, stop.clone()));
    let moving = Moving {
        log: log.clone(),
        shards: settings.shards.clone(),
        keep: settings.options.keep_behind,
        at_once: settings.options.moves_at_once.into(),
    };
    service.lifecycle.spawn("move units", moving.run(stop.clone()));
    let keep = settings.options.keep_behind_bytes.as_u64();
    service.lifecycle.spawn("trim streams", trimming::run(log.clone(), backlog, keep, stop.clone()));
    let followed = log.follow(|state| nats.set(state.connection));
    Ok(stop.run_until_cancelled(followed).await.unwrap_or(Ok(()))?)
}
