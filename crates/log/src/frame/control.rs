//! Control frames as messages: what a [`Control`] looks like, and appending one.

use bytes::Bytes;
use forebay_model::{Control, Position, ShardId};
use tokio::time::Instant;

use crate::frame::{Frame, FrameKind};
use crate::log::Log;
use crate::publish::PublishError;

/// A frame that says it cannot be read here: a later version has written it, and it must not be passed over.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control frame says something that this version does not know: {0}")]
pub struct UnknownControl(String);

impl Frame {
    /// A new frame that says it.
    pub fn of_control(control: &Control) -> Self {
        // Numbers and texts always are JSON.
        let payload = serde_json::to_vec(control).unwrap_or_default();
        Self::new(FrameKind::Control, 0, control.epoch(), Bytes::from(payload))
    }

    /// What it says, if it is a control frame.
    ///
    /// # Errors
    /// [`UnknownControl`] where it is one that this version does not know.
    pub fn control(&self) -> Result<Option<Control>, UnknownControl> {
        match self.kind {
            FrameKind::Facts(_) => Ok(None),
            FrameKind::Control => {
                serde_json::from_slice(&self.payload).map(Some).map_err(|error| UnknownControl(error.to_string()))
            }
        }
    }
}

impl Log {
    /// Appends a control frame to the logged stream of a shard, and gives where it lies.
    ///
    /// # Errors
    /// As [`Log::publish`].
    pub async fn append_control(
        &self,
        shard: ShardId,
        control: &Control,
        deadline: Instant,
    ) -> Result<Position, PublishError> {
        self.publish(shard, &Frame::of_control(control), deadline).await
    }
}
