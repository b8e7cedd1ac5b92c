//! The part of the cache that query processes share. It may be gone, or slow, at any time; then reads go on without it.
//!
//! Entries are read over one connection and written over another, so that no command waits behind a large entry. A command
//! that fails or takes too long takes the connection out of use at once; it is made anew, and tried, in the background: to whatever
//! serves then. Another primary may lack entries or have older ones, which is no matter: none is taken for true because it is there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use forebay_log::LogName;
use forebay_redis::{Client, Connection, Put, RedisError};
use forebay_service::Service;
use forebay_service::health::{Dependency, Need};
use metrics::{Counter, counter};
use tokio::sync::{Notify, mpsc};
use tokio::time::sleep;
use tracing::debug;

use super::codec::{decode, encode};
use super::entry::CacheEntry;
use crate::metrics::{REDIS_DROPPED, REDIS_ERRORS};

/// A local answer takes a fraction of a millisecond; a Redis that takes longer than this is of no use.
const ANSWER_MAX: Duration = Duration::from_millis(20);
const WRITE_MAX: Duration = Duration::from_secs(1);
/// How often the connection is tried, and a lost one made anew.
const TRY_EVERY: Duration = Duration::from_millis(500);
/// How long entries stay; those that show nothing for a short time.
const KEEP_S: u64 = 3600;
const KEEP_EMPTY_S: u64 = 5;
/// Larger entries are not shared.
const ENTRY_BYTES_MAX: usize = 256 << 10;
/// Entries that wait to be written. More are dropped: they are only a cache's.
const QUEUE_ENTRIES: usize = 1024;
const QUEUE_BYTES_MAX: usize = 8 << 20;
/// Entries that come within this time are written together: each write wakes Redis and the task that waits for it, which costs as
/// much as a few entries do.
const WRITE_EVERY: Duration = Duration::from_millis(10);
const BATCH: usize = 256;

/// What is shared through Redis.
#[derive(Debug)]
pub(crate) struct Redis {
    prefix: String,
    shared: Arc<Shared>,
    queue: mpsc::Sender<(String, Arc<CacheEntry>)>,
}

#[derive(Debug)]
struct Shared {
    /// For reading; empty while it does not work.
    connection: RwLock<Option<Connection>>,
    failed: Notify,
    queued_bytes: AtomicUsize,
    errors: Counter,
    dropped: Counter,
}

impl Redis {
    /// Starts to connect. Entries are named after the log, so that several systems can share a server.
    pub(crate) fn start(client: Client, log: &LogName, service: &Service) -> Self {
        let (queue, entries) = mpsc::channel(QUEUE_ENTRIES);
        let shared = Arc::new(Shared {
            connection: RwLock::default(),
            failed: Notify::new(),
            queued_bytes: AtomicUsize::new(0),
            errors: counter!(REDIS_ERRORS.name),
            dropped: counter!(REDIS_DROPPED.name),
        });
        let keeper = Keeper {
            client,
            shared: Arc::clone(&shared),
            dependency: service.health.dependency("redis", Need::Optional),
            entries,
        };
        let shutdown = service.shutdown().clone();
        service.lifecycle.spawn("redis", async move {
            shutdown.answered().run_until_cancelled(keeper.run()).await;
            Ok(())
        });
        Self { prefix: format!("{log}:answer:"), shared, queue }
    }

    /// An entry, where there is one and Redis answers in time.
    pub(crate) async fn get(&self, key: &str) -> Option<CacheEntry> {
        let mut connection = self.shared.connection()?;
        match connection.get(&self.name(key)).await {
            Ok(value) => decode(&value?),
            Err(error) => {
                self.shared.fail(&error);
                None
            }
        }
    }

    /// Shares an entry, soon.
    pub(crate) fn put(&self, key: &str, entry: &Arc<CacheEntry>) {
        let cost = entry.cost();
        if cost > ENTRY_BYTES_MAX || self.shared.connection().is_none() {
            return;
        }
        let queued = self.shared.queued_bytes.fetch_add(cost, Ordering::Relaxed);
        let is_taken =
            queued + cost <= QUEUE_BYTES_MAX && self.queue.try_send((self.name(key), Arc::clone(entry))).is_ok();
        if !is_taken {
            self.shared.queued_bytes.fetch_sub(cost, Ordering::Relaxed);
            self.shared.dropped.increment(1);
        }
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl Shared {
    fn connection(&self) -> Option<Connection> {
        self.connection.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, connection: Option<Connection>) {
        *self.connection.write().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// Takes the connection out of use.
    fn fail(&self, error: &RedisError) {
        debug!(%error, "Redis does not answer");
        self.errors.increment(1);
        self.set(None);
        self.failed.notify_one();
    }
}

/// Keeps the connections.
struct Keeper {
    client: Client,
    shared: Arc<Shared>,
    dependency: Dependency,
    entries: mpsc::Receiver<(String, Arc<CacheEntry>)>,
}

impl Keeper {
    async fn run(mut self) {
        loop {
            let error = match self.connect().await {
                Ok((reading, writing)) => self.keep(reading, writing).await,
                Err(error) => error,
            };
            self.shared.set(None);
            self.dependency.down(error.to_string());
            self.discard();
            sleep(TRY_EVERY).await;
        }
    }

    async fn connect(&self) -> Result<(Connection, Connection), RedisError> {
        Ok((self.client.connect(ANSWER_MAX).await?, self.client.connect(WRITE_MAX).await?))
    }

    /// Until it fails, and why it did.
    async fn keep(&mut self, reading: Connection, mut writing: Connection) -> RedisError {
        let mut probe = reading.clone();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if let Err(error) = probe.ping().await {
                return error;
            }
            if self.shared.connection().is_none() {
                self.shared.set(Some(reading.clone()));
                self.dependency.up();
            }
            let next_probe = sleep(TRY_EVERY);
            tokio::pin!(next_probe);
            loop {
                tokio::select! {
                    () = &mut next_probe => break,
                    () = self.shared.failed.notified() => break,
                    _ = self.entries.recv_many(&mut batch, BATCH) => {
                        if let Err(error) = self.write(&mut batch, &mut writing).await {
                            self.shared.errors.increment(1);
                            return error;
                        }
                        sleep(WRITE_EVERY).await;
                    }
                }
            }
        }
    }

    async fn write(
        &self,
        batch: &mut Vec<(String, Arc<CacheEntry>)>,
        connection: &mut Connection,
    ) -> Result<(), RedisError> {
        let put = |(name, entry): (String, Arc<CacheEntry>)| {
            self.shared.queued_bytes.fetch_sub(entry.cost(), Ordering::Relaxed);
            let keep_s = if entry.is_empty { KEEP_EMPTY_S } else { KEEP_S };
            Put { name, value: encode(&entry), keep_s }
        };
        connection.put(batch.drain(..).map(put)).await
    }

    /// What waits to be written would be out of date when it could be.
    fn discard(&mut self) {
        while let Ok((_, entry)) = self.entries.try_recv() {
            self.shared.queued_bytes.fetch_sub(entry.cost(), Ordering::Relaxed);
        }
    }
}
