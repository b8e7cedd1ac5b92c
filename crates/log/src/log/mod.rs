//! The handle on a log: one connection to NATS, and what every part of this crate shares.

pub(crate) mod incarnations;
pub(crate) mod map_watch;

use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectOptions};
use forebay_model::StreamId;
use futures::FutureExt;
use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::connection::link::Link;
use crate::error::{LogError, causes};
use crate::frame::kind::FrameKind;
use crate::name::LogName;
use crate::settings::{LogSettings, addresses, shown};
use incarnations::Incarnations;
use map_watch::MapWatch;

/// The oldest server whose acknowledgement can mean "on disk" (`sync_interval: always`).
const SERVER_MIN: (i64, i64, i64) = (2, 10, 23);
/// How often the server is asked whether it is there. Two unanswered questions end the connection.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one request to the server may take, other than a publish, which has its caller's deadline.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Commands that wait for the socket. Each may hold a frame, so this bounds memory when the server does not read.
const COMMANDS_MAX: usize = 256;

/// A connection to the log. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
    read_ahead_bytes: usize,
}

#[derive(Debug)]
struct Inner {
    settings: LogSettings,
    client: Client,
    jetstream: Context,
    link: Link,
    incarnations: Incarnations,
    map: MapWatch,
}

impl Log {
    /// Connects. The connection is held from then on: when it is lost it is made again, for as long as it takes.
    ///
    /// # Errors
    /// [`LogError`] where no server answers now, or where the one that answers cannot hold a log.
    pub fn connect(settings: LogSettings) -> BoxFuture<'static, Result<Self, LogError>> {
        Self::connect_now(settings).boxed()
    }

    async fn connect_now(settings: LogSettings) -> Result<Self, LogError> {
        let addresses = addresses(&settings.url)?;
        let (link, events) = Link::new();
        let options = ConnectOptions::new()
            .name("forebay")
            .ping_interval(PING_INTERVAL)
            .connection_timeout(CONNECT_TIMEOUT)
            .request_timeout(Some(REQUEST_TIMEOUT))
            .client_capacity(COMMANDS_MAX)
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .event_callback(move |event| {
                events.note(&event);
                std::future::ready(())
            });
        let options = settings.security.apply(options, &addresses)?;
        let address = shown(&settings.url);
        let unreachable = |reason: String| LogError::Unreachable { address: address.clone(), reason };
        let client = options.connect(addresses).await.map_err(|error| unreachable(causes(&error)))?;
        // The event of the first connection comes by another task; what is told to callers must not lag behind it.
        link.wait_connected(CONNECT_TIMEOUT).await;
        check_version(&client, &address)?;
        let jetstream = ContextBuilder::new().timeout(REQUEST_TIMEOUT).build(client.clone());
        jetstream
            .query_account()
            .await
            .map_err(|error| LogError::NoJetStream { address: address.clone(), reason: causes(&error) })?;
        let map = MapWatch::start(&settings, jetstream.clone(), link.clone());
        let incarnations = Incarnations::default();
        let read_ahead_bytes = settings.read_ahead_bytes;
        Ok(Self { inner: Arc::new(Inner { settings, client, jetstream, link, incarnations, map }), read_ahead_bytes })
    }

    /// The same connection, whose readers hold that many bytes of frames ready at most.
    #[must_use]
    pub fn reading_ahead(self, read_ahead_bytes: usize) -> Self {
        Self { read_ahead_bytes, ..self }
    }

    pub(crate) fn read_ahead_bytes(&self) -> usize {
        self.read_ahead_bytes
    }

    /// The settings it was made with.
    pub fn settings(&self) -> &LogSettings {
        &self.inner.settings
    }

    /// Whether the connection stands now.
    pub fn is_connected(&self) -> bool {
        self.inner.client.connection_state() == State::Connected
    }

    /// Follows whether the connection stands.
    pub fn connected(&self) -> watch::Receiver<bool> {
        self.inner.link.connected()
    }

    /// How often the connection was lost. Behind a loss may be another server's store, so that a stream is not what it was.
    pub fn losses(&self) -> u64 {
        self.link().losses()
    }

    /// The most bytes that the server takes as one message, headers included.
    pub fn message_bytes_max(&self) -> usize {
        self.inner.client.max_payload()
    }

    pub(crate) fn name(&self) -> &LogName {
        &self.inner.settings.name
    }

    /// What the frames of a subject of a stream carry. A stream takes no other subjects than its own.
    pub(crate) fn kind_of(&self, stream: StreamId, subject: &str) -> FrameKind {
        let first = || FrameKind::Facts(stream.lanes().next().expect("a stream has lanes"));
        self.name().kind_of(stream, subject).unwrap_or_else(first)
    }

    pub(crate) fn client(&self) -> &Client {
        &self.inner.client
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.inner.jetstream
    }

    pub(crate) fn link(&self) -> &Link {
        &self.inner.link
    }

    pub(crate) fn incarnations(&self) -> &Incarnations {
        &self.inner.incarnations
    }

    pub(crate) fn map_watch(&self) -> &MapWatch {
        &self.inner.map
    }

    /// Waits for answers of the server, and gives up as soon as the connection is lost: the server does not send an
    /// answer again, and the client would wait for it until its timeout.
    pub(crate) async fn while_connected<T, E: From<LogError>>(
        &self,
        requests: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let losses = self.link().losses();
        if !self.is_connected() {
            return Err(self.unreachable("not connected").into());
        }
        tokio::select! {
            biased;
            outcome = requests => outcome,
            () = self.link().lost_since(losses) => Err(self.unreachable("the connection was lost").into()),
        }
    }

    /// The error for a server that did not answer.
    pub(crate) fn unreachable(&self, reason: impl Into<String>) -> LogError {
        LogError::Unreachable { address: shown(&self.inner.settings.url), reason: reason.into() }
    }
}

fn check_version(client: &Client, address: &str) -> Result<(), LogError> {
    let (major, minor, patch) = SERVER_MIN;
    if client.is_server_compatible(major, minor, patch) {
        return Ok(());
    }
    Err(LogError::TooOld { address: address.to_owned(), version: client.server_info().version })
}

/// At once, then in growing steps up to a second: a restarted server is found again soon, a dead one is not hammered.
fn reconnect_delay(attempt: usize) -> Duration {
    match attempt {
        0 | 1 => Duration::ZERO,
        more => Duration::from_millis(50 << (more - 2).min(5)).min(Duration::from_secs(1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reconnecting_slows_down_to_a_second() {
        let delays: Vec<u64> = (1..9).map(|attempt| reconnect_delay(attempt).as_millis() as u64).collect();
        assert_eq!(delays, [0, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(reconnect_delay(usize::MAX), Duration::from_secs(1));
    }
}
