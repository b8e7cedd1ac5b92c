//! Reaches the log, and keeps `/readyz` true to it.

use std::time::Duration;

use forebay_log::{Log, LogSettings};
use forebay_service::Service;
use forebay_service::health::{Dependency, Health, Need};
use forebay_service::lifecycle::Lifecycle;

use crate::app::App;
use crate::append::Appender;

pub(crate) struct LogWatch {
    app: App,
    settings: LogSettings,
    ack_timeout: Duration,
    lifecycle: Lifecycle,
    health: Health,
    nats: Dependency,
    map: Dependency,
}

impl LogWatch {
    pub(crate) fn new(app: App, settings: LogSettings, ack_timeout: Duration, service: &Service) -> Self {
        Self {
            app,
            settings: settings.spawned_by(service.lifecycle.spawner()),
            ack_timeout,
            lifecycle: service.lifecycle.clone(),
            health: service.health.clone(),
            nats: service.health.dependency("nats", Need::Required),
            map: service.health.dependency("shard map", Need::Required),
        }
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let shutdown = self.lifecycle.shutdown().clone();
        self.map.down("the log is not reached yet");
        let reached = Log::reach(&self.settings, |reason| self.nats.down(reason));
        let Some(log) = shutdown.soft().run_until_cancelled(reached).await else { return Ok(()) };
        self.app
            .set_log(&log, Appender::new(log.clone(), self.ack_timeout, self.lifecycle.clone(), self.health.clone()));
        let followed = log.follow(|state| {
            self.nats.set(state.connection);
            self.map.set(state.map);
        });
        tokio::select! {
            ended = followed => Ok(ended?),
            () = self.share_limits(&log) => Ok(()),
            () = shutdown.answered().cancelled() => Ok(()),
        }
    }

    /// Ends once the log is closed for good.
    async fn share_limits(&self, log: &Log) {
        if let Ok((tell, heard)) = log.talk("limits.orders").await {
            self.app.rates().share(tell, heard).await;
        }
    }
}
