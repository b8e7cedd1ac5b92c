//! How the writer's tasks come to be.

use std::sync::Arc;

use forebay_api::Route;
use forebay_log::LogSettings;
use forebay_model::{ShardId, StreamId, StreamKind};
use forebay_service::health::{Dependency, Health, Need};
use forebay_service::lifecycle::Lifecycle;
use forebay_service::telemetry::metrics::describe;
use forebay_service::{BadSetting, Routes, Service};
use tokio::sync::watch;

use crate::backlog::Backlog;
use crate::derive::Doors;
use crate::drain::Drain;
use crate::drain::context::StreamContext;
use crate::metrics::METRICS;
use crate::moving::Moving;
use crate::status::Status;
use crate::upkeep::trimming;
use crate::{Settings, bootstrap, failpoint, report};

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
    let log = settings.log().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let log = log.spawned_by(service.lifecycle.spawner());
    let streams: Vec<Status> = settings
        .shards
        .iter()
        .flat_map(|(shard, _)| StreamId::all_of(shard))
        .map(|of| Status::new(of, settings.options.keep_behind))
        .collect();
    let backlog = Backlog::new(streams);
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
    let streams = backlog.streams().to_vec();
    backlog.set_log(log.clone());
    let doors: Doors =
        Arc::new(settings.shards.iter().map(|(shard, _)| (shard, door(&service.health, shard))).collect());
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
                merge_quiet: settings.options.merge_quiet,
                batch_rows: settings.options.batch_rows as usize,
                batch_bytes: settings.batch_bytes(),
                log: log.clone(),
                status: status.clone(),
                doors: Arc::clone(&doors),
            };
            let drain = Drain { context, migrated: migrated.clone(), health: health.clone(), continuity };
            spawn_drain(&service.lifecycle, drain);
        }
    }
    let moving = Moving {
        log: log.clone(),
        shards: settings.shards.shards.clone(),
        keep: settings.options.keep_behind,
        at_once: settings.options.moves_at_once.into(),
    };
    service.lifecycle.spawn("move units", moving.run(stop.clone()));
    let keep = settings.options.keep_behind_bytes.as_u64();
    service.lifecycle.spawn("trim streams", trimming::run(log.clone(), streams, keep, stop.clone()));
    let followed = log.follow(|state| nats.set(state.connection));
    Ok(stop.run_until_cancelled(followed).await.unwrap_or(Ok(()))?)
}

/// That a shard's derived stream takes frames. As long as it does not, its shard is owed facts, and everything else goes on.
fn door(health: &Health, shard: ShardId) -> Dependency {
    let door = health.dependency(format!("frames for {}", StreamKind::Derived.on(shard)), Need::Optional);
    door.up();
    door
}

fn spawn_drain(lifecycle: &Lifecycle, drain: Drain) {
    let stop = lifecycle.shutdown().soft().clone();
    lifecycle.spawn(format!("drain {}", drain.context.of), drain.run(stop));
}
