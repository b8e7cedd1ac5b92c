//! What handlers share, and how it comes to be.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::routing::post;
use forebay_log::{Log, LogSettings};
use forebay_model::{OrderParser, Rejection, ShardMap};
use forebay_service::health::{Dependency, Need};
use forebay_service::{BadSetting, Problem, Right, Service, Shutdown};
use metrics::{Counter, counter};
use tokio::sync::watch;

use crate::append::Appender;
use crate::memory::Memory;
use crate::rate::Rates;
use crate::{Settings, batch, order};

/// What handlers share. Cloning it is cheap.
#[derive(Clone)]
pub(crate) struct App(Arc<Inner>);

struct Inner {
    parser: OrderParser,
    memory: Memory,
    rates: Rates,
    shutdown: Shutdown,
    batch_bytes_max: u64,
    accepted: Counter,
    /// Empty until the log was reached for the first time.
    log: OnceLock<Connected>,
}

struct Connected {
    map: watch::Receiver<Option<Arc<ShardMap>>>,
    appender: Appender,
}

/// Starts the service's tasks and returns its routes. Until the log is reached and has a shard map, requests get 503
/// and `/readyz` says why.
///
/// # Errors
/// [`BadSetting`].
pub fn start(settings: &Settings, service: &Service) -> anyhow::Result<Router> {
    let ahead_max_us = i64::try_from(settings.ahead_max.as_micros()).unwrap_or(i64::MAX);
    let app = App(Arc::new(Inner {
        parser: OrderParser::new(settings.views.clone(), ahead_max_us),
        memory: Memory::new(settings.memory_max.to_usize()),
        rates: Rates::new(settings.orders_per_s),
        shutdown: service.shutdown().clone(),
        batch_bytes_max: settings.batch_bytes_max.get(),
        accepted: counter!("forebay_ingest_accepted_orders_total"),
        log: OnceLock::new(),
    }));
    let watch = LogWatch {
        app: app.clone(),
        settings: LogSettings::new(&settings.nats, settings.log_prefix.clone()),
        ack_timeout: settings.ack_timeout,
        nats: service.health.dependency("nats", Need::Required),
        map: service.health.dependency("shard map", Need::Required),
    };
    watch.settings.check().map_err(|error| BadSetting::new(format!("--nats: {error}")))?;
    service.lifecycle.spawn("log", watch.run());
    let quiet = app.clone();
    service.lifecycle.spawn("rate limits", async move {
        quiet.rates().forget_quiet_clients(quiet.shutdown()).await;
        Ok(())
    });
    Ok(Router::new()
        .route("/v1/orders", post(order::post_order))
        .route("/v1/orders/batch", post(batch::post_batch))
        .route_layer(service.clients.guard(Right::Write))
        .with_state(app))
}

/// Reaches the log, and keeps `/readyz` true to it.
struct LogWatch {
    app: App,
    settings: LogSettings,
    ack_timeout: Duration,
    nats: Dependency,
    map: Dependency,
}

impl LogWatch {
    async fn run(self) -> anyhow::Result<()> {
        let shutdown = self.app.shutdown().clone();
        self.map.down("the log is not reached yet");
        let reached = Log::reach(&self.settings, |reason| self.nats.down(reason));
        let Some(log) = shutdown.soft().run_until_cancelled(reached).await else { return Ok(()) };
        let appender = Appender::new(log.clone(), self.ack_timeout);
        let _ = self.app.0.log.set(Connected { map: log.map(), appender });
        let followed = log.follow(|state| {
            self.nats.set(state.connection);
            self.map.set(state.map);
        });
        Ok(shutdown.answered().run_until_cancelled(followed).await.unwrap_or(Ok(()))?)
    }
}

impl App {
    fn log(&self) -> Result<&Connected, Problem> {
        self.0.log.get().ok_or_else(|| Problem::log_unreachable("the log has not been reached yet"))
    }

    pub(crate) fn parser(&self) -> &OrderParser {
        &self.0.parser
    }

    /// The shard map as it stands.
    ///
    /// # Errors
    /// The problem `log_unreachable` or `not_ready` before there is one.
    pub(crate) fn map(&self) -> Result<Arc<ShardMap>, Problem> {
        let map = self.log()?.map.borrow().clone();
        map.ok_or_else(|| Problem::not_ready("there is no shard map yet: no writer has been started on this log"))
    }

    /// What logs facts.
    ///
    /// # Errors
    /// The problem `log_unreachable` before the log was reached.
    pub(crate) fn appender(&self) -> Result<&Appender, Problem> {
        Ok(&self.log()?.appender)
    }

    pub(crate) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    pub(crate) fn rates(&self) -> &Rates {
        &self.0.rates
    }

    pub(crate) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    pub(crate) fn batch_bytes_max(&self) -> u64 {
        self.0.batch_bytes_max
    }

    pub(crate) fn count_accepted(&self, orders: u64) {
        self.0.accepted.increment(orders);
    }
}

/// Counts an order that is not accepted, by the code that its client is told.
pub(crate) fn count_rejected(rejection: &Rejection) {
    counter!("forebay_ingest_rejected_orders_total", "code" => rejection.code()).increment(1);
}
