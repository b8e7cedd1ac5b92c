//! What handlers share, and how it comes to be.

use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::routing::get;
use forebay_log::{Log, LogSettings};
use forebay_model::{Receipt, ShardMap};
use forebay_service::{BadSetting, Problem, Right, Service};
use tokio::sync::watch;

use crate::Settings;
use crate::cache::{Cache, Redis};
use crate::export::Room;
use crate::http::{customer, order, range, stats, view};
use crate::log_watch::LogWatch;
use crate::replica::shard_watch::ShardWatch;
use crate::replica::shards::Shards;

/// What handlers share. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    shards: Shards,
    cache: Cache,
    exports: Room,
    /// Empty until the log was reached for the first time.
    log: OnceLock<Connected>,
}

struct Connected {
    log: Log,
    map: watch::Receiver<Option<Arc<ShardMap>>>,
}

/// Starts the service's tasks and returns its routes. Until the log is reached and has a shard map, requests get 503
/// and `/readyz` says why. Must be called within a tokio runtime.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Router> {
    let shards = Shards::new(&settings.shards, settings.reads());
    let redis = settings.redis.0.clone().map(|url| Redis::start(url, &settings.log_prefix, service));
    let cache = Cache::new(settings.cache_bytes.get(), redis, settings.shards.len());
    let app = App(Arc::new(Inner { shards, cache, exports: Room::new(settings), log: OnceLock::new() }));
    let log_settings = LogSettings::new(&settings.nats, settings.log_prefix.clone());
    log_settings.check().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    service.lifecycle.spawn("log", LogWatch::new(app.clone(), log_settings, service).run());
    for shard in app.shards().iter() {
        let watch = ShardWatch::new(Arc::clone(shard), service);
        service.lifecycle.spawn(format!("shard {}", shard.id()), watch.run());
    }
    let routes = Router::new()
        .route("/v1/orders", get(range::get_orders))
        .route("/v1/orders/{order_id}", get(order::get_order))
        .route("/v1/customers/{customer_id}/orders", get(customer::get_orders))
        .route("/v1/customers/{customer_id}/orders/{order_id}", get(order::get_order_of_customer))
        .route("/v1/stats", get(stats::get_stats));
    let routes = view::add_routes(routes, &settings.views)?;
    Ok(routes.route_layer(service.clients.guard(Right::Read)).with_state(app))
}

impl App {
    pub(crate) fn shards(&self) -> &Shards {
        &self.0.shards
    }

    pub(crate) fn cache(&self) -> &Cache {
        &self.0.cache
    }

    /// Checks that a receipt can be of this system.
    ///
    /// # Errors
    /// The problem `malformed`.
    pub(crate) fn check_receipt(&self, receipt: &Receipt) -> Result<(), Problem> {
        let foreign = receipt.positions().find(|&(_, shard, _)| self.shards().get(shard).is_err());
        foreign.map_or(Ok(()), |(_, shard, _)| {
            Err(Problem::malformed(format!(
                "the receipt names shard {shard}, and there is none: it is of another system"
            )))
        })
    }

    /// What exports share.
    pub(crate) fn exports(&self) -> &Room {
        &self.0.exports
    }

    /// The shard map as it stands.
    ///
    /// # Errors
    /// The problem `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        let connected = self.0.log.get().ok_or_else(|| Problem::not_ready("the log has not been reached yet"))?;
        let map = connected.map.borrow().clone();
        map.ok_or_else(|| Problem::not_ready("there is no shard map yet: a writer makes it"))
    }

    /// The log, once it was reached.
    pub(crate) fn log(&self) -> Option<&Log> {
        self.0.log.get().map(|connected| &connected.log)
    }

    /// Notes that the log was reached.
    pub(crate) fn set_log(&self, log: Log) {
        let map = log.map();
        // It is reached for the first time only once.
        let _ = self.0.log.set(Connected { log, map });
    }
}
