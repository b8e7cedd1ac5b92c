//! Looks at one shard every few seconds: which of its servers answer, which of them is the primary, how far their streams
//! are, and which partitions there are.

use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_service::health::{Dependency, Need};
use forebay_service::{Service, Shutdown};
use forebay_shard::read::Windows;
use forebay_shard::{ShardError, ShardServer};
use futures::FutureExt;
use futures::future::join_all;

use crate::replica::shard::Shard;

const LOOK_EVERY: Duration = Duration::from_secs(2);
/// While a server is down: until it is looked at, reads leave it alone.
const LOOK_EVERY_DOWN: Duration = Duration::from_millis(500);
/// The catalogue is read less often: what is out of date there costs time, and no rows.
const PARTITIONS_EVERY: Duration = Duration::from_secs(30);

pub(crate) struct ShardWatch {
    shard: Arc<Shard>,
    /// Down where none of its servers answers.
    dependency: Dependency,
    /// One for each server, where there are several.
    servers: Vec<Dependency>,
    shutdown: Shutdown,
}

impl ShardWatch {
    pub(crate) fn new(shard: Arc<Shard>, service: &Service) -> Self {
        let name = format!("shard {}", shard.id());
        let dependency = service.health.dependency(&name, Need::Optional);
        let servers = shard.servers().iter().filter(|_| shard.servers().len() > 1);
        let named =
            |server: &ShardServer| service.health.dependency(format!("{name} at {}", server.name()), Need::Optional);
        let servers = servers.map(named).collect();
        Self { shard, dependency, servers, shutdown: service.shutdown().clone() }
    }

    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut partitions_read = None;
        loop {
            self.shard.close_idle();
            let looked = Box::pin(self.look(&mut partitions_read));
            match self.shutdown.answered().run_until_cancelled(looked).await {
                None => return Ok(()),
                Some(Ok(())) => self.dependency.up(),
                Some(Err(error @ ShardError::Foreign { .. })) => self.dependency.halted(error.to_string()),
                Some(Err(error)) => self.dependency.down(error.to_string()),
            }
            let has_down = self.shard.servers().iter().any(ShardServer::is_down);
            let pause = tokio::time::sleep(if has_down { LOOK_EVERY_DOWN } else { LOOK_EVERY });
            if self.shutdown.answered().run_until_cancelled(pause).await.is_none() {
                return Ok(());
            }
        }
    }

    async fn look(&self, partitions_read: &mut Option<Instant>) -> Result<(), ShardError> {
        self.look_at_servers().await?;
        if partitions_read.is_none_or(|then| then.elapsed() >= PARTITIONS_EVERY) {
            let read = self.shard.with_connection("stats", &|connection| Windows::of_tables(connection).boxed());
            self.shard.set_windows(read.await?);
            *partitions_read = Some(Instant::now());
        }
        Ok(())
    }

    /// Asks every server at the same time.
    ///
    /// # Errors
    /// The first server's, where none answers.
    async fn look_at_servers(&self) -> Result<(), ShardError> {
        let servers = self.shard.servers();
        let looks = servers.iter().enumerate().map(async |(number, server)| {
            let outcome = self.shard.look_at(server).await;
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
