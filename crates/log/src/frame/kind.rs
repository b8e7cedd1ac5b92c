//! What a frame carries, which its subject says.

use std::fmt;

use forebay_model::{Control, Lane, StreamKind};
use serde::{Serialize, Serializer};

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FrameKind {
    /// Facts of a lane.
    Facts(Lane),
    /// No facts, but what a writer has to take note of at this position of such a stream.
    Control(StreamKind),
    /// Facts of a lane that a move brings, which another shard has stored.
    Copies(Lane),
}

impl FrameKind {
    /// The kinds of a stream's frames.
    pub fn all_of(stream: StreamKind) -> impl Iterator<Item = Self> {
        stream.lanes().map(Self::Facts).chain([Self::Control(stream)]).chain(stream.lanes().map(Self::Copies))
    }

    /// The lane whose facts it has, which are for this shard to decide.
    pub const fn lane(self) -> Option<Lane> {
        match self {
            Self::Facts(lane) => Some(lane),
            Self::Control(_) | Self::Copies(_) => None,
        }
    }

    /// Whether it has rows.
    pub const fn has_rows(self) -> bool {
        matches!(self, Self::Facts(_) | Self::Copies(_))
    }

    /// The kind of stream that such frames are in.
    pub const fn stream(self) -> StreamKind {
        match self {
            Self::Facts(lane) | Self::Copies(lane) => lane.kind(),
            Self::Control(stream) => stream,
        }
    }

    /// Its name in subjects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Facts(lane) => lane.as_str(),
            Self::Copies(lane) => copies(lane),
            Self::Control(StreamKind::Logged) => "control",
            Self::Control(StreamKind::Derived) => "derived_control",
        }
    }

    /// What a frame declares its payload to be.
    pub const fn format(self) -> &'static str {
        match self {
            Self::Facts(lane) | Self::Copies(lane) => lane.format(),
            Self::Control(_) => "control/1",
        }
    }
}

/// The name of copies of a lane's facts.
const fn copies(lane: Lane) -> &'static str {
    match lane {
        Lane::Orders => "orders_copied",
        Lane::Events => "events_copied",
        Lane::Index => "index_copied",
        Lane::Views => "views_copied",
        Lane::ViewEvents => "view_events_copied",
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

/// What the payload of a control frame of a stream says; `None` where this version does not know that, or not there.
pub(super) fn said(stream: StreamKind, payload: &[u8]) -> Option<Control> {
    serde_json::from_slice(payload).ok().filter(|said: &Control| said.stream() == stream)
}
