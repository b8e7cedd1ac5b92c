//! Frames of the log as the shard takes them, and what they touch.

use forebay_log::{Frame, FrameId, FrameKind, StoredFrame};
use forebay_model::ownership::Copied;
use forebay_model::{Epoch, Lane, Touched};
use forebay_shard::{IndexedFrame, LogFrame};
use tracing::error;

/// A message of the log as the shard takes it. One that is no frame stands for one row, which is dead; as a control frame it
/// stands for nothing.
pub(crate) fn indexed(stored: StoredFrame) -> IndexedFrame {
    if let Some(lane) = stored.kind.lane() {
        return to_log_frame(stored).indexed(lane);
    }
    if let FrameKind::Copies(lane) = stored.kind {
        return copies(stored, lane);
    }
    if let Err(bad) = &stored.frame {
        let (seq, fault) = (stored.position.seq, &bad.fault);
        error!(seq, %fault, "what is no frame stands where control frames do; it is passed over");
    }
    match stored.frame.as_ref().ok().and_then(Frame::control) {
        Some(control) => to_log_frame(stored).saying(control),
        None => {
            let of = stored.kind.stream();
            to_log_frame(stored).saying_nothing(of)
        }
    }
}

/// Copies that cannot be read are passed over: they are missing then, and are copied once more.
fn copies(stored: StoredFrame, lane: Lane) -> IndexedFrame {
    let seq = stored.position.seq;
    let copied = stored.frame.as_ref().ok().and_then(|frame| Copied::decode(lane, frame.rows, &frame.payload));
    let frame = to_log_frame(stored);
    let Some((copied, begin)) = copied else {
        error!(seq, %lane, "copies that a move has made cannot be read; they are passed over");
        return frame.saying_nothing(lane.kind());
    };
    let payload = frame.payload.slice(begin..);
    LogFrame { payload, ..frame }.bringing(lane, copied)
}

fn to_log_frame(stored: StoredFrame) -> LogFrame {
    let (seq, rows) = (stored.position.seq, stored.rows());
    let id = stored.id.as_ref().map(FrameId::as_str).unwrap_or_default().to_owned();
    match stored.frame {
        Ok(frame) => LogFrame {
            seq,
            id,
            epoch: frame.epoch,
            enqueued_at: Some(frame.enqueued_at),
            rows,
            payload: frame.payload,
            claims: frame.claims,
            fault: None,
        },
        Err(bad) => {
            let fault = Some(format!("{}\n{}", bad.fault, bad.headers));
            let (payload, claims) = (bad.payload, bad.claims);
            LogFrame { seq, id, epoch: Epoch(0), enqueued_at: None, rows, payload, claims, fault }
        }
    }
}

/// What a commit of these frames can touch: the keys by which their facts are read, and their hours. Rows that turn out to be
/// duplicates are counted too; that makes a notice less precise, never wrong.
pub(crate) fn touched(frames: &[IndexedFrame]) -> Touched {
    Touched::by(frames.iter().map(|frame| (frame.rows_of(), frame.tuples())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::upkeep::day_activity::{Days, day_of};
    use bytes::Bytes;
    use forebay_log::FrameFault;
    use forebay_model::touched::{hour_of, id_key, view_key};
    use forebay_model::tuple::Tuples;
    use forebay_model::{Claims, Incarnation, Lane, Position, Tenant, Timestamp, ViewId};
    use forebay_testkit::log::{even_map, facts_and_derived};

    const ORDER: &[u8] = br#"{"customer_id":"C1","order_id":"O1","timestamp":"2025-06-30T12:30:00Z",
        "items":[{"sku":"A","quantity":1,"price":1,"seller_id":"S1"},{"sku":"B","quantity":1,"price":1,"seller_id":"S2"}]}"#;

    fn log_frames(lane: Lane) -> Vec<LogFrame> {
        let map = even_map(1);
        let order = String::from_utf8_lossy(ORDER);
        let frame = |part: forebay_model::fact::FramePart| LogFrame {
            seq: 1,
            id: String::new(),
            epoch: Epoch(1),
            enqueued_at: None,
            rows: part.rows,
            payload: part.tuples.into(),
            claims: part.claims,
            fault: None,
        };
        facts_and_derived([order], &map).into_iter().filter(|part| part.lane == lane).map(frame).collect()
    }

    fn frames(lane: Lane) -> Vec<IndexedFrame> {
        log_frames(lane).into_iter().map(|frame| frame.indexed(lane)).collect()
    }

    #[test]
    fn a_notice_names_the_keys_by_which_readers_look() {
        let hour = hour_of(Timestamp::parse("2025-06-30T12:30:00Z").unwrap());
        let none = Tenant::none();
        let seller = ViewId::new(1).unwrap();
        let expected = [
            (Lane::Orders, vec![id_key(none, "C1")]),
            (Lane::Index, vec![id_key(none, "O1")]),
            (Lane::Views, ["S1", "S2"].map(|key| view_key(none, seller, key)).into()),
        ];
        for (lane, keys) in expected {
            assert_eq!(touched(&frames(lane)), Touched::these(keys, vec![hour]), "{lane}");
        }
    }

    #[test]
    fn bytes_that_are_no_frame_touch_nothing_and_keep_their_reason() {
        let bad = forebay_log::BadFrame {
            fault: FrameFault::Missing("Forebay-Format"),
            headers: "Nats-Msg-Id: foreign".to_owned(),
            payload: Bytes::from_static(b"x"),
            claims: Claims::default(),
        };
        let position = Position { incarnation: Incarnation::new(1), seq: 5 };
        let frame = to_log_frame(StoredFrame { position, kind: Lane::Orders.into(), id: None, frame: Err(bad) });
        let detail = frame.fault.clone().unwrap();
        assert_eq!((frame.seq, frame.rows), (5, 1));
        assert!(detail.contains("foreign"), "{detail}");
        let frames = [frame.indexed(Lane::Orders)];
        let touched = touched(&frames);
        assert_eq!((Days::of(&touched), touched), (Days::These([].into()), Touched::nothing()));
    }

    #[test]
    fn the_days_are_those_of_the_facts() {
        let day = day_of(Timestamp::parse("2025-06-30T00:00:00Z").unwrap());
        for lane in [Lane::Orders, Lane::Views] {
            assert_eq!(Days::of(&touched(&frames(lane))), Days::These([day].into()), "{lane}");
        }
    }

    #[test]
    fn what_lies_behind_a_tuple_that_cannot_be_read_may_be_anything() {
        let mut frames = log_frames(Lane::Views);
        let payload = frames[0].payload.to_vec();
        let first = Tuples::new(Lane::Views, &payload).next().unwrap().unwrap();
        // The first tuple's time is not eight bytes long any more, but where it ends can still be seen.
        let time = (0..Lane::Views.place("ordered_at")).fold(2, |at, place| at + 4 + first.field(place).len());
        let mut broken = payload[..time].to_vec();
        broken.extend(4i32.to_be_bytes());
        broken.extend(&payload[time + 8..]);
        frames[0].payload = broken.into();
        let frames: Vec<_> = frames.into_iter().map(|frame| frame.indexed(Lane::Views)).collect();
        let touched = touched(&frames);
        assert_eq!((Days::of(&touched), touched), (Days::Any, Touched::Everything));
    }
}
