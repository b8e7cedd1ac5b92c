//! What frames and notices look like, byte for byte: streams keep frames, and processes of two versions hear each other's notices.

use std::fmt::Write as _;

use bytes::Bytes;
use forebay_model::{
    Claimant, Claims, Control, DerivedThrough, Epoch, Incarnation, Lane, Position, RequestId, ShardId, StreamKind,
    Timestamp, Touched,
};
use forebay_testkit::golden;
use forebay_testkit::golden::{from_hex, to_hex};

use crate::frame::Frame;
use crate::frame::headers::readable_headers;
use crate::frame::kind::FrameKind;
use crate::frame::stored::StoredFrame;
use crate::{NOTICE_VERSION, Notice, NoticeFault};

const AT: Position = Position { incarnation: Incarnation::new(1_750_000_000_000_001), seq: 4711 };

/// A message as text: its headers in order, an empty line, the body in hexadecimal digits.
fn message(frame: &Frame) -> String {
    let (headers, body) = frame.message();
    let mut lines: Vec<String> =
        headers.iter().map(|(name, values)| format!("{name}: {}\n", values[0].as_str())).collect();
    lines.sort_unstable();
    let mut text = lines.concat();
    let _ = write!(text, "\n{}", to_hex(&body));
    text
}

fn read(kind: FrameKind, message: &[u8]) -> StoredFrame {
    let text = String::from_utf8(message.to_vec()).unwrap();
    let (headers, body) = text.split_once("\n\n").unwrap();
    let headers = readable_headers(format!("NATS/1.0\n{headers}").as_bytes());
    StoredFrame::from_message(kind, AT, &headers, from_hex(body).into()).unwrap()
}

/// What a payload is made of is for `forebay-model` to say.
#[test]
fn frames_keep_their_form() {
    for lane in Lane::ALL {
        let (epoch, enqueued_at) = (Epoch(7), Timestamp::from_unix_us(1_750_000_000_000_001));
        let payload = Bytes::from(format!("the tuples of lane {lane}\n"));
        let id = "0123456789abcdef0123456789abcdef".parse().unwrap();
        let mut claims = Claims::default();
        if lane.kind() == StreamKind::Logged {
            let request = RequestId::new(Timestamp::from_unix_us(1_750_000_000_000_000), 0x0123_4567_89ab_cdef);
            claims.push(0, Claimant { request, letter: None });
            claims.push(2, Claimant { request, letter: Some(300) });
        }
        let frame = Frame { kind: lane.into(), rows: 3, epoch, enqueued_at, id, payload, claims };
        let kept = golden!(format!("frame-{}.txt", lane.format().replace('/', "-")), message(&frame));
        assert_eq!(read(lane.into(), &kept).frame, Ok(frame));
    }
}

#[test]
fn control_frames_keep_their_form() {
    let in_force = "seller=items[].seller_id,warehouse=warehouse_id".parse().unwrap();
    let control = Control::Views { epoch: Epoch(7), in_force };
    let enqueued_at = Timestamp::from_unix_us(1_750_000_000_000_001);
    let id = "0123456789abcdef0123456789abcdef".parse().unwrap();
    let frame = Frame { enqueued_at, id, ..Frame::of_control(&control) };
    let format = FrameKind::Control(StreamKind::Logged).format().replace('/', "-");
    let kept = golden!(format!("frame-{format}.txt"), message(&frame));
    let read = read(FrameKind::Control(StreamKind::Logged), &kept).frame.unwrap();
    assert_eq!((read.control(), read), (Some(control), frame));
}

#[test]
fn notices_keep_their_form() {
    let position = |seq| Position { seq, ..AT };
    let derived = |target, owed_since| DerivedThrough {
        target: ShardId(target),
        through: position(4000),
        published: position(17),
        owed_since,
    };
    let told = Notice {
        stream: StreamKind::Logged.on(ShardId(2)),
        before: position(4710),
        after: position(4711),
        committed_at: Timestamp::from_unix_us(1_750_000_000_000_002),
        touched: Touched::these(vec![0x0123_4567_89ab_cdef, u64::MAX], vec![-1, 486_111]),
        derived: vec![derived(0, None), derived(1, Some(Timestamp::from_unix_us(1_749_999_999_000_000)))],
    };
    let everything = Notice {
        stream: StreamKind::Derived.on(ShardId(65_535)),
        touched: Touched::Everything,
        derived: Vec::new(),
        ..told.clone()
    };
    for (name, notice) in [("these", told), ("everything", everything)] {
        let kept = golden!(format!("notice-{NOTICE_VERSION}-{name}.hex"), notice.encode());
        assert_eq!(Notice::decode(&kept), Ok(notice));
        let later = [&[NOTICE_VERSION + 1], &kept[1..]].concat();
        assert_eq!(Notice::decode(&later), Err(NoticeFault::Version));
    }
}
