//! How the writer's tasks come to be.

use axum::Router;
use axum::routing::get;
use forebay_log::LogSettings;
use forebay_model::StreamId;
use forebay_service::health::Need;
use forebay_service::lifecycle::Lifecycle;
use forebay_service::telemetry::metrics::describe;
use forebay_service::{BadSetting, Right, Service};
use tokio::sync::watch;

use crate::drain::Drain;
use crate::drain::context::StreamContext;
use crate::metrics::METRICS;
use crate::status::Status;
use crate::upkeep::trimming;
use crate::{Settings, bootstrap, failpoint, report};

/// Starts the writer's tasks and returns its routes.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Router> {
    settings.service.failpoints.check(&failpoint::POINTS)?;
    describe(METRICS);
    let log = settings.log().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let log = log.spawned_by(service.lifecycle.spawner());
    let streams: Vec<Status> = settings
        .shards
        .iter()
        .flat_map(|(shard, _)| StreamId::all_of(shard))
        .map(|of| Status::new(of, settings.keep_behind))
        .collect();
    let (settings, started, statuses) = (settings.clone(), service.clone(), streams.clone());
    service.lifecycle.spawn("log", Box::pin(run(settings, log, started, statuses)));
    Ok(Router::new()
        .route("/v1/streams", get(report::get_streams))
        .route_layer(service.clients.guard(Right::Read))
        .with_state(streams))
}

/// Reaches the log, starts everything that needs it, and keeps `/readyz` true to it.
async fn run(settings: Settings, log: LogSettings, service: Service, streams: Vec<Status>) -> anyhow::Result<()> {
    let stop = service.shutdown().soft().clone();
    let nats = service.health.dependency("nats", Need::Required);
    let map = service.health.dependency("shard map", Need::Required);
    let reached = bootstrap::log(&settings, &log, &nats, &map);
    let Some(log) = stop.run_until_cancelled(reached).await else { return Ok(()) };
    let log = log?;
    for (shard, addresses) in settings.shards.iter() {
        let health = service.health.dependency(format!("shard {shard}"), Need::Optional);
        let (done, migrated) = watch::channel(false);
        let (stop, addresses_there, tables) = (stop.clone(), addresses.clone(), health.clone());
        // It lives on as long as the service, so that its end is never news.
        service.lifecycle.spawn(format!("tables of shard {shard}"), async move {
            if stop.run_until_cancelled(bootstrap::tables(shard, &addresses_there, &tables)).await.is_some() {
                done.send_replace(true);
                stop.cancelled().await;
            }
            Ok(())
        });
        for status in streams.iter().filter(|status| status.of().shard == shard) {
            let continuity = service.health.dependency(format!("log {}", status.of()), Need::Required);
            continuity.up();
            let context = StreamContext {
                of: status.of(),
                addresses: addresses.clone(),
                store: settings.store(),
                merge_quiet: settings.merge_quiet,
                batch_rows: settings.batch_rows as usize,
                batch_bytes: settings.batch_bytes(),
                log: log.clone(),
                status: status.clone(),
            };
            let drain = Drain { context, migrated: migrated.clone(), health: health.clone(), continuity };
            spawn_drain(&service.lifecycle, drain);
        }
    }
    let keep = settings.keep_behind_bytes.as_u64();
    service.lifecycle.spawn("trim streams", trimming::run(log.clone(), streams, keep, stop.clone()));
    let followed = log.follow(|state| nats.set(state.connection));
    Ok(stop.run_until_cancelled(followed).await.unwrap_or(Ok(()))?)
}

fn spawn_drain(lifecycle: &Lifecycle, drain: Drain) {
    let stop = lifecycle.shutdown().soft().clone();
    lifecycle.spawn(format!("drain {}", drain.context.of), drain.run(stop));
}
