//! Looks at one shard every few seconds: which of its servers answer, which of them is the primary, how far their streams
//! are, and which partitions there are.

use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use forebay_model::ShardId;
use forebay_service::health::{Dependency, Need};
use forebay_service::{Service, Shutdown};
use forebay_shard::read::Windows;
use forebay_shard::{ShardError, ShardServer};
use futures::FutureExt;
use futures::future::join_all;

use crate::moved::Moved;
use crate::replica::shard::Shard;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// While a server is down: until it is looked at, reads leave it alone.
const LOOK_EVERY_DOWN: Duration = Duration::from_millis(500);
/// The catalogue is read less often: what is out of date there costs time, and no rows.
const PARTITIONS_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct ShardWatch {
    id: ShardId,
    /// Who knows whether it is gone.
    moved: Arc<Moved>,
    /// Gone where the shard is elsewhere, or the service ends.
    shard: Weak<Shard>,
    /// Down where none of its servers answers.
    dependency: Dependency,
    /// One for each server, where there are several.
    servers: Vec<Dependency>,
    shutdown: Shutdown,
}

impl ShardWatch {
    pub(crate) fn new(shard: &Arc<Shard>, service: &Service, moved: Arc<Moved>) -> Self {
        let name = format!("shard {}", shard.id());
        let dependency = service.health.dependency(&name, Need::OptionalOnceSeen);
        let servers = shard.servers().iter().filter(|_| shard.servers().len() > 1);
        let named =
            |server: &ShardServer| service.health.dependency(format!("{name} at {}", server.name()), Need::Optional);
        let servers = servers.map(named).collect();
        let id = shard.id();
        Self { id, moved, shard: Arc::downgrade(shard), dependency, servers, shutdown: service.shutdown().clone() }
    }

    /// Looks for as long as somebody may ask for the shard where it is.
    pub(crate) async fn run(self) {
        let mut partitions_read = None;
        while let Some(shard) = self.shard.upgrade() {
            shard.close_idle();
            let looked = Box::pin(self.look(&shard, &mut partitions_read));
            match self.shutdown.answered().run_until_cancelled(looked).await {
                None => return,
                Some(Ok(())) => self.dependency.up(),
                Some(Err(error @ ShardError::Foreign { .. })) => self.dependency.halted(error.to_string()),
                Some(Err(error)) => self.dependency.down(error.to_string()),
            }
            let has_down = shard.servers().iter().any(ShardServer::is_down);
            drop(shard);
            let pause = tokio::time::sleep(if has_down { LOOK_EVERY_DOWN } else { LOOK_EVERY });
            if self.shutdown.answered().run_until_cancelled(pause).await.is_none() {
                return;
            }
        }
        self.servers.into_iter().for_each(Dependency::forget);
        if self.moved.map().is_ok_and(|map| !map.has(self.id)) {
            self.dependency.forget();
        }
    }

    async fn look(&self, shard: &Shard, partitions_read: &mut Option<Instant>) -> Result<(), ShardError> {
        self.look_at_servers(shard).await?;
        if partitions_read.is_none_or(|then| then.elapsed() >= PARTITIONS_EVERY) {
            let read = shard.with_connection("stats", &|connection| Windows::of_tables(connection).boxed());
            shard.set_windows(read.await?);
            *partitions_read = Some(Instant::now());
        }
        Ok(())
    }

    /// Asks every server at the same time.
    ///
    /// # Errors
    /// The first server's, where none answers.
    async fn look_at_servers(&self, shard: &Shard) -> Result<(), ShardError> {
        let servers = shard.servers();
        let looks = servers.iter().enumerate().map(async |(number, server)| {
            let outcome = shard.look_at(server).await;
            match (self.servers.get(number), &outcome) {
                (Some(dependency), Ok(())) => dependency.up(),
                (Some(dependency), Err(error)) => dependency.down(error.to_string()),
                (None, _) => {}
            }
            outcome
        });
        let outcomes = join_all(looks).await;
        let has_answer = outcomes.iter().any(Result::is_ok);
        outcomes.into_iter().find(|outcome| has_answer == outcome.is_ok()).unwrap_or(Ok(()))
    }
}
