//! Reaches the log, keeps `/readyz` true to it, and listens to commit notices.

use std::sync::Arc;
use std::time::Duration;

use forebay_log::{Log, LogSettings, LogState, Notice};
use forebay_model::{Position, StreamKind};
use forebay_service::health::{Dependency, Need};
use forebay_service::limit::Rates;
use forebay_service::{BadSetting, Service, Shutdown};
use tracing::error;

use crate::app::App;

/// How long to wait between two attempts to listen.
const PAUSE: Duration = Duration::from_millis(500);

pub(crate) struct LogWatch {
    app: App,
    settings: LogSettings,
    nats: Dependency,
    map: Dependency,
    rates: Arc<Rates>,
    shutdown: Shutdown,
}

impl LogWatch {
    /// Once there is a shard map, reads go on without the log: only notices and the lag are missing then.
    pub(crate) fn new(app: App, settings: LogSettings, rates: &Arc<Rates>, service: &Service) -> Self {
        Self {
            app,
            settings,
            nats: service.health.dependency("nats", Need::Optional),
            map: service.health.dependency("shard map", Need::Required),
            rates: Arc::clone(rates),
            shutdown: service.shutdown().clone(),
        }
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        self.map.down("the log is not reached yet");
        let reached = Log::reach(&self.settings, |reason| self.nats.down(reason));
        let Some(log) = self.shutdown.soft().run_until_cancelled(reached).await else { return Ok(()) };
        self.app.set_log(log.clone());
        tokio::select! {
            Err(bad) = self.follow_map(&log) => Err(bad.into()),
            ended = log.follow(|state| self.tell(state)) => Ok(ended?),
            () = self.listen(&log) => Ok(()),
            () = self.share_limits(&log) => Ok(()),
            () = self.look_for_backlogs(&log) => Ok(()),
            () = self.shutdown.answered().cancelled() => Ok(()),
        }
    }

    /// Takes over each map.
    ///
    /// # Errors
    /// Where the settings do not fit the first one.
    async fn follow_map(&self, log: &Log) -> Result<(), BadSetting> {
        let mut maps = log.map();
        let mut is_first = true;
        loop {
            let map = maps.borrow_and_update().clone();
            if let Some(map) = map {
                match self.app.follow(&map) {
                    Ok(()) => is_first = false,
                    Err(error) if is_first => return Err(BadSetting::new(error.to_string())),
                    Err(error) => error!(epoch = %map.epoch(), %error, "the shards are read as the map before says"),
                }
            }
            if maps.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    fn tell(&self, state: LogState) {
        let is_heard = state.connection.is_ok();
        self.nats.set(state.connection);
        self.map.set(state.map);
        self.app.shards().moved().set_heard(is_heard);
        if !is_heard {
            self.app.cache().deafen();
            self.app.shards().derivations().deafen();
        }
    }

    /// Asks where the logs end of writers that are heard again: until they have come there, views lack what was taken meanwhile.
    async fn look_for_backlogs(&self, log: &Log) {
        let derivations = self.app.shards().derivations();
        loop {
            for source in derivations.returned().await {
                let Ok(state) = log.stream_state(StreamKind::Logged.on(source)).await else {
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let end = Position { incarnation: state.incarnation, seq: state.last_seq };
                let known = self.app.shards().get(source).ok();
                let committed = known.and_then(|shard| *shard.known().follow(StreamKind::Logged).borrow());
                derivations.note_end(source, end, committed);
            }
        }
    }

    /// Ends once the log is closed for good.
    async fn share_limits(&self, log: &Log) {
        if let Ok((tell, heard)) = log.talk("limits.requests").await {
            self.rates.share(tell, heard).await;
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
        // In this order: what the cache may keep depends on what is known to be owed.
        self.app.shards().derivations().note(notice);
        self.app.cache().note(notice);
        // A notice of a shard that is not in the map yet is passed over.
        if let Ok(shard) = self.app.shards().get(notice.stream.shard) {
            shard.known().note(notice.stream.kind, notice.after);
        }
    }
}
