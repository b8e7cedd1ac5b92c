//! A frame: facts of one lane for one shard, as one message. The payload is COPY tuples one after the other; behind them stands
//! which of them are of which request. What else is known of a frame stands in the message's headers. A control frame has no
//! facts: its payload is JSON.

pub(crate) mod control;
mod kind;
pub(crate) mod message;
pub(crate) mod sum;

use std::fmt;
use std::str::FromStr;

use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use forebay_model::{Claims, Epoch, Position, Timestamp};

pub use kind::FrameKind;
pub use sum::Damage;

/// The header of a frame's lane and version of the column list, such as `orders/2`.
pub const FORMAT: &str = "Forebay-Format";
/// How many tuples the payload has.
const ROWS: &str = "Forebay-Rows";
/// The epoch of the shard map by which the frame was routed.
const EPOCH: &str = "Forebay-Epoch";
/// How many bytes at the end of the message say which rows are of which request; without it, none do.
const CLAIMS: &str = "Forebay-Claims";
/// When the frame was made, in microseconds since 1970.
const TIME: &str = "Forebay-Time";
/// The frame's id. JetStream itself drops a second message with the same one.
const ID: &str = "Nats-Msg-Id";

/// Room for the claims of a frame of single orders.
const CLAIMS_BYTES_EXPECTED: usize = 4096;

/// The most characters of a frame id.
const ID_CHARS_MAX: usize = 128;

/// What tells a frame from every other: 1 to 128 visible ASCII characters. A retried publish carries the same id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FrameId(Box<str>);

/// A text that is no frame id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame id is 1 to 128 visible ASCII characters")]
pub struct NotAFrameId;

impl FrameId {
    /// A new one, which no other frame has.
    pub fn random() -> Self {
        Self(uuid::Uuid::new_v4().simple().to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FrameId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for FrameId {
    type Err = NotAFrameId;

    fn from_str(text: &str) -> Result<Self, NotAFrameId> {
        let fits = (1..=ID_CHARS_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        if fits { Ok(Self(text.into())) } else { Err(NotAFrameId) }
    }
}

/// Facts of one lane, or what a writer has to take note of, ready to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// What it carries.
    pub kind: FrameKind,
    /// How many facts.
    pub rows: u32,
    /// The epoch of the shard map by which they were routed, or that has decided what it says.
    pub epoch: Epoch,
    /// When the frame was made.
    pub enqueued_at: Timestamp,
    /// What tells it from every other frame.
    pub id: FrameId,
    /// The COPY tuples, one after the other; of a control frame, JSON.
    pub payload: Bytes,
    /// Whose they are, where they are requests'.
    pub claims: Claims,
}

impl Frame {
    /// A new one, made now, of which nobody claims anything.
    pub fn new(kind: impl Into<FrameKind>, rows: u32, epoch: Epoch, payload: Bytes) -> Self {
        // Never an id of the rows or of the content: what is made again must not be taken for what is gone.
        let (enqueued_at, id, claims) = (Timestamp::now(), FrameId::random(), Claims::default());
        Self { kind: kind.into(), rows, epoch, enqueued_at, id, payload, claims }
    }

    /// The message: headers, with the checksum of all of it, and body. The payload is not copied where nobody claims any of it.
    pub(crate) fn message(&self) -> (HeaderMap, Bytes) {
        let mut headers = HeaderMap::new();
        headers.insert(FORMAT, self.kind.format());
        headers.insert(ROWS, HeaderValue::from(self.rows));
        headers.insert(EPOCH, HeaderValue::from(self.epoch.0));
        headers.insert(TIME, HeaderValue::from(self.enqueued_at.unix_us()));
        headers.insert(ID, self.id.as_str());
        let mut body = self.payload.clone();
        if !self.claims.is_empty() {
            let mut joined = Vec::with_capacity(self.payload.len() + CLAIMS_BYTES_EXPECTED);
            joined.extend_from_slice(&self.payload);
            self.claims.encode(&mut joined);
            headers.insert(CLAIMS, HeaderValue::from((joined.len() - self.payload.len()) as u64));
            body = joined.into();
        }
        headers.insert(sum::SUM, sum::as_text(sum::sum(&headers, &body)));
        (headers, body)
    }
}

/// Why a message in a stream is not a frame.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FrameFault {
    /// A header is not there, or there twice.
    #[error("the header {0} is missing or stands there twice")]
    Missing(&'static str),
    /// A header does not say what it should.
    #[error("the header {0} makes no sense: {1:?}")]
    Value(&'static str, String),
    /// What says whose the rows are cannot be read.
    #[error("whose the rows are cannot be read")]
    Claims,
    /// There are no tuples, or it has some and is a control frame.
    #[error("there are no rows, or there are some where none belong")]
    Empty,
}

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
    /// The frame, or the message that is none.
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

    /// The tuples of a frame; what stands in their place in a message that is none.
    pub fn payload(&self) -> &Bytes {
        match &self.frame {
            Ok(frame) => &frame.payload,
            Err(bad) => &bad.payload,
        }
    }

    /// How many rows it stands for. A message of a lane's subject that is no frame counts as one.
    pub fn rows(&self) -> u32 {
        self.frame.as_ref().map_or(u32::from(self.kind.lane().is_some()), |frame| frame.rows)
    }
}

/// Nothing may be decided about what is not understood: neither what is damaged, nor what names another format, nor a control frame
/// that says what is not known here.
fn is_readable(kind: FrameKind, headers: &HeaderMap, body: &[u8]) -> Result<(), Unreadable> {
    sum::check(headers, body)?;
    let unknown = |found: &str| Err(Unreadable::Format { known: kind.format(), found: excerpt(found).into() });
    match only(headers, FORMAT) {
        Ok(format) if format != kind.format() => unknown(format),
        Ok(format) if kind == FrameKind::Control && kind::said(body).is_none() => {
            unknown(&format!("{format} {}", String::from_utf8_lossy(body)))
        }
        _ => Ok(()),
    }
}

fn read(kind: FrameKind, headers: &HeaderMap, body: &Bytes) -> Result<Frame, FrameFault> {
    only(headers, FORMAT)?;
    let rows: u32 = parsed(headers, ROWS)?;
    let epoch = Epoch(parsed(headers, EPOCH)?);
    let enqueued_at = Timestamp::from_unix_us(parsed(headers, TIME)?);
    let id = parsed(headers, ID)?;
    let (payload, claims) = split(headers, body, rows)?;
    if (rows == 0) != (kind == FrameKind::Control) || payload.is_empty() {
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

fn only<'a>(headers: &'a HeaderMap, name: &'static str) -> Result<&'a str, FrameFault> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value.as_str()),
        _ => Err(FrameFault::Missing(name)),
    }
}

fn parsed<T: FromStr>(headers: &HeaderMap, name: &'static str) -> Result<T, FrameFault> {
    let value = only(headers, name)?;
    value.parse().map_err(|_| FrameFault::Value(name, excerpt(value)))
}

/// Foreign text may be long; its beginning is enough to recognise it.
fn excerpt(value: &str) -> String {
    value.chars().take(100).collect()
}

/// Headers have no order, so they are sorted: the same message always gives the same text.
fn headers_as_text(headers: &HeaderMap) -> String {
    let mut lines: Vec<String> =
        headers.iter().flat_map(|(name, values)| values.iter().map(move |value| format!("{name}: {value}"))).collect();
    lines.sort_unstable();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::{Claimant, Control, Incarnation, Lane, RequestId, ViewSet};

    fn claims() -> Claims {
        let mut claims = Claims::default();
        let request = RequestId::new(Timestamp::from_unix_us(1_750_000_000_000_000), 77);
        claims.push(2, Claimant { request, letter: None });
        claims
    }

    fn frame() -> Frame {
        Frame {
            kind: Lane::Orders.into(),
            rows: 3,
            epoch: Epoch(7),
            enqueued_at: Timestamp::from_unix_us(1_750_000_000_000_001),
            id: FrameId::random(),
            payload: Bytes::from_static(b"tuples"),
            claims: claims(),
        }
    }

    fn stored(lane: Lane, headers: &HeaderMap, payload: &[u8]) -> StoredFrame {
        let position = Position { incarnation: Incarnation::new(1), seq: 9 };
        StoredFrame::from_message(lane.into(), position, headers, Bytes::copy_from_slice(payload)).unwrap()
    }

    /// The same message as somebody would publish it who has the checksum right.
    fn summed(mut headers: HeaderMap, payload: &[u8]) -> HeaderMap {
        headers.insert(sum::SUM, sum::as_text(sum::sum(&headers, payload)));
        headers
    }

    fn fault(lane: Lane, headers: &HeaderMap, payload: &[u8]) -> FrameFault {
        stored(lane, &summed(headers.clone(), payload), payload).frame.unwrap_err().fault
    }

    #[test]
    fn headers_say_everything_but_the_payload() {
        let frame = frame();
        let (headers, body) = frame.message();
        let stored = stored(Lane::Orders, &headers, &body);
        assert_eq!(stored.frame, Ok(frame.clone()));
        assert_eq!((stored.id, stored.position.seq), (Some(frame.id), 9));
    }

    #[test]
    fn a_message_that_is_no_frame_says_why() {
        let (good, _) = Frame { claims: Claims::default(), ..frame() }.message();
        let foreign = stored(Lane::Orders, &HeaderMap::new(), b"x").frame.unwrap_err();
        assert_eq!(foreign.fault, FrameFault::Missing(FORMAT));
        assert_eq!(fault(Lane::Orders, &good, b""), FrameFault::Empty);
        for (name, value) in [(ROWS, "-1"), (ROWS, "x"), (EPOCH, ""), (TIME, "now"), (ID, "a b"), (ID, "")] {
            let mut headers = good.clone();
            headers.insert(name, value);
            assert_eq!(fault(Lane::Orders, &headers, b"x"), FrameFault::Value(name, value.to_owned()), "{name}");
        }
        let mut twice = good.clone();
        twice.append(ROWS, "4");
        assert_eq!(fault(Lane::Orders, &twice, b"x"), FrameFault::Missing(ROWS));
        let mut none = good;
        none.insert(ROWS, "0");
        assert_eq!(fault(Lane::Orders, &none, b"x"), FrameFault::Empty);
    }

    #[test]
    fn a_frame_of_another_format_is_not_read_and_says_which() {
        let position = Position { incarnation: Incarnation::new(1), seq: 9 };
        for format in ["orders/999", "index/2", "", "orders"] {
            let (mut headers, body) = frame().message();
            headers.insert(FORMAT, format);
            let headers = summed(headers, &body);
            let read = StoredFrame::from_message(Lane::Orders.into(), position, &headers, body.clone());
            let unread = read.unwrap_err();
            let why = Unreadable::Format { known: Lane::Orders.format(), found: format.into() };
            assert_eq!((unread.why, unread.position, unread.payload), (why, position, body));
        }
    }

    #[test]
    fn a_control_frame_that_says_what_is_not_known_is_not_read() {
        let position = Position { incarnation: Incarnation::new(1), seq: 9 };
        let known = Frame::of_control(&Control::Views { epoch: Epoch(2), in_force: ViewSet::default() });
        let (headers, body) = known.message();
        let read = StoredFrame::from_message(FrameKind::Control, position, &headers, body);
        assert_eq!(read.unwrap().frame, Ok(known.clone()));
        let (headers, body) = Frame { payload: r#"{"moves":{"epoch":3}}"#.into(), ..known }.message();
        let read = StoredFrame::from_message(FrameKind::Control, position, &headers, body);
        let found = r#"control/1 {"moves":{"epoch":3}}"#.into();
        assert_eq!(read.unwrap_err().why, Unreadable::Format { known: "control/1", found });
    }

    #[test]
    fn rows_whose_requests_cannot_be_read_make_no_frame() {
        let frame = frame();
        let (good, body) = frame.message();
        assert_eq!(stored(Lane::Orders, &good, &body).frame.unwrap().claims, frame.claims);
        for (bytes, rows) in [("9999", "3"), ("1", "3"), ("14", "2")] {
            let mut headers = good.clone();
            headers.insert(CLAIMS, bytes);
            headers.insert(ROWS, rows);
            assert_eq!(fault(Lane::Orders, &headers, &body), FrameFault::Claims, "{bytes} {rows}");
        }
        assert_eq!(
            stored(Lane::Orders, &Frame { claims: Claims::default(), ..frame }.message().0, b"tuples").rows(),
            3
        );
    }

    #[test]
    fn an_id_unfit_for_a_database_is_no_id() {
        for text in ["", " ", "a\u{0}", "é", &"x".repeat(129)] {
            assert_eq!(text.parse::<FrameId>(), Err(NotAFrameId), "{text}");
        }
        assert!(FrameId::random().as_str().parse::<FrameId>().is_ok());
    }
}
