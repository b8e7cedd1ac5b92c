//! How a stream of changes is written.

use bytes::Bytes;

use crate::feed::Piece;

/// How a stream is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// A fact a line, and a line with the position behind each piece.
    Ndjson,
    /// Server-sent events, whose ids are positions.
    EventStream,
}

impl Framing {
    pub(crate) const ALL: [Self; 2] = [Self::Ndjson, Self::EventStream];

    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Ndjson => "application/x-ndjson",
            Self::EventStream => "text/event-stream",
        }
    }

    pub(crate) fn write(self, piece: &Piece, position: &str) -> Bytes {
        let mut out = Vec::new();
        for fact in &piece.facts {
            match self {
                Self::Ndjson => out.extend_from_slice(fact),
                Self::EventStream => {
                    out.extend_from_slice(b"data: ");
                    out.extend_from_slice(fact);
                    out.push(b'\n');
                }
            }
            out.push(b'\n');
        }
        match self {
            Self::Ndjson => out.extend_from_slice(format!("{{\"next\":\"{position}\"}}\n").as_bytes()),
            Self::EventStream => {
                out.extend_from_slice(
                    format!("event: position\nid: {position}\ndata: {{\"next\":\"{position}\"}}\n\n").as_bytes(),
                );
            }
        }
        out.into()
    }
}
