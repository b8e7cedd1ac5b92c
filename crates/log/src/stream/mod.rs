//! Streams: how they are made, what they hold, how they are trimmed.
//!
//! A stream keeps every frame until it is trimmed (limits retention), refuses new ones when it is full (discard new),
//! and acknowledges what is on disk.

mod ending;
mod incarnation;
pub mod inspect;
mod renewal;

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::{CreateStreamErrorKind, GetStreamErrorKind, RequestErrorKind};
use async_nats::jetstream::stream::{Config, DiscardPolicy, Info, PersistenceMode, RetentionPolicy, StorageType};
use forebay_model::settings::StreamLimits;
use forebay_model::{Incarnation, Position, StreamId, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;

use crate::error::{LogError, causes};
use crate::log::Log;

/// The key of a stream's metadata that says since when it is the incarnation that it is, where that is later than its
/// creation: see [`Log::renew_stream`].
pub(crate) const INCARNATION: &str = "forebay-incarnation";

/// What a stream holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamState {
    /// Which making of the stream.
    pub incarnation: Incarnation,
    /// The sequence number of the first frame that is still there; behind the last where there is none.
    pub first_seq: u64,
    /// The sequence number of the last frame that was ever stored; 0 before the first.
    pub last_seq: u64,
    /// How many frames are there.
    pub frames: u64,
    /// How many bytes they take.
    pub bytes: u64,
    /// The most bytes that the stream may take.
    pub bytes_max: u64,
    /// When the first frame that is still there was stored.
    pub first_at: Option<Timestamp>,
    /// When the last frame was stored.
    pub last_at: Option<Timestamp>,
}

impl StreamState {
    fn of(info: &Info) -> Self {
        let state = &info.state;
        let at = |time: async_nats::datetime::DateTime| Some(timestamp(time)).filter(|at| at.unix_us() > 0);
        Self {
            incarnation: incarnation(info),
            // A stream that never had a frame says 0 or 1, by version.
            first_seq: state.first_sequence.max(1),
            last_seq: state.last_sequence,
            frames: state.messages,
            bytes: state.bytes,
            bytes_max: u64::try_from(info.config.max_bytes).unwrap_or(u64::MAX),
            first_at: at(state.first_timestamp),
            last_at: at(state.last_timestamp),
        }
    }

    /// The position of the last frame that was ever stored.
    pub fn last(&self) -> Position {
        Position { incarnation: self.incarnation, seq: self.last_seq }
    }
}

/// When the stream was made, or renewed since.
pub(crate) fn incarnation(info: &Info) -> Incarnation {
    let created = timestamp(info.created).unix_us().unsigned_abs();
    let renewed = info.config.metadata.get(INCARNATION).and_then(|us| us.parse().ok()).unwrap_or_default();
    Incarnation::new(created.max(renewed))
}

fn timestamp(time: async_nats::datetime::DateTime) -> Timestamp {
    Timestamp::from_unix_us(i64::try_from(time.unix_timestamp_nanos().div_euclid(1000)).unwrap_or(i64::MAX))
}

impl Log {
    /// Makes these streams where they are not there, and checks those that are: a stream
    /// that could lose an acknowledged frame is refused. Those that are there get the limits, too; replicas are only ever added.
    /// Safe when several processes do it at once.
    ///
    /// # Errors
    /// [`LogError::Unfit`] names what is wrong with a stream.
    pub async fn ensure_streams(
        &self,
        streams: impl IntoIterator<Item = StreamId>,
        limits: StreamLimits,
    ) -> Result<(), LogError> {
        for stream in streams {
            self.while_connected(self.ensure_stream(stream, limits)).await?;
        }
        Ok(())
    }

    fn ensure_stream(&self, stream: StreamId, limits: StreamLimits) -> BoxFuture<'_, Result<(), LogError>> {
        self.make_or_check(stream, limits).boxed()
    }

    async fn make_or_check(&self, stream: StreamId, limits: StreamLimits) -> Result<(), LogError> {
        let wanted = self.wanted(stream, limits);
        let created = self.jetstream().create_stream(&wanted).await;
        let found = match created {
            Ok(stream) => stream.cached_info().clone(),
            // There is one already, with another configuration.
            Err(error) if matches!(error.kind(), CreateStreamErrorKind::JetStream(ref e) if e.error_code() == ErrorCode::STREAM_NAME_EXIST) => {
                self.info(stream).await?
            }
            Err(error) => return Err(self.refused(format!("make the stream {}", wanted.name), &error)),
        };
        if let Some(fault) = unfit(&found.config, &wanted) {
            return Err(LogError::Unfit { stream: wanted.name, fault });
        }
        let Some(changed) = with_limits(&found, &wanted) else {
            return Ok(());
        };
        tracing::info!(stream = wanted.name, bytes_max = changed.max_bytes, "changing the limits of a stream");
        let updated = self.jetstream().update_stream(&changed).await;
        updated
            .map(drop)
            .map_err(|error| self.refused(format!("change the limits of the stream {}", wanted.name), &error))
    }

    pub(crate) fn wanted(&self, stream: StreamId, limits: StreamLimits) -> Config {
        Config {
            name: self.name().stream(stream),
            subjects: self.name().subjects(stream),
            description: Some(format!("Forebay: what was {} for shard {}", stream.kind, stream.shard)),
            max_bytes: i64::try_from(limits.bytes_max).unwrap_or(i64::MAX),
            max_messages: -1,
            max_messages_per_subject: -1,
            max_consumers: -1,
            discard: DiscardPolicy::New,
            retention: RetentionPolicy::Limits,
            storage: StorageType::File,
            num_replicas: limits.replicas.into(),
            duplicate_window: self.settings().duplicate_window,
            allow_direct: true,
            ..Config::default()
        }
    }

    pub(crate) fn info(&self, stream: StreamId) -> BoxFuture<'_, Result<Info, LogError>> {
        self.ask_info(stream).boxed()
    }

    async fn ask_info(&self, stream: StreamId) -> Result<Info, LogError> {
        let name = self.name().stream(stream);
        match self.jetstream().get_stream(&name).await {
            Ok(stream) => Ok(stream.cached_info().clone()),
            Err(error) => Err(match error.kind() {
                GetStreamErrorKind::JetStream(ref e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                    LogError::NoStream(name)
                }
                GetStreamErrorKind::Request => self.unreachable(causes(&error)),
                _ => LogError::Refused { action: format!("tell of the stream {name}"), reason: causes(&error) },
            }),
        }
    }

    /// What a stream holds.
    ///
    /// # Errors
    /// [`LogError::NoStream`] where there is none.
    pub async fn stream_state(&self, stream: StreamId) -> Result<StreamState, LogError> {
        Ok(StreamState::of(&self.while_connected(self.info(stream)).await?))
    }

    /// Removes every frame before that position. The frame at the position stays: by it a reader sees later that the
    /// stream is still the one that it has read. A call takes tens of milliseconds on the server, so it is for every
    /// few seconds, not for every batch.
    ///
    /// # Errors
    /// [`LogError::OtherIncarnation`] where the stream was made anew: none of its frames has been read.
    pub fn trim(&self, stream: StreamId, before: Position) -> BoxFuture<'_, Result<(), LogError>> {
        self.trim_now(stream, before).boxed()
    }

    async fn trim_now(&self, stream: StreamId, before: Position) -> Result<(), LogError> {
        let name = self.name().stream(stream);
        let state = self.stream_state(stream).await?;
        if state.incarnation != before.incarnation {
            let (expected, found) = (before.incarnation, state.incarnation);
            return Err(LogError::OtherIncarnation { stream: name, expected, found });
        }
        if before.seq <= state.first_seq {
            return Ok(());
        }
        // A position beyond the tail is a lost tail. Purging there would move the tail on and hide it.
        let sequence = before.seq.min(state.last_seq);
        self.while_connected(self.purge(&name, sequence)).await
    }

    async fn purge(&self, stream: &str, before_seq: u64) -> Result<(), LogError> {
        let refused =
            |error: &(dyn std::error::Error + 'static)| self.refused(format!("trim the stream {stream}"), error);
        let handle = self.jetstream().get_stream_no_info(stream).await.map_err(|error| refused(&error))?;
        handle.purge().sequence(before_seq).await.map(drop).map_err(|error| refused(&error))
    }

    /// The error for a request that failed: no answer, or a refusal.
    pub(crate) fn refused(&self, action: String, error: &(dyn std::error::Error + 'static)) -> LogError {
        let mut cause = Some(error);
        while let Some(error) = cause {
            let request = error.downcast_ref::<async_nats::jetstream::context::RequestError>();
            if request.is_some_and(|e| matches!(e.kind(), RequestErrorKind::TimedOut | RequestErrorKind::NoResponders))
            {
                return self.unreachable(causes(error));
            }
            cause = error.source();
        }
        LogError::Refused { action, reason: causes(error) }
    }
}

/// What would let a stream lose acknowledged frames, or give out others.
pub(crate) fn unfit(found: &Config, wanted: &Config) -> Option<String> {
    let rules = [
        (found.storage == StorageType::File, "it is kept in memory"),
        (
            found.persist_mode.unwrap_or_default() == PersistenceMode::Default,
            "it acknowledges before it writes to disk",
        ),
        (!found.no_ack, "it does not acknowledge"),
        (found.retention == RetentionPolicy::Limits, "its retention is not `limits`"),
        (found.discard == DiscardPolicy::New, "it discards old frames when it is full"),
        (found.max_age == Duration::ZERO, "it discards frames by age"),
        (found.max_messages <= 0, "it limits the number of frames"),
        (found.max_messages_per_subject <= 0, "it limits the number of frames per subject"),
        (found.subjects == wanted.subjects, "its subjects are others"),
        (found.mirror.is_none() && found.sources.is_none(), "it copies other streams"),
        (found.subject_transform.is_none(), "it changes subjects"),
        (!found.sealed, "it is sealed"),
        (!found.deny_purge, "it cannot be trimmed"),
    ];
    rules.into_iter().find(|(holds, _)| !holds).map(|(_, fault)| fault.to_owned())
}

/// The found configuration with the limits that the settings want, where they differ.
fn with_limits(found: &Info, wanted: &Config) -> Option<Config> {
    let mut config = found.config.clone();
    config.num_replicas = config.num_replicas.max(wanted.num_replicas);
    config.duplicate_window = wanted.duplicate_window;
    config.allow_direct = true;
    config.max_bytes = wanted.max_bytes;
    (config != found.config).then_some(config)
}
