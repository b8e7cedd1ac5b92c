//! What a frame carries, which its subject says.

use std::fmt;

use forebay_model::{Control, Lane, StreamKind};
use serde::{Serialize, Serializer};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// Facts of a lane.
    Facts(Lane),
    /// No facts, but what a writer has to take note of at this position of a logged stream.
    Control,
}

impl FrameKind {
    /// The kinds of a stream's frames.
    pub fn all_of(stream: StreamKind) -> impl Iterator<Item = Self> {
        let control = (stream == StreamKind::Logged).then_some(Self::Control);
        stream.lanes().map(Self::Facts).chain(control)
    }

    /// The lane whose facts it has.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Facts(lane) => Some(lane),
            Self::Control => None,
        }
    }

    /// The kind of stream that such frames are in.
    pub const fn stream(self) -> StreamKind {
        match self {
            Self::Facts(lane) => lane.kind(),
            Self::Control => StreamKind::Logged,
        }
    }

    /// Its name in subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Facts(lane) => lane.as_str(),
            Self::Control => "control",
        }
    }

    /// What a frame declares its payload to be.
    pub const fn format(self) -> &'static str {
        match self {
            Self::Facts(lane) => lane.format(),
            Self::Control => "control/1",
        }
    }
}

impl From<Lane> for FrameKind {
    fn from(lane: Lane) -> Self {
        Self::Facts(lane)
    }
}

impl fmt::Display for FrameKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FrameKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// What the payload of a control frame says; `None` where this version does not know that.
pub(super) fn said(payload: &[u8]) -> Option<Control> {
    serde_json::from_slice(payload).ok()
}
