//! How the service comes to be: what is shared, the tasks, and the routes.

use std::sync::Arc;

use forebay_service::limit::{Policy, Rates};
use forebay_service::telemetry::metrics::describe;
use forebay_service::{BadSetting, Routes, Service};

use crate::app::App;
use crate::cache::{Cache, Redis};
use crate::export::{self, Limits};
use crate::log_watch::LogWatch;
use crate::metrics::METRICS;
use crate::replica::shards::Shards;
use crate::{Settings, http};

/// Starts the service's tasks and returns its routes. Until the log is reached and has a shard map, requests get 503
/// and `/readyz` says why. Must be called within a tokio runtime.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Routes> {
    settings.service.failpoints.check(&[])?;
    describe(METRICS);
    export::begin_counting();
    let log = settings.log.settings().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    let log = log.spawned_by(service.lifecycle.spawner());
    let shards = Shards::new(settings.shards.clone(), settings.options.reads(), service);
    let redis = settings.options.redis.client()?;
    let redis = redis.map(|client| Redis::start(client, &settings.log.log_prefix, service));
    let derivations = Arc::clone(shards.derivations());
    let cache = Cache::new(settings.options.cache_bytes.as_u64(), redis, derivations);
    let default = settings.options.requests_per_s;
    let policy = Policy { unit: "requests", default, own: |client| client.requests_per_s };
    let rates = Rates::start(policy, &service.lifecycle);
    let app = App::new(shards, cache, Limits::new(settings), service.shutdown().clone());
    service.lifecycle.spawn("log", LogWatch::new(app.clone(), log, &rates, service).run());
    Ok(http::routes(&service.clients, &rates, app))
}
