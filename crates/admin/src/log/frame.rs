//! A frame as it is reported: what its headers say, and its facts by column.

use forebay_log::{FrameId, FrameKind, StoredFrame, Unreadable, UnreadableFrame};
use forebay_model::Lane;
use forebay_model::lane::ColumnType;
use forebay_model::tuple::{Tuple, Tuples};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::hex::hex;

/// How many bytes are shown of what cannot be read.
const BYTES_SHOWN: usize = 48;

/// A message of a stream.
#[derive(Debug, Serialize)]
pub struct FrameReport {
    /// The lane of its facts, or `control`.
    pub lane: FrameKind,
    /// Its sequence number.
    pub seq: u64,
    /// The stream's.
    pub incarnation: u64,
    /// When it was logged.
    pub time: Option<String>,
    /// How many rows it declares; none where it cannot be read.
    pub rows: u32,
    /// The shard map's epoch that it was made under.
    pub epoch: Option<u64>,
    /// The frame's id.
    pub id: Option<String>,
    /// Bytes of its payload.
    pub bytes: usize,
    /// Each fact by column; of a control frame, what it says.
    pub facts: Vec<Box<RawValue>>,
    /// How many of its facts are not shown.
    pub left_out: u64,
    /// Whether it is not as it was published.
    pub is_damaged: bool,
    /// What is wrong with the message, or with what stands behind its last readable fact.
    pub fault: Option<String>,
    /// The message's headers, where they make no frame, or it cannot be read.
    pub headers: Option<String>,
    /// The beginning of what cannot be read, in hexadecimal.
    pub unreadable: Option<String>,
}

impl FrameReport {
    pub(super) fn new(stored: &StoredFrame) -> Self {
        let mut shown = Self {
            lane: stored.kind,
            seq: stored.position.seq,
            incarnation: stored.position.incarnation.get(),
            time: None,
            rows: stored.rows(),
            epoch: None,
            id: stored.id.as_ref().map(FrameId::to_string),
            bytes: stored.payload().len(),
            facts: Vec::new(),
            left_out: 0,
            is_damaged: false,
            fault: None,
            headers: None,
            unreadable: None,
        };
        match &stored.frame {
            Ok(frame) => {
                shown.time = Some(frame.enqueued_at.to_string());
                shown.epoch = Some(frame.epoch.0);
                shown.read(&frame.payload);
            }
            Err(bad) => {
                shown.fault = Some(format!("this is no frame: {}", bad.fault));
                shown.headers = Some(bad.headers.clone());
                shown.unreadable = Some(beginning(&bad.payload));
            }
        }
        shown
    }

    /// Nothing of a frame that cannot be read is decoded: it may look like facts that nobody has sent.
    pub(super) fn unreadable(unread: &UnreadableFrame) -> Self {
        Self {
            seq: unread.position.seq,
            lane: unread.kind,
            incarnation: unread.position.incarnation.get(),
            time: None,
            rows: 0,
            epoch: None,
            id: unread.id.as_ref().map(FrameId::to_string),
            bytes: unread.payload.len(),
            facts: Vec::new(),
            left_out: 0,
            is_damaged: matches!(unread.why, Unreadable::Damaged(_)),
            fault: Some(format!("this frame {}", unread.why)),
            headers: Some(unread.headers.to_string()),
            unreadable: Some(beginning(&unread.payload)),
        }
    }

    /// Leaves out the first `skip` of its facts, and then all behind the next `most`. How many there are is what it counts for; one that has none counts for one.
    pub(super) fn cut(&mut self, skip: u64, most: u64) -> u64 {
        let all = self.facts.len();
        let bound = |facts: u64| usize::try_from(facts).unwrap_or(usize::MAX).min(all);
        self.facts.drain(..bound(skip));
        self.facts.truncate(bound(most));
        self.left_out = (all - self.facts.len()) as u64;
        (self.facts.len() as u64).max(1)
    }

    fn read(&mut self, payload: &[u8]) {
        let Some(lane) = self.lane.lane() else {
            match serde_json::from_slice(payload) {
                Ok(said) => self.facts.push(said),
                Err(error) => {
                    self.fault = Some(format!("what it says cannot be read: {error}"));
                    self.unreadable = Some(beginning(payload));
                }
            }
            return;
        };
        let mut at = 0;
        for tuple in Tuples::new(lane, payload) {
            match tuple {
                Ok(tuple) => {
                    at += tuple.bytes().len();
                    self.facts.push(object(lane, &tuple));
                }
                Err(error) => {
                    self.fault = Some(format!("row {} cannot be read: {error}", self.facts.len()));
                    self.unreadable = Some(beginning(&payload[at..]));
                    break;
                }
            }
        }
        if self.fault.is_none() && self.facts.len() != self.rows as usize {
            self.fault = Some(format!("it declares {} rows and has {}", self.rows, self.facts.len()));
        }
    }
}

/// A fact by column, on one line. What is no JSON though it should be stands there as a string.
fn object(lane: Lane, tuple: &Tuple<'_>) -> Box<RawValue> {
    let fields = lane.columns().iter().enumerate().map(|(place, column)| {
        let bytes = tuple.field(place);
        let text = || Value::from(String::from_utf8_lossy(bytes)).to_string();
        let value = match column.kind {
            ColumnType::Int2 => bytes.try_into().map(i16::from_be_bytes).map_or_else(|_| text(), |n| n.to_string()),
            ColumnType::Int8 => bytes.try_into().map(i64::from_be_bytes).map_or_else(|_| text(), |n| n.to_string()),
            ColumnType::Timestamptz => Value::from(tuple.ordered_at().to_string()).to_string(),
            ColumnType::Text => text(),
            // White space between its tokens may hold line ends; within its strings there are none.
            ColumnType::Jsonb => serde_json::from_slice::<&RawValue>(bytes)
                .map_or_else(|_| text(), |json| json.get().replace(['\n', '\r'], " ")),
        };
        format!("\"{}\":{value}", column.name)
    });
    let object = format!("{{{}}}", fields.collect::<Vec<_>>().join(","));
    RawValue::from_string(object).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

fn beginning(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(BYTES_SHOWN)];
    let more = if shown.len() < bytes.len() { "…" } else { "" };
    format!("{} bytes: {}{more}", bytes.len(), hex(shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use forebay_log::Frame;
    use forebay_model::{Claims, Epoch, Incarnation, Position, Timestamp};

    fn shown(payload: &[u8], rows: u32) -> FrameReport {
        let id = FrameId::random();
        let frame = Frame {
            kind: Lane::Index.into(),
            rows,
            epoch: Epoch(3),
            enqueued_at: Timestamp::EARLIEST,
            id: id.clone(),
            payload: Bytes::copy_from_slice(payload),
            claims: Claims::default(),
        };
        let position = Position { incarnation: Incarnation::new(1), seq: 7 };
        FrameReport::new(&StoredFrame { position, kind: Lane::Index.into(), id: Some(id), frame: Ok(frame) })
    }

    fn tuple(order_id: &[u8]) -> Vec<u8> {
        let mut tuple = 5i16.to_be_bytes().to_vec();
        for field in [&7i16.to_be_bytes()[..], b"T", order_id, b"C", &0i64.to_be_bytes()] {
            tuple.extend((field.len() as i32).to_be_bytes());
            tuple.extend(field);
        }
        tuple
    }

    #[test]
    fn facts_are_shown_up_to_what_cannot_be_read() {
        let good = tuple(b"O\"1");
        let shown_good = shown(&good, 1);
        let fact = "{\"bucket\":7,\"tenant\":\"T\",\"order_id\":\"O\\\"1\",\"customer_id\":\"C\",\
            \"ordered_at\":\"2000-01-01T00:00:00Z\"}";
        assert_eq!((shown_good.facts[0].get(), &shown_good.fault), (fact, &None));
        let torn = shown(&[&good[..], &good[..9]].concat(), 2);
        assert_eq!(torn.facts.len(), 1);
        assert!(torn.fault.as_ref().unwrap().starts_with("row 1 cannot be read"), "{torn:?}");
        assert_eq!(torn.unreadable.as_ref().unwrap(), "9 bytes: 000500000002000700");
        assert_eq!(shown(&good, 4).fault.unwrap(), "it declares 4 rows and has 1");
    }
}
