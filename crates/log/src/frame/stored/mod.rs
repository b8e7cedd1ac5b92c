//! What stands at a position of the log.

use async_nats::HeaderMap;
use bytes::Bytes;
use forebay_model::{Claims, Epoch, Position, Timestamp};

use super::Frame;
use super::headers::{CLAIMS, EPOCH, FORMAT, FrameFault, ID, ROWS, TIME, excerpt, headers_as_text, only, parsed};
use super::id::FrameId;
use super::kind::{self, FrameKind};
use super::sum::{self, Damage};

/// A message in a stream that is not a frame. It holds its place in the log, so a reader gets it like a frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadFrame {
    /// What is wrong.
    pub fault: FrameFault,
    /// The headers as text, one per line, for people.
    pub headers: String,
    /// The bytes of the message, but for what says whose they are.
    pub payload: Bytes,
    /// Whose they are, where at least that can be read.
    pub claims: Claims,
}

impl BadFrame {
    fn of(fault: FrameFault, headers: &HeaderMap, body: &Bytes) -> Self {
        let split = split(headers, body, parsed(headers, ROWS).unwrap_or(u32::MAX));
        let (payload, claims) = split.unwrap_or_else(|_| (body.clone(), Claims::default()));
        Self { fault, headers: headers_as_text(headers), payload, claims }
    }
}

/// Why nothing can be decided about a frame here: the end of a sentence about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is not as it was published.
    #[error("is damaged: {0}")]
    Damaged(#[from] Damage),
    /// It is as it was published, by a version that knows more than this one.
    #[error("is of the format {found:?}, and this version knows {known:?}")]
    Format {
        /// What this version knows on the frame's subject.
        known: &'static str,
        /// What the frame says, cut where it is long.
        found: Box<str>,
    },
}

/// A frame that cannot be read here. Nothing of it is stored, and nobody reads on behind it until somebody decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableFrame {
    /// Where it stands.
    pub position: Position,
    /// What it carries, by its subject.
    pub kind: FrameKind,
    /// Why.
    pub why: Unreadable,
    /// What is there as the message's id, where it is fit to be a frame's.
    pub id: Option<FrameId>,
    /// What is there of the headers, as text, one per line, for people.
    pub headers: Box<str>,
    /// What is there of the payload.
    pub payload: Bytes,
}

/// What stands at a position of the log, is as it was published, and can be read here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFrame {
    /// Where it stands.
    pub position: Position,
    /// What it carries, by its subject.
    pub kind: FrameKind,
    /// The message's id, where it has one that is fit to be a frame's.
    pub id: Option<FrameId>,
    /// The frame, or the message that is not one.
    pub frame: Result<Frame, BadFrame>,
}

impl StoredFrame {
    /// Reads a message.
    ///
    /// # Errors
    /// [`UnreadableFrame`] where its checksum is wrong, or missing though there are headers of a frame; and where it is of a format
    /// that is not known here.
    pub(crate) fn from_message(
        kind: FrameKind,
        position: Position,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<Self, UnreadableFrame> {
        let id = headers.get(ID).and_then(|id| id.as_str().parse().ok());
        if let Err(why) = is_readable(kind, headers, &body) {
            let headers = headers_as_text(headers).into();
            return Err(UnreadableFrame { position, kind, why, id, headers, payload: body });
        }
        let frame = read(kind, headers, &body).map_err(|fault| BadFrame::of(fault, headers, &body));
        Ok(Self { position, kind, id, frame })
    }

    /// The tuples of a frame; what stands in their place in a message that is not a frame.
    pub fn payload(&self) -> &Bytes {
        match &self.frame {
            Ok(frame) => &frame.payload,
            Err(bad) => &bad.payload,
        }
    }

    /// How many rows it stands for. A message of a lane's subject that is no frame counts as one.
    pub fn rows(&self) -> u32 {
        self.frame.as_ref().map_or(u32::from(self.kind.has_rows()), |frame| frame.rows)
    }
}

/// Nothing may be decided about what is not understood: neither what is damaged, nor what names another format, nor a control frame
/// that says what is not known here.
fn is_readable(kind: FrameKind, headers: &HeaderMap, body: &[u8]) -> Result<(), Unreadable> {
    sum::check(headers, body)?;
    let unknown = |found: &str| Err(Unreadable::Format { known: kind.format(), found: excerpt(found).into() });
    match only(headers, FORMAT) {
        Ok(format) if format != kind.format() => unknown(format),
        Ok(format) => match kind {
            FrameKind::Control(stream) if kind::said(stream, body).is_none() => {
                unknown(&format!("{format} {}", String::from_utf8_lossy(body)))
            }
            FrameKind::Control(_) | FrameKind::Facts(_) | FrameKind::Copies(_) => Ok(()),
        },
        Err(_) => Ok(()),
    }
}

fn read(kind: FrameKind, headers: &HeaderMap, body: &Bytes) -> Result<Frame, FrameFault> {
    only(headers, FORMAT)?;
    let rows: u32 = parsed(headers, ROWS)?;
    let epoch = Epoch(parsed(headers, EPOCH)?);
    let enqueued_at = Timestamp::from_unix_us(parsed(headers, TIME)?);
    let id = parsed(headers, ID)?;
    let (payload, claims) = split(headers, body, rows)?;
    if (rows > 0) != kind.has_rows() || payload.is_empty() {
        return Err(FrameFault::Empty);
    }
    Ok(Frame { kind, rows, epoch, enqueued_at, id, payload, claims })
}

/// The tuples of a body, and whose they are.
fn split(headers: &HeaderMap, body: &Bytes, rows: u32) -> Result<(Bytes, Claims), FrameFault> {
    let claims_bytes = if headers.get(CLAIMS).is_some() { parsed(headers, CLAIMS)? } else { 0 };
    let end = body.len().checked_sub(claims_bytes).ok_or(FrameFault::Claims)?;
    let claims = Claims::decode(&body[end..], rows).map_err(|_| FrameFault::Claims)?;
    Ok((body.slice(..end), claims))
}

#[cfg(test)]
mod tests;
