//! One consumer, from its making to its first trouble.
//!
//! The consumer lives in the server's memory on purpose: when the server goes down, the consumer is gone, so whatever
//! the stream may have lost with it is found by the check of the next session. It is made *before* the check, for
//! the same reason: nothing can happen to the stream between the two without the consumer going too.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull};
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::{Message, Subscriber};
use forebay_model::{Incarnation, Position, StreamId};
use futures::StreamExt;
use serde::Serialize;

use crate::error::LogError;
use crate::frame::stored::{StoredFrame, UnreadableFrame};
use crate::log::Log;
use crate::reader::buffer::Buffer;
use crate::reader::check::check;
use crate::reader::delivery::{Delivered, Signal, signal};
use crate::reader::{ReadError, ReadFrom};

/// How long the server keeps one request for frames.
const REQUEST_EXPIRES: Duration = Duration::from_secs(30);
/// How often the server says that it still has the request, when there are no frames.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// No frame and no heartbeat for that long: the session makes no progress and is given up.
const SILENCE_MAX: Duration = Duration::from_secs(8);
/// For how long the server keeps a consumer that nobody asks. Longer than a reader ever waits between two requests,
/// unless its buffer is full.
const CONSUMER_UNUSED_MAX: Duration = Duration::from_mins(1);
/// The most messages of one request. The client keeps 65,536 for us before it drops some.
const REQUEST_MESSAGES_MAX: u64 = 16_384;
/// What subject and reply subject add to a message at most.
const ENVELOPE_BYTES_MAX: usize = 4096;

/// Why a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The log is not the one that was read so far, or is damaged.
    Refused(ReadError),
    /// A new session may do better.
    Interrupted(String),
}

#[derive(Debug)]
pub(crate) struct Session {
    log: Log,
    stream: StreamId,
    /// Where reading goes on.
    cursor: ReadFrom,
    /// How often the connection was lost before this session.
    losses: u64,
    subscriber: Subscriber,
    inbox: String,
    next_subject: String,
    /// The consumer's own count of what it has delivered.
    delivered: u64,
    requests: u64,
    request_bytes: usize,
    /// What the present request has brought.
    brought: Brought,
}

/// What a request has brought. The server ends a request by a status message, but not always: one that comes out even,
/// in messages or in bytes, ends without a word.
#[derive(Clone, Copy, Debug, Default)]
struct Brought {
    messages: u64,
    /// As the server counts them: subject, reply subject, headers, payload.
    bytes: usize,
}

/// A request for frames. Source: `CONSUMER.MSG.NEXT` in the JetStream API; durations are in nanoseconds.
#[derive(Serialize)]
struct Request {
    batch: u64,
    max_bytes: usize,
    expires: u64,
    idle_heartbeat: u64,
}

impl Session {
    /// Makes a consumer behind the position, then checks that the stream can be read on from there.
    pub(crate) async fn open(log: &Log, stream: StreamId, after: Option<ReadFrom>) -> Result<Self, ReadError> {
        let losses = log.link().losses();
        let inbox = log.client().new_inbox();
        let subscriber = log.client().subscribe(format!("{inbox}.*")).await;
        let subscriber = subscriber.map_err(|error| log.refused("subscribe".to_owned(), &error))?;
        let start = after.as_ref().map_or(1, |after| after.position.seq + 1);
        let consumer = create_consumer(log, stream, start).await?;
        let position = check(log, stream, after.as_ref()).await?;
        let frame_id = after.and_then(|after| after.frame_id);
        let name = log.name().stream(stream);
        let request_bytes = (log.read_ahead_bytes() / 4).max(log.message_bytes_max() + ENVELOPE_BYTES_MAX);
        Ok(Self {
            log: log.clone(),
            stream,
            cursor: ReadFrom { position, frame_id },
            losses,
            subscriber,
            inbox,
            next_subject: format!("$JS.API.CONSUMER.MSG.NEXT.{name}.{consumer}"),
            delivered: 0,
            requests: 0,
            request_bytes,
            brought: Brought::default(),
        })
    }

    pub(crate) fn incarnation(&self) -> Incarnation {
        self.cursor.position.incarnation
    }

    pub(crate) fn stream(&self) -> StreamId {
        self.stream
    }

    /// Where the next session goes on.
    pub(crate) fn cursor(&self) -> &ReadFrom {
        &self.cursor
    }

    /// Takes the next frame without the consumer, which is of no use afterwards. Whether there was one.
    pub(crate) async fn step(&mut self, buffer: &Buffer) -> Result<bool, ReadError> {
        let Position { incarnation, seq } = self.cursor.position;
        let next = Position { incarnation, seq: seq + 1 };
        let Some(frame) = self.log.frame_at(self.stream, next).await? else {
            return Ok(false);
        };
        let frame = frame.map_err(|unread| self.unreadable(unread))?;
        self.cursor = ReadFrom { position: next, frame_id: frame.id.clone() };
        buffer.push(frame);
        Ok(true)
    }

    /// Fills the buffer, one request after the other, until something is wrong.
    pub(crate) async fn run(&mut self, buffer: &Buffer) -> Ended {
        loop {
            buffer.room(self.request_bytes).await;
            if let Err(ended) = self.request().await {
                return ended;
            }
            if let Err(ended) = self.take_answers(buffer).await {
                return ended;
            }
        }
    }

    async fn request(&mut self) -> Result<(), Ended> {
        self.requests += 1;
        self.brought = Brought::default();
        let request = Request {
            batch: REQUEST_MESSAGES_MAX,
            max_bytes: self.request_bytes,
            expires: nanoseconds(REQUEST_EXPIRES),
            idle_heartbeat: nanoseconds(HEARTBEAT),
        };
        let payload = serde_json::to_vec(&request).map_err(|error| Ended::Interrupted(error.to_string()))?;
        let reply = format!("{}.{}", self.inbox, self.requests);
        let sent = self.log.client().publish_with_reply(self.next_subject.clone(), reply, payload.into());
        sent.await.map_err(|error| Ended::Interrupted(error.to_string()))
    }

    /// Takes what comes until the present request has ended.
    async fn take_answers(&mut self, buffer: &Buffer) -> Result<(), Ended> {
        let deadline = tokio::time::Instant::now() + REQUEST_EXPIRES + SILENCE_MAX;
        loop {
            let message = self.next_message(deadline).await?;
            let Some(place) = message.reply.as_deref().and_then(Delivered::parse) else {
                match self.signal(&message) {
                    Signal::Alive | Signal::Stale => continue,
                    Signal::Done => return Ok(()),
                    Signal::BytesUsedUp => {
                        // A message that was let in before the server's limit was lowered must not stop the log.
                        if self.brought.messages == 0 {
                            self.request_bytes *= 2;
                        }
                        return Ok(());
                    }
                    Signal::Broken => return Err(Ended::Interrupted(shown(&message))),
                }
            };
            self.brought.messages += 1;
            self.brought.bytes += message.length;
            if let Some(frame) = self.accept(place, message)? {
                buffer.push(frame);
            }
            if self.brought.messages >= REQUEST_MESSAGES_MAX || self.brought.bytes >= self.request_bytes {
                return Ok(());
            }
        }
    }

    async fn next_message(&mut self, deadline: tokio::time::Instant) -> Result<Message, Ended> {
        let interrupted = |reason: &str| Ended::Interrupted(reason.to_owned());
        tokio::select! {
            biased;
            message = self.subscriber.next() => message.ok_or_else(|| interrupted("the client has closed")),
            () = self.log.link().lost_since(self.losses) => Err(interrupted("the connection was lost")),
            () = tokio::time::sleep(SILENCE_MAX) => Err(interrupted("neither frames nor heartbeats come")),
            () = tokio::time::sleep_until(deadline) => Err(interrupted("the request does not end")),
        }
    }

    /// Takes a message as the next frame, if it is that.
    fn accept(&mut self, place: Delivered, message: Message) -> Result<Option<StoredFrame>, Ended> {
        let Position { incarnation, seq } = self.cursor.position;
        if place.delivered != self.delivered + 1 {
            return Err(Ended::Interrupted(format!("message {} of the consumer was lost", self.delivered + 1)));
        }
        self.delivered = place.delivered;
        if place.seq <= seq {
            return Ok(None);
        }
        if place.seq != seq + 1 {
            // The consumer left nothing out, so the stream does not have it.
            let (stream, next) = (self.stream, place.seq);
            return Err(Ended::Refused(ReadError::Gap { stream, seq, next }));
        }
        let position = Position { incarnation, seq: place.seq };
        let headers = message.headers.unwrap_or_default();
        let kind = self.log.kind_of(self.stream, &message.subject);
        let frame = StoredFrame::from_message(kind, position, &headers, message.payload);
        let frame = frame.map_err(|unread| Ended::Refused(self.unreadable(unread)))?;
        self.cursor = ReadFrom { position, frame_id: frame.id.clone() };
        Ok(Some(frame))
    }

    fn unreadable(&self, UnreadableFrame { position, why, .. }: UnreadableFrame) -> ReadError {
        ReadError::Unreadable { stream: self.stream, seq: position.seq, why }
    }

    fn signal(&self, message: &Message) -> Signal {
        let request = message.subject.rsplit('.').next().and_then(|id| id.parse().ok());
        let description = message.description.as_deref().unwrap_or_default();
        signal(message.status, description, request == Some(self.requests))
    }
}

fn shown(message: &Message) -> String {
    let status = message.status.map_or(0, |status| status.as_u16());
    format!("the consumer ended: {status} {}", message.description.as_deref().unwrap_or_default())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

async fn create_consumer(log: &Log, stream: StreamId, start: u64) -> Result<String, LogError> {
    let stream = log.name().stream(stream);
    let name = format!("reader-{}", uuid::Uuid::new_v4().simple());
    let config = pull::Config {
        name: Some(name.clone()),
        description: Some("reads frames; positions are kept elsewhere".to_owned()),
        deliver_policy: DeliverPolicy::ByStartSequence { start_sequence: start },
        ack_policy: AckPolicy::None,
        replay_policy: ReplayPolicy::Instant,
        inactive_threshold: CONSUMER_UNUSED_MAX,
        num_replicas: 1,
        memory_storage: true,
        ..pull::Config::default()
    };
    match log.jetstream().create_consumer_on_stream(config, &stream).await {
        Ok(_) => Ok(name),
        Err(error) => Err(match error.kind() {
            ConsumerErrorKind::JetStream(ref e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                LogError::NoStream(stream)
            }
            ConsumerErrorKind::TimedOut => log.unreachable("no answer in time"),
            _ => log.refused(format!("read the stream {stream}"), &error),
        }),
    }
}
