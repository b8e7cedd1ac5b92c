//! One message of a stream, asked for by its place.
//!
//! The server gives it as JSON here, not as a message. That matters for messages whose headers the client cannot read:
//! delivered as messages they end its connection, each time anew. Whatever stands in a stream can be had this way.

use async_nats::HeaderMap;
use async_nats::jetstream::ErrorCode;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use forebay_model::{Position, StreamId};
use futures::FutureExt;
use futures::future::BoxFuture;
use serde::{Deserialize, Serialize};

use crate::error::LogError;
use crate::frame::headers::readable_headers;
use crate::frame::stored::{StoredFrame, UnreadableFrame};
use crate::log::Log;

/// What stands at a place of a stream, where something does.
pub(crate) type FrameRead = Option<Result<StoredFrame, UnreadableFrame>>;

/// Source: `STREAM.MSG.GET` in the JetStream API. Only the leader of a stream answers it, so "not there" is true.
#[derive(Serialize)]
struct Request {
    seq: u64,
}

#[derive(Deserialize)]
struct Answer {
    message: Option<Message>,
    error: Option<async_nats::jetstream::Error>,
}

#[derive(Deserialize)]
struct Message {
    subject: String,
    /// The header block, in base64.
    hdrs: Option<String>,
    /// The payload, in base64.
    data: Option<String>,
}

impl Log {
    /// What stands at a sequence number, where something does; it may be unreadable.
    ///
    /// # Errors
    /// [`LogError::NoStream`] where there is no stream.
    pub async fn frame(&self, stream: StreamId, seq: u64) -> Result<FrameRead, LogError> {
        let incarnation = self.stream_state(stream).await?.incarnation;
        self.while_connected(self.frame_at(stream, Position { incarnation, seq })).await
    }

    /// What stands at a position of the present stream; its incarnation is taken for granted.
    pub(crate) fn frame_at(&self, stream: StreamId, position: Position) -> BoxFuture<'_, Result<FrameRead, LogError>> {
        self.ask_frame(stream, position).boxed()
    }

    async fn ask_frame(&self, stream: StreamId, position: Position) -> Result<FrameRead, LogError> {
        let name = self.name().stream(stream);
        let refused =
            |reason: String| LogError::Refused { action: format!("give frame {} of {name}", position.seq), reason };
        let request = Request { seq: position.seq };
        let answer: Result<Answer, _> = self.jetstream().request(format!("STREAM.MSG.GET.{name}"), &request).await;
        let answer = answer.map_err(|error| self.refused(format!("give a frame of {name}"), &error))?;
        let message = match answer {
            Answer { message: Some(message), .. } => message,
            Answer { error: Some(error), .. } if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => return Ok(None),
            Answer { error: Some(error), .. } if error.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                return Err(LogError::NoStream(name));
            }
            Answer { error: Some(error), .. } => return Err(refused(error.to_string())),
            Answer { message: None, error: None } => return Err(refused("the answer is empty".to_owned())),
        };
        let kind = self.kind_of(stream, &message.subject);
        let (headers, payload) = message.decode().map_err(|error| refused(error.to_string()))?;
        Ok(Some(StoredFrame::from_message(kind, position, &headers, payload)))
    }
}

impl Message {
    fn decode(self) -> Result<(HeaderMap, Bytes), base64::DecodeError> {
        let headers = STANDARD.decode(self.hdrs.unwrap_or_default())?;
        let payload = STANDARD.decode(self.data.unwrap_or_default())?;
        Ok((readable_headers(&headers), payload.into()))
    }
}
