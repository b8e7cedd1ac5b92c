//! What the server tells of itself and of its streams: for those who check whether it can hold a log.

use bytes::Bytes;
use forebay_model::settings::StreamLimits;
use forebay_model::{StreamId, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::Deserialize;

use super::unfit;
use crate::error::{LogError, causes};
use crate::log::Log;

/// The NATS server that this connection has at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServer {
    /// What tells it from every other server.
    pub id: String,
    /// What its operators call it.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// The room that JetStream has for this account's streams on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Bytes that all streams of the account take.
    pub used: u64,
    /// The most bytes that they may take; `None` where the account has no limit of its own.
    pub max: Option<u64>,
}

impl Log {
    /// The server at the other end.
    pub fn server(&self) -> NatsServer {
        let info = self.client().server_info();
        NatsServer { id: info.server_id, name: info.server_name, version: info.version }
    }

    /// The room that this account has.
    ///
    /// # Errors
    /// Where the server does not tell.
    pub fn room(&self) -> BoxFuture<'_, Result<Room, LogError>> {
        self.ask_room().boxed()
    }

    async fn ask_room(&self) -> Result<Room, LogError> {
        let account = self.jetstream().query_account().await;
        let account = account.map_err(|error| self.refused("tell of the account".to_owned(), &error))?;
        let max = account.limits.max_storage.and_then(|bytes| u64::try_from(bytes).ok());
        Ok(Room { used: account.storage, max })
    }

    /// What the server's clock says. It is told with what is in the shard map's bucket, so there is none before a map.
    ///
    /// # Errors
    /// Where the server does not answer.
    pub async fn server_time(&self) -> Result<Option<Timestamp>, LogError> {
        /// The client library leaves this field out.
        #[derive(Deserialize)]
        struct StreamInfo {
            ts: Option<String>,
        }
        let subject = format!("$JS.API.STREAM.INFO.KV_{}", self.name().map_bucket());
        let answer = self.client().request(subject, Bytes::new()).await;
        let answer = answer.map_err(|error| self.unreachable(causes(&error)))?;
        let told = serde_json::from_slice::<StreamInfo>(&answer.payload).ok();
        Ok(told.and_then(|told| Timestamp::parse(&told.ts?).ok()))
    }

    /// What would let a stream lose acknowledged frames, or give out others. `None` where it is as it should be.
    ///
    /// # Errors
    /// [`LogError::NoStream`] where there is none.
    pub async fn stream_fault(&self, stream: StreamId) -> Result<Option<String>, LogError> {
        let info = self.while_connected(self.info(stream)).await?;
        Ok(unfit(&info.config, &self.wanted(stream, StreamLimits::default())))
    }
}
