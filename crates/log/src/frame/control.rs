//! Control frames as messages: what a [`Control`] looks like.

use bytes::Bytes;
use forebay_model::Control;

use crate::frame::Frame;
use crate::frame::kind;
use crate::frame::kind::FrameKind;

impl Frame {
    /// A new frame that says it.
    ///
    /// # Panics
    /// Never: numbers and texts always are JSON. A frame without a payload would stand in the log for every reader to stop at.
    pub fn of_control(control: &Control) -> Self {
        let payload = serde_json::to_vec(control).expect("numbers and texts are JSON");
        Self::new(FrameKind::Control(control.stream()), 0, control.epoch(), Bytes::from(payload))
    }

    /// What it says, if it is a control frame.
    pub fn control(&self) -> Option<Control> {
        match self.kind {
            FrameKind::Control(stream) => kind::said(stream, &self.payload),
            FrameKind::Facts(_) | FrameKind::Copies(_) => None,
        }
    }
}
