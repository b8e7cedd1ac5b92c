//! A frame: facts of one lane for one shard, as one message. The payload is COPY tuples one after the other; behind them stands
//! which of them are of which request. What else is known of a frame stands in the message's headers. A control frame has no
//! facts: its payload is JSON.

pub(crate) mod control;
pub(crate) mod headers;
pub(crate) mod id;
pub(crate) mod kind;
pub(crate) mod stored;
pub(crate) mod sum;

use async_nats::{HeaderMap, HeaderValue};
use bytes::Bytes;
use forebay_model::{Claims, Epoch, Timestamp};

use self::headers::{CLAIMS, EPOCH, FORMAT, ID, ROWS, TIME};
use self::id::FrameId;
use self::kind::FrameKind;

/// Room for the claims of a frame of single orders.
const CLAIMS_BYTES_EXPECTED: usize = 4096;

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
