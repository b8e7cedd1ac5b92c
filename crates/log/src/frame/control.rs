//! Control frames as messages: what a [`Control`] looks like, and appending one.

use bytes::Bytes;
use forebay_model::{Control, Position, ShardId};
use tokio::time::Instant;

use crate::frame::Frame;
use crate::frame::kind;
use crate::frame::kind::FrameKind;
use crate::log::Log;
use crate::publish::PublishError;

impl Frame {
    /// A new frame that says it.
    pub fn of_control(control: &Control) -> Self {
        // Numbers and texts always are JSON.
        let payload = serde_json::to_vec(control).unwrap_or_default();
        Self::new(FrameKind::Control, 0, control.epoch(), Bytes::from(payload))
    }

    /// What it says, if it is a control frame.
    pub fn control(&self) -> Option<Control> {
        (self.kind == FrameKind::Control).then(|| kind::said(&self.payload))?
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
