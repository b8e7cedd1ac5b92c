//! Reaches the log, keeps `/readyz` true to it, and listens to commit notices.

use std::time::Duration;

use anyhow::Context;
use forebay_buffer::{Log, LogError, LogSettings, Notice};
use forebay_service::health::{Dependency, Need};
use forebay_service::{Service, Shutdown};
use tracing::{error, info};

use crate::app::App;

/// How long to wait between two attempts to reach the log for the first time, or to listen.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct LogWatch {
    app: App,
    settings: LogSettings,
    nats: Dependency,
    map: Dependency,
    shutdown: Shutdown,
}

impl LogWatch {
    /// Once there is a shard map, reads go on without the log: only notices and the lag are missing then.
    pub(crate) fn new(app: App, settings: LogSettings, service: &Service) -> Self {
        Self {
            app,
            settings,
            nats: service.health.dependency("nats", Need::Optional),
            map: service.health.dependency("shard map", Need::Required),
            shutdown: service.shutdown().clone(),
        }
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let Some(log) = self.shutdown.soft().run_until_cancelled(self.connect()).await else { return Ok(()) };
        self.app.set_log(log.clone());
        tokio::select! {
            ended = self.follow(&log) => ended,
            () = self.listen(&log) => Ok(()),
            () = self.shutdown.answered().cancelled() => Ok(()),
        }
    }

    async fn connect(&self) -> Log {
        self.map.down("the log is not reached yet");
        loop {
            match Log::connect(self.settings.clone()).await {
                Ok(log) => {
                    info!("connected to the log");
                    return log;
                }
                Err(error @ LogError::Unreachable { .. }) => self.nats.down(error.to_string()),
                Err(error) => {
                    error!(%error, "the log cannot be used as it is");
                    self.nats.down(error.to_string());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn follow(&self, log: &Log) -> anyhow::Result<()> {
        let (mut connected, mut map) = (log.connected(), log.map());
        loop {
            if *connected.borrow_and_update() {
                self.nats.up();
            } else {
                self.nats.down("not connected");
                self.app.cache().deafen();
            }
            if map.borrow_and_update().is_some() {
                self.map.up();
            } else {
                self.map.down("no writer has made it yet");
            }
            tokio::select! {
                changed = connected.changed() => changed.context("the log's connection is no longer followed")?,
                changed = map.changed() => changed.context("the shard map is no longer followed")?,
            }
        }
    }

    async fn listen(&self, log: &Log) {
        loop {
            if let Ok(mut notices) = log.notices().await {
                while let Some(notice) = notices.next().await {
                    self.note(&notice);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn note(&self, notice: &Notice) {
        self.app.cache().note(notice);
        // A notice of a shard that the settings do not name is nobody's here.
        if let Ok(shard) = self.app.shards().get(notice.shard) {
            shard.known().note(notice.lane, notice.after);
        }
    }
}
