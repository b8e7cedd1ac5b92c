//! Making a stream another incarnation, with the frames that it holds.
//!
//! A stream that has lost its tail gives sequence numbers out again: the same position may mean two different frames, and
//! a process that has kept something by position would not notice. Renewing the stream ends that: behind it, no position of before
//! is one of this stream. The frames stay where they are and nothing is copied, so there is no moment at which a frame could
//! get lost, and publishing goes on meanwhile.

use forebay_model::{Incarnation, StreamId, Timestamp};
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{INCARNATION, incarnation};
use crate::error::LogError;
use crate::log::Log;

impl Log {
    /// Makes a stream another incarnation, which is later than every one of before.
    ///
    /// # Errors
    /// [`LogError::OtherIncarnation`] where it is not `found` any more: somebody else was here.
    pub fn renew_stream(&self, stream: StreamId, found: Incarnation) -> BoxFuture<'_, Result<Incarnation, LogError>> {
        self.renew(stream, found).boxed()
    }

    async fn renew(&self, stream: StreamId, found: Incarnation) -> Result<Incarnation, LogError> {
        let info = self.while_connected(self.info(stream)).await?;
        let name = info.config.name.clone();
        if incarnation(&info) != found {
            return Err(LogError::OtherIncarnation { stream: name, expected: found, found: incarnation(&info) });
        }
        let now = Timestamp::now().unix_us().unsigned_abs();
        let next = Incarnation::new(now.max(found.get() + 1));
        let mut config = info.config;
        config.metadata.insert(INCARNATION.to_owned(), next.to_string());
        let update = async {
            let updated = self.jetstream().update_stream(&config).await;
            updated.map_err(|error| self.refused(format!("renew the stream {name}"), &error))
        };
        self.while_connected(update).await?;
        Ok(next)
    }
}
