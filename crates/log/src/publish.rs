//! Putting a frame into the log. **A request is answered 202 only after the server's acknowledgement of every frame
//! that holds a part of it**; the acknowledgement is what [`Log::publish`] waits for.

use std::time::Duration;

use async_nats::jetstream::ErrorCode;
use async_nats::{Request, RequestErrorKind};
use forebay_model::{Position, ShardId};
use serde::Deserialize;
use tokio::time::Instant;

use crate::error::causes;
use crate::frame::Frame;
use crate::log::Log;
use crate::log::incarnations::Acked;

/// How long to wait between two attempts.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Why a frame was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PublishError {
    /// The stream holds as much as it may, or its disk is full. The frame is not stored. Later there may be room.
    #[error("the log is full: {0}")]
    Full(String),
    /// The server has too much to do, or has no leader just now. The frame is not stored.
    #[error("the log cannot take it just now: {0}")]
    Busy(String),
    /// There is no connection. The frame was not sent, and is not queued.
    #[error("the log cannot be reached")]
    Unreachable,
    /// Nobody knows whether the frame is stored: the deadline has passed, or the connection was lost on the way. Only a
    /// retry with the same frame id is right.
    #[error("the log has not acknowledged in time")]
    Unknown,
    /// The frame is larger than the server takes. It will never be stored.
    #[error("the frame of {bytes} bytes is larger than the {bytes_max} that the log takes")]
    TooLarge {
        /// The bytes of its payload.
        bytes: usize,
        /// The most bytes of a message, headers included.
        bytes_max: usize,
    },
    /// Nothing takes frames of this lane for this shard: there is no stream, or a server that has just been started is
    /// still opening it.
    #[error("there is no stream for this lane and shard")]
    NoStream,
    /// The server refuses for another reason. It will refuse again.
    #[error("the log refuses: {0}")]
    Refused(String),
}

impl PublishError {
    /// Whether the same frame, with the same id, may be taken later.
    pub fn is_retryable(&self) -> bool {
        !matches!(self, Self::TooLarge { .. } | Self::Refused(_))
    }

    fn is_retried_now(&self, may_be_stored: bool) -> bool {
        match self {
            Self::Unknown | Self::Busy(_) | Self::NoStream => true,
            Self::Full(_) | Self::Unreachable => may_be_stored,
            Self::TooLarge { .. } | Self::Refused(_) => false,
        }
    }
}

impl Log {
    /// Publishes a frame and waits for the acknowledgement, at most until the deadline. One attempt: retrying is the
    /// caller's, with the same frame.
    ///
    /// # Errors
    /// [`PublishError`] says whether a retry makes sense. Only after [`PublishError::Unknown`] the frame may be stored.
    pub async fn publish(&self, shard: ShardId, frame: &Frame, deadline: Instant) -> Result<Position, PublishError> {
        if !self.is_connected() {
            return Err(PublishError::Unreachable);
        }
        let losses = self.link().losses();
        let attempt = async {
            let ack = self.send(shard, frame).await?;
            let acked = Acked { seq: ack.seq, is_duplicate: ack.duplicate, losses, at: Instant::now() };
            // The frame is stored, but without the incarnation nobody could say where: the retry asks again.
            let incarnation =
                self.incarnation_of(frame.kind.stream().on(shard), acked).await.map_err(|_| PublishError::Unknown)?;
            Ok(Position { incarnation, seq: ack.seq })
        };
        tokio::select! {
            biased;
            outcome = attempt => outcome,
            () = self.link().lost_since(losses) => Err(PublishError::Unknown),
            () = tokio::time::sleep_until(deadline) => Err(PublishError::Unknown),
        }
    }

    /// Publishes a frame until it is acknowledged or there is no more time. Every attempt carries the same id, so that the log
    /// keeps one of them.
    ///
    /// # Errors
    /// [`PublishError`]; what lasts longer than a hiccup is told at once, unless the frame may be stored already: then only
    /// another attempt can tell.
    #[tracing::instrument(name = "publish", level = "warn", skip_all, fields(kind = %frame.kind, %shard))]
    pub async fn publish_until(
        &self,
        shard: ShardId,
        frame: &Frame,
        deadline: Instant,
    ) -> Result<Position, PublishError> {
        let mut may_be_stored = false;
        loop {
            let error = match self.publish(shard, frame, deadline).await {
                Ok(position) => return Ok(position),
                Err(error) => error,
            };
            may_be_stored |= error == PublishError::Unknown;
            if !error.is_retried_now(may_be_stored) {
                return Err(error);
            }
            let pause_end = Instant::now() + RETRY_PAUSE;
            if pause_end >= deadline {
                return Err(if may_be_stored { PublishError::Unknown } else { error });
            }
            tracing::warn!(%error, "publishing again");
            tokio::time::sleep_until(pause_end).await;
        }
    }

    async fn send(&self, shard: ShardId, frame: &Frame) -> Result<Ack, PublishError> {
        let subject = self.name().subject(frame.kind, shard);
        let (headers, body) = frame.message();
        let bytes = body.len();
        let request = Request::new().headers(headers).payload(body).timeout(None);
        let answer = self.client().send_request(subject, request).await.map_err(|error| match error.kind() {
            RequestErrorKind::NoResponders => PublishError::NoStream,
            RequestErrorKind::MaxPayloadExceeded => {
                PublishError::TooLarge { bytes, bytes_max: self.message_bytes_max() }
            }
            RequestErrorKind::InvalidSubject => PublishError::Refused(causes(&error)),
            RequestErrorKind::TimedOut | RequestErrorKind::Other => PublishError::Unknown,
        })?;
        read_answer(&answer.payload)
    }
}

/// The server's acknowledgement. Source: `PubAck` in the JetStream API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
struct Ack {
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

#[derive(Deserialize)]
struct Answer {
    error: Option<async_nats::jetstream::Error>,
    #[serde(flatten)]
    ack: Option<Ack>,
}

fn read_answer(payload: &[u8]) -> Result<Ack, PublishError> {
    match serde_json::from_slice(payload) {
        Ok(Answer { error: Some(error), .. }) => Err(refusal(&error)),
        Ok(Answer { error: None, ack: Some(ack) }) => Ok(ack),
        // Something else than a stream listens on the subject: it may have stored nothing, or everything.
        Ok(Answer { error: None, ack: None }) | Err(_) => Err(PublishError::Unknown),
    }
}

/// What an error of the JetStream API means for a frame.
fn refusal(error: &async_nats::jetstream::Error) -> PublishError {
    let text = error.to_string();
    match error.error_code() {
        // "maximum bytes exceeded" has no code of its own: it is a failed store, like a full disk.
        ErrorCode::STREAM_STORE_FAILED
        | ErrorCode::STORAGE_RESOURCES_EXCEEDED
        | ErrorCode::INSUFFICIENT_RESOURCES
        | ErrorCode::ACCOUNT_RESOURCES_EXCEEDED => PublishError::Full(text),
        ErrorCode::STREAM_DUPLICATE_MESSAGE_CONFLICT | ErrorCode::STREAM_TOO_MANY_REQUESTS => PublishError::Busy(text),
        ErrorCode::STREAM_NOT_FOUND => PublishError::NoStream,
        _ if matches!(error.code(), 429 | 503) => PublishError::Busy(text),
        _ => PublishError::Refused(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_acknowledgement_is_read() {
        let ack = read_answer(br#"{"stream":"s","seq":7,"duplicate":true,"domain":"d"}"#);
        assert_eq!(ack, Ok(Ack { seq: 7, duplicate: true }));
        assert_eq!(read_answer(br#"{"stream":"s","seq":8}"#), Ok(Ack { seq: 8, duplicate: false }));
        for strange in ["", "{}", "ok", "[]", r#"{"seq":"x"}"#] {
            assert_eq!(read_answer(strange.as_bytes()), Err(PublishError::Unknown), "{strange}");
        }
    }

    #[test]
    fn refusals_are_classed_by_code() {
        let class = |code: u32, err_code: u32| {
            let json = format!(r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"d"}},"seq":0}}"#);
            read_answer(json.as_bytes()).unwrap_err()
        };
        assert!(matches!(class(503, 10077), PublishError::Full(_)));
        assert!(matches!(class(500, 10047), PublishError::Full(_)));
        assert!(matches!(class(409, 10158), PublishError::Busy(_)));
        assert!(matches!(class(429, 10167), PublishError::Busy(_)));
        assert!(matches!(class(503, 10008), PublishError::Busy(_)));
        assert_eq!(class(404, 10059), PublishError::NoStream);
        assert!(matches!(class(400, 10054), PublishError::Refused(_)));
        assert!(class(503, 10077).is_retryable() && !class(400, 10054).is_retryable());
    }
}
