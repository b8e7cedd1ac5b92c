//! The handle on a log: one connection to NATS, and what every part of this crate shares.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{Client, ConnectOptions, ServerAddr};
use tokio::sync::watch;

use crate::incarnation::Incarnations;
use crate::link::Link;
use crate::map::MapWatch;
use crate::name::LogName;

/// The oldest server whose acknowledgement can mean "on disk" (`sync_interval: always`).
const SERVER_MIN: (i64, i64, i64) = (2, 10, 23);
/// How often the server is asked whether it is there. Two unanswered questions end the connection.
const PING_INTERVAL: Duration = Duration::from_secs(2);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// How long one request to the server may take, other than a publish, which has its caller's deadline.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Commands that wait for the socket. Each may hold a frame, so this bounds memory when the server does not read.
const COMMANDS_MAX: usize = 256;

/// Where a log is, and how its streams are made.
#[derive(Clone)]
pub struct LogSettings {
    /// Addresses of NATS servers of one cluster, separated by commas, such as `nats://127.0.0.1:4225`.
    pub url: String,
    /// The prefix of the log's streams, subjects and buckets.
    pub name: LogName,
    /// How many servers keep each stream.
    pub replicas: usize,
    /// The most bytes of one stream. A full stream refuses frames.
    pub stream_bytes_max: u64,
    /// For how long a second frame with the same id is recognised and not stored.
    pub duplicate_window: Duration,
    /// The most bytes of frames that one reader holds ready.
    pub read_ahead_bytes: usize,
}

impl LogSettings {
    /// One replica, streams of at most 1 GiB, a duplicate window of two minutes, 4 MiB of frames read ahead.
    pub fn new(url: impl Into<String>, name: LogName) -> Self {
        Self {
            url: url.into(),
            name,
            replicas: 1,
            stream_bytes_max: 1 << 30,
            duplicate_window: Duration::from_mins(2),
            read_ahead_bytes: 4 << 20,
        }
    }

    /// Whether the addresses can be read.
    ///
    /// # Errors
    /// [`LogError::Address`].
    pub fn check(&self) -> Result<(), LogError> {
        addresses(&self.url).map(drop)
    }
}

/// Without user and password.
impl fmt::Debug for LogSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSettings")
            .field("url", &shown(&self.url))
            .field("name", &self.name)
            .field("replicas", &self.replicas)
            .field("stream_bytes_max", &self.stream_bytes_max)
            .field("duplicate_window", &self.duplicate_window)
            .field("read_ahead_bytes", &self.read_ahead_bytes)
            .finish()
    }
}

/// Why something with the log did not work.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogError {
    /// The address cannot be read.
    #[error("`{0}` is no address of a NATS server, such as nats://127.0.0.1:4225")]
    Address(String),
    /// No server answers, or not in time.
    #[error("NATS does not answer at {address}: {reason}")]
    Unreachable {
        /// Where it should be.
        address: String,
        /// What was seen instead.
        reason: String,
    },
    /// The server is too old to keep the promise of an acknowledgement.
    #[error("NATS at {address} is version {version}; 2.10.23 or newer is needed")]
    TooOld {
        /// Where the server is.
        address: String,
        /// What it is.
        version: String,
    },
    /// The server has no JetStream, or not for this user.
    #[error("NATS at {address} has no JetStream: {reason}")]
    NoJetStream {
        /// Where the server is.
        address: String,
        /// What it says.
        reason: String,
    },
    /// There is no such stream.
    #[error("there is no stream {0}")]
    NoStream(String),
    /// A stream is there and cannot keep what the log promises.
    #[error("the stream {stream} is not fit to be a log: {fault}")]
    Unfit {
        /// Its name.
        stream: String,
        /// What is wrong with its configuration.
        fault: String,
    },
    /// The stream is another one than the caller means.
    #[error("the stream {stream} was made anew: it is incarnation {found}, not {expected}")]
    OtherIncarnation {
        /// Its name.
        stream: String,
        /// Which one the caller means.
        expected: forebay_model::Incarnation,
        /// Which one is there.
        found: forebay_model::Incarnation,
    },
    /// The server refuses.
    #[error("NATS refuses to {action}: {reason}")]
    Refused {
        /// What was asked for.
        action: String,
        /// What it says.
        reason: String,
    },
}

/// A connection to the log. Clones share it.
#[derive(Clone, Debug)]
pub struct Log {
    inner: Arc<Inner>,
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
    pub async fn connect(settings: LogSettings) -> Result<Self, LogError> {
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
        let map = MapWatch::start(jetstream.clone(), link.clone(), settings.name.map_bucket());
        let incarnations = Incarnations::default();
        Ok(Self { inner: Arc::new(Inner { settings, client, jetstream, link, incarnations, map }) })
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

    /// The most bytes that the server takes as one message, headers included.
    pub fn message_bytes_max(&self) -> usize {
        self.inner.client.max_payload()
    }

    pub(crate) fn name(&self) -> &LogName {
        &self.inner.settings.name
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

fn addresses(url: &str) -> Result<Vec<ServerAddr>, LogError> {
    let parts: Vec<&str> = url.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.is_empty() {
        return Err(LogError::Address(shown(url)));
    }
    parts.into_iter().map(|part| part.parse().map_err(|_| LogError::Address(shown(part)))).collect()
}

/// Addresses as they may stand in a message: without user and password.
fn shown(url: &str) -> String {
    let shown_one = |part: &str| match (part.split_once("://"), part.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://{host}"),
        (None, Some((_, host))) => host.to_owned(),
        _ => part.to_owned(),
    };
    url.split(',').map(|part| shown_one(part.trim())).collect::<Vec<_>>().join(",")
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

/// An error with all of its causes: the client's own texts say little without them.
pub(crate) fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_shown() {
        assert_eq!(shown("nats://joe:secret@host:4222, nats://other:4222"), "nats://host:4222,nats://other:4222");
        assert_eq!(shown("joe:secret@host"), "host");
        assert_eq!(shown("127.0.0.1:4225"), "127.0.0.1:4225");
        let settings = LogSettings::new("nats://joe:secret@host", LogName::default());
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn addresses_are_a_list() {
        assert_eq!(addresses("nats://a:1,nats://b:2").unwrap().len(), 2);
        assert!(matches!(addresses(" , "), Err(LogError::Address(_))));
        assert!(matches!(addresses("nats://a:b:c"), Err(LogError::Address(_))));
    }

    #[test]
    fn reconnecting_slows_down_to_a_second() {
        let delays: Vec<u64> = (1..9).map(|attempt| reconnect_delay(attempt).as_millis() as u64).collect();
        assert_eq!(delays, [0, 50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(reconnect_delay(usize::MAX), Duration::from_secs(1));
    }
}
