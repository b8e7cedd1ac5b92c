//! What the sessions of a stream have in common.

use std::time::Duration;

use forebay_log::Log;
use forebay_model::StreamId;
use forebay_shard::{ShardAddresses, StoreSettings};
use forebay_task::Backoff;
use tokio::sync::watch;

use crate::derive::Doors;
use crate::drain::batch_size::BatchSize;
use crate::retry;
use crate::status::Status;

/// What every session of a stream needs.
#[derive(Clone, Debug)]
pub(crate) struct StreamContext {
    pub(crate) of: StreamId,
    /// Where the shard is, now and later.
    pub(crate) addresses: watch::Receiver<ShardAddresses>,
    pub(crate) store: StoreSettings,
    pub(crate) merge_idle: Duration,
    pub(crate) batch_rows: usize,
    pub(crate) batch_bytes: usize,
    pub(crate) log: Log,
    pub(crate) status: Status,
    pub(crate) doors: Doors,
}

/// How hard a stream's writer tries: kept from session to session.
#[derive(Debug)]
pub(crate) struct Retries {
    pub(crate) backoff: Backoff,
    pub(crate) batch_size: BatchSize,
}

impl Default for Retries {
    fn default() -> Self {
        Self { backoff: retry::BACKOFF, batch_size: BatchSize::default() }
    }
}
