//! The end of a stream: nothing comes to it any more, and once nobody needs what it has, it goes.

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::context::DeleteStreamErrorKind;
use forebay_model::{Position, StreamId};
use futures::FutureExt;

use super::StreamState;
use crate::error::LogError;
use crate::log::Log;

impl Log {
    /// Seals a stream, for good: whatever is published to it from now on is refused, however late it comes. Gives its last frame. Where it is sealed
    /// already, it stays so.
    ///
    /// # Errors
    /// [`LogError::NoStream`] where there is none.
    pub async fn seal_stream(&self, stream: StreamId) -> Result<Position, LogError> {
        self.while_connected(self.seal(stream).boxed()).await
    }

    async fn seal(&self, stream: StreamId) -> Result<Position, LogError> {
        let mut config = self.info(stream).await?.config;
        if !config.sealed {
            config.sealed = true;
            let updated = self.jetstream().update_stream(&config).await;
            updated.map_err(|error| self.refused(format!("seal the stream {}", config.name), &error))?;
        }
        // Behind the seal: nothing follows.
        Ok(StreamState::of(&self.info(stream).await?).last())
    }

    /// Deletes a stream with all that it has. Where there is none, there is nothing to do.
    ///
    /// # Errors
    /// What the server says.
    pub async fn delete_stream(&self, stream: StreamId) -> Result<(), LogError> {
        self.while_connected(self.delete(stream).boxed()).await
    }

    async fn delete(&self, stream: StreamId) -> Result<(), LogError> {
        let name = self.name().stream(stream);
        match self.jetstream().delete_stream(&name).await {
            Ok(_) => Ok(()),
            Err(error) if matches!(error.kind(), DeleteStreamErrorKind::JetStream(ref e) if e.error_code() == ErrorCode::STREAM_NOT_FOUND) => {
                Ok(())
            }
            Err(error) => Err(self.refused(format!("delete the stream {name}"), &error)),
        }
    }
}
