use super::*;
use crate::frame::id::NotAFrameId;
use forebay_model::{Claimant, Control, Incarnation, Lane, RequestId, StreamKind, ViewSet};

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
    let read = StoredFrame::from_message(FrameKind::Control(StreamKind::Logged), position, &headers, body);
    assert_eq!(read.unwrap().frame, Ok(known.clone()));
    let (headers, body) = Frame { payload: r#"{"moves":{"epoch":3}}"#.into(), ..known }.message();
    let read = StoredFrame::from_message(FrameKind::Control(StreamKind::Logged), position, &headers, body);
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
    assert_eq!(stored(Lane::Orders, &Frame { claims: Claims::default(), ..frame }.message().0, b"tuples").rows(), 3);
}

#[test]
fn an_id_unfit_for_a_database_is_no_id() {
    for text in ["", " ", "a\u{0}", "é", &"x".repeat(129)] {
        assert_eq!(text.parse::<FrameId>(), Err(NotAFrameId), "{text}");
    }
    assert!(FrameId::random().as_str().parse::<FrameId>().is_ok());
}
