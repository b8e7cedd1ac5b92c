//! Reading from a position, and noticing that the log is not the one that was read.

use std::sync::atomic::{AtomicUsize, Ordering};

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::{HeaderMap, jetstream};
use forebay_log::{Frame, FrameFault, FrameReader, Log, ReadError, ReadFrom, Unreadable};
use forebay_model::{Lane, Position, StreamKind};
use forebay_testkit::log::{LIMITS, frame as kit_frame, publish, publish_damaged, publish_of_format, settings};
use forebay_testkit::wait::eventually_ok;
use forebay_testkit::{FRAME_SUM, eventually, frame_sum, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::common::{LANE, SHARD, STREAM, frame, later, log, log_with, publish_many, read_error, read_many};

/// A way to the same streams that is not ours, for doing them harm.
async fn foreign(log: &Log) -> (jetstream::Context, jetstream::stream::Stream) {
    let client = async_nats::connect(&log.settings().url).await.unwrap();
    let jetstream = jetstream::new(client);
    let stream = jetstream.get_stream(log.settings().name.stream(STREAM)).await.unwrap();
    (jetstream, stream)
}

fn behind((position, frame): &(Position, Frame)) -> ReadFrom {
    ReadFrom { position: *position, frame_id: Some(frame.id.clone()) }
}

#[tokio::test]
async fn what_is_published_is_read_in_order_with_its_positions() {
    let log = log("roundtrip").await;
    let published = publish_many(&log, 50).await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    let read = read_many(&mut reader, 50).await;
    let read: Vec<_> = read.into_iter().map(|stored| (stored.position, stored.frame.unwrap())).collect();
    assert_eq!(read, published);
    assert_eq!(read[0].0.seq, 1);
    assert_eq!(reader.incarnation(), read[0].0.incarnation);
}

#[tokio::test]
async fn a_reader_waits_for_what_is_published_later() {
    let log = log("later").await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    let none = reader.next_batch_within(10, 1000, std::time::Duration::from_millis(50)).await.unwrap();
    assert!(none.is_empty());
    let (batch, published) = tokio::join!(read_many(&mut reader, 1), publish_many(&log, 1));
    assert_eq!(batch[0].position, published[0].0);
}

#[tokio::test]
async fn a_reader_goes_on_behind_its_position() {
    let log = log("resume").await;
    let published = publish_many(&log, 10).await;
    let mut reader = log.read(STREAM, Some(behind(&published[6]))).await.unwrap();
    let read = read_many(&mut reader, 3).await;
    assert_eq!(read.iter().map(|stored| stored.position.seq).collect::<Vec<_>>(), [8, 9, 10]);
    let mut at_the_end = log.read(STREAM, Some(behind(&published[9]))).await.unwrap();
    let next = publish_many(&log, 1).await;
    assert_eq!(read_many(&mut at_the_end, 1).await[0].position, next[0].0);
}

#[tokio::test]
async fn many_frames_pass_a_small_read_ahead() {
    let mut settings = settings("readahead").await;
    // The server's largest message is larger than this, so every request waits for an empty buffer.
    settings.read_ahead_bytes = 64 << 10;
    let log = log_with(settings).await;
    let payload = vec![b'x'; 60_000];
    for _ in 0..200 {
        log.publish(SHARD, &frame(payload.clone()), later()).await.unwrap();
    }
    let mut reader = log.read(STREAM, None).await.unwrap();
    let read = read_many(&mut reader, 200).await;
    assert!(read.iter().zip(1..).all(|(stored, seq)| stored.position.seq == seq && stored.payload().len() == 60_000));
}

#[tokio::test]
async fn a_frame_as_large_as_the_server_takes_is_read() {
    let log = log("large").await;
    let largest = frame(vec![b'x'; log.message_bytes_max() - 300]);
    log.publish(SHARD, &largest, later()).await.unwrap();
    publish_many(&log, 1).await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    let read = read_many(&mut reader, 2).await;
    assert_eq!(read[0].payload().len(), largest.payload.len());
}

#[tokio::test]
async fn a_cancelled_wait_loses_no_frame() {
    let log = log("cancel").await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    let publishing = tokio::spawn({
        let log = log.clone();
        async move { publish_many(&log, 300).await }
    });
    let mut seqs = Vec::new();
    while seqs.len() < 300 {
        let batch = reader.next_batch_within(2, 1000, std::time::Duration::from_micros(100)).await.unwrap();
        seqs.extend(batch.iter().map(|stored| stored.position.seq));
    }
    within(publishing).await.unwrap();
    assert_eq!(seqs, (1..=300).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_message_that_is_no_frame_holds_its_place() {
    let log = log("garbage").await;
    publish_many(&log, 1).await;
    let (foreign, _) = foreign(&log).await;
    let subject = log.settings().name.subject(LANE, SHARD);
    foreign.publish(subject.clone(), "garbage".into()).await.unwrap().await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Forebay-Rows", "1");
    headers.insert("Nats-Msg-Id", "foreign-1");
    headers.insert(FRAME_SUM, frame_sum([("Forebay-Rows", "1"), ("Nats-Msg-Id", "foreign-1")], b"other"));
    foreign.publish_with_headers(subject, headers, "other".into()).await.unwrap().await.unwrap();
    publish_many(&log, 1).await;

    let mut reader = log.read(STREAM, None).await.unwrap();
    let read = read_many(&mut reader, 4).await;
    assert!(read[0].frame.is_ok() && read[3].frame.is_ok());
    let bad = read[1].frame.as_ref().unwrap_err();
    assert_eq!((bad.fault.clone(), &bad.payload[..]), (FrameFault::Missing("Forebay-Format"), &b"garbage"[..]));
    assert_eq!((read[1].rows(), read[1].position.seq, &read[1].id), (1, 2, &None));
    let other = read[2].frame.as_ref().unwrap_err();
    assert!(matches!(other.fault, FrameFault::Missing("Forebay-Format")) && other.headers.contains("foreign-1"));

    // Reading goes on behind each of them.
    for stored in &read[1..3] {
        let from = ReadFrom { position: stored.position, frame_id: stored.id.clone() };
        let mut reader = log.read(STREAM, Some(from)).await.unwrap();
        assert_eq!(read_many(&mut reader, 1).await[0].position.seq, stored.position.seq + 1);
    }
}

#[tokio::test]
async fn the_lanes_of_a_stream_come_in_one_order_and_are_told_apart_whatever_the_message() {
    let log = log("lanes").await;
    let stream = StreamKind::Derived.on(SHARD);
    log.ensure_streams([stream], LIMITS).await.unwrap();
    let lanes = [Lane::Views, Lane::Index, Lane::Index, Lane::Views];
    for lane in lanes {
        publish(&log, SHARD, &kit_frame(lane, 1, "frame")).await;
    }
    // Of a message that is no frame only the subject says whose it is, also where the client cannot read its headers.
    let subject = log.settings().name.subject(Lane::Views, SHARD);
    let headers = "NATS/1.0\r\nno colon\r\n\r\n";
    let message = format!("HPUB {subject} {} {}\r\n{headers}poison\r\n", headers.len(), headers.len() + 6);
    speak(&log.settings().url, &message).await;
    let (foreign, _) = foreign(&log).await;
    foreign.publish(subject, "no frame".into()).await.unwrap().await.unwrap();

    let mut reader = log.read(stream, None).await.unwrap();
    let read = read_many(&mut reader, 6).await;
    let found: Vec<Lane> = read.iter().filter_map(|stored| stored.kind.lane()).collect();
    assert_eq!(found, [&lanes[..], &[Lane::Views, Lane::Views]].concat());
    assert!(read.iter().map(|stored| stored.position.seq).eq(1..=6));
    assert!(read[..4].iter().all(|stored| stored.frame.as_ref().is_ok_and(|frame| frame.kind == stored.kind)));
    assert!(matches!(read[5].frame.as_ref().unwrap_err().fault, FrameFault::Missing(_)));
    for stored in read {
        assert_eq!(log.frame(stream, stored.position.seq).await.unwrap(), Some(Ok(stored)));
    }
}

/// What becomes of a message behind its publisher's back.
type Damage = fn(&mut HeaderMap, &mut Vec<u8>);

#[tokio::test]
async fn a_frame_that_is_not_as_it_was_published_ends_the_reader() {
    let log = log("damage").await;
    let first = publish_many(&log, 1).await[0].0;
    let changes: [(&str, Option<Damage>); 7] = [
        ("nothing", None),
        ("the payload", Some(|_, payload| payload[3] ^= 0x10)),
        ("the end", Some(|_, payload| payload.truncate(3))),
        ("the rows", Some(|headers, _| headers.insert("Forebay-Rows", "2"))),
        ("the format", Some(|headers, _| headers.insert("Forebay-Format", "orders/999"))),
        ("the checksum", Some(|headers, _| headers.insert(FRAME_SUM, "0123456789abcdef"))),
        ("a header", Some(|headers, _| headers.append(FRAME_SUM, "0123456789abcdef"))),
    ];
    for (what, change) in changes {
        let seq = publish_damaged(&log, SHARD, &frame("payload"), change.unwrap_or(|_, _| {})).await;
        publish_many(&log, 1).await;
        let before = Position { seq: seq - 1, ..first };
        let mut reader = log.read(STREAM, Some(ReadFrom { position: before, frame_id: None })).await.unwrap();
        if change.is_none() {
            assert_eq!(read_many(&mut reader, 2).await[0].payload(), "payload");
            continue;
        }
        let error = read_error(&mut reader).await;
        let is_told =
            matches!(error, ReadError::Unreadable { seq: damaged, why: Unreadable::Damaged(_), .. } if damaged == seq);
        assert!(is_told && error.is_loss(), "{what}: {error}");
        assert!(read_error(&mut reader).await.is_loss(), "it is said again");
        let kept = log.frame(STREAM, seq).await.unwrap().unwrap().unwrap_err();
        assert!(kept.position.seq == seq && kept.headers.contains("Forebay-Epoch"), "{what}: {kept:?}");
        // Behind it, frames can be read where that was decided.
        let behind = Position { seq, ..first };
        let mut reader = log.read(STREAM, Some(ReadFrom { position: behind, frame_id: None })).await.unwrap();
        assert_eq!(read_many(&mut reader, 1).await[0].position.seq, seq + 1);
    }
}

#[tokio::test]
async fn a_frame_of_another_format_ends_the_reader_and_is_recognised_by_its_id() {
    let log = log("otherformat").await;
    publish_many(&log, 2).await;
    let later = frame("what this version cannot know");
    let position = publish_of_format(&log, SHARD, &later, "orders/999").await;
    let next = publish_many(&log, 1).await[0].0;

    let mut reader = log.read(STREAM, None).await.unwrap();
    assert_eq!(read_many(&mut reader, 2).await[1].position.seq, 2);
    let error = read_error(&mut reader).await;
    let said = "frame 3 of the stream logged-0 is of the format \"orders/999\", and this version knows \"orders/3\"";
    assert!(error.is_loss() && error.is_unreadable(), "{error:?}");
    assert_eq!(error.to_string(), said);
    let kept = log.frame(STREAM, 3).await.unwrap().unwrap().unwrap_err();
    assert_eq!((kept.payload, kept.id.as_ref()), (later.payload.clone(), Some(&later.id)));
    // A reader that has read it, such as a later version that ran before, reads on behind it.
    let mut reader = log.read(STREAM, Some(behind(&(position, later)))).await.unwrap();
    assert_eq!(read_many(&mut reader, 1).await[0].position, next);
    let error = log.read(STREAM, Some(behind(&(position, frame("payload"))))).await.unwrap_err();
    assert!(matches!(error, ReadError::LostTail { seq: 3, .. }), "{error}");
}

/// What is damaged at the position itself was read when it was whole.
#[tokio::test]
async fn a_damaged_frame_at_the_position_is_recognised_by_its_id() {
    let log = log("damagedat").await;
    let first = publish_many(&log, 1).await[0].0;
    let whole = frame("payload");
    let position = Position { seq: publish_damaged(&log, SHARD, &whole, |_, payload| payload[3] ^= 1).await, ..first };
    let next = publish_many(&log, 1).await[0].0;
    let mut reader = log.read(STREAM, Some(behind(&(position, whole)))).await.unwrap();
    assert_eq!(read_many(&mut reader, 1).await[0].position, next);
    // Where it is the id, this may be another stream.
    let error = log.read(STREAM, Some(behind(&(position, frame("payload"))))).await.unwrap_err();
    assert!(matches!(error, ReadError::Unreadable { seq, .. } if seq == position.seq), "{error}");
}

/// A reader whose frames nobody takes, and its consumer as the server sees it.
async fn reader_that_has_stopped_asking(log: &Log) -> (FrameReader, PullConsumer) {
    let reader = log.read(STREAM, None).await.unwrap();
    let (_, stream) = foreign(log).await;
    let names: Vec<String> = futures::TryStreamExt::try_collect(stream.consumer_names()).await.unwrap();
    let consumer: PullConsumer = stream.get_consumer(&names[0]).await.unwrap();
    let quiet = AtomicUsize::new(0);
    eventually("it asks for nothing", async || {
        let info = consumer.get_info().await.unwrap();
        let is_quiet = info.num_waiting == 0 && info.delivered.stream_sequence > 0;
        // Between two requests it is quiet as well, but never for long.
        let times = if is_quiet { quiet.fetch_add(1, Ordering::Relaxed) } else { quiet.swap(0, Ordering::Relaxed) };
        (is_quiet && times > 10, info.delivered)
    })
    .await;
    (reader, consumer)
}

async fn log_with_small_read_ahead(hint: &str, frames: usize) -> Log {
    let mut settings = settings(hint).await;
    settings.read_ahead_bytes = 2 << 20;
    let log = log_with(settings).await;
    let payload = vec![b'x'; 60_000];
    for _ in 0..frames {
        log.publish(SHARD, &frame(payload.clone()), later()).await.unwrap();
    }
    log
}

#[tokio::test]
async fn a_reader_whose_frames_nobody_takes_stops_asking() {
    let log = log_with_small_read_ahead("bounded", 100).await;
    let (mut reader, consumer) = reader_that_has_stopped_asking(&log).await;
    let ahead = consumer.get_info().await.unwrap().delivered.stream_sequence;
    assert!(ahead * 60_000 <= 2 << 20, "{ahead} frames are read ahead");
    assert_eq!(read_many(&mut reader, 100).await.len(), 100);
}

#[tokio::test]
async fn frames_that_somebody_else_took_from_the_consumer_are_read_again() {
    let log = log_with_small_read_ahead("stolen", 60).await;
    let (mut reader, consumer) = reader_that_has_stopped_asking(&log).await;
    let stolen = consumer.fetch().max_messages(5).messages().await.unwrap();
    assert_eq!(futures::StreamExt::count(stolen).await, 5);
    let read = read_many(&mut reader, 60).await;
    assert!(read.iter().map(|stored| stored.position.seq).eq(1..=60));
}

/// Such a message ends the connection of every client that gets it delivered, each time anew.
#[tokio::test]
async fn a_message_whose_headers_cannot_be_read_does_not_stop_the_log() {
    let log = log("poison").await;
    publish_many(&log, 2).await;
    let subject = log.settings().name.subject(LANE, SHARD);
    for headers in ["NATS/1.0\r\nGröße: 1\r\n\r\n", "NATS/1.0\r\nno colon\r\n\r\n"] {
        let message = format!("HPUB {subject} {} {}\r\n{headers}poison\r\n", headers.len(), headers.len() + 6);
        speak(&log.settings().url, &message).await;
    }
    eventually("they are stored", async || {
        let state = log.stream_state(STREAM).await;
        (state.as_ref().is_ok_and(|state| state.last_seq == 4), state)
    })
    .await
    .unwrap();

    let mut reader = log.read(STREAM, None).await.unwrap();
    let read = read_many(&mut reader, 4).await;
    assert!(read[..2].iter().all(|stored| stored.frame.is_ok()));
    for stored in &read[2..] {
        assert_eq!(&stored.frame.as_ref().unwrap_err().payload[..], b"poison");
    }
    let frame = frame("behind it");
    let position = eventually_ok("it is published", async || log.publish(SHARD, &frame, later()).await).await;
    assert_eq!(read_many(&mut reader, 1).await[0].position, position);
    let from = ReadFrom { position: read[2].position, frame_id: None };
    log.read(STREAM, Some(from)).await.unwrap();
}

/// Says something to the server that the client would not say.
async fn speak(url: &str, message: &str) {
    let address = url.strip_prefix("nats://").unwrap();
    let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
    let connect = r#"CONNECT {"verbose":false,"headers":true,"no_responders":true}"#;
    socket.write_all(format!("{connect}\r\n{message}PING\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    while !answer.contains("PONG") {
        let mut bytes = [0; 1000];
        let read = within(socket.read(&mut bytes)).await.unwrap();
        assert!(read > 0, "{answer}");
        answer.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    assert!(!answer.contains("-ERR"), "{answer}");
}

/// The server ends such a request without a word.
#[tokio::test]
async fn a_request_that_comes_out_even_in_bytes_is_followed_by_the_next() {
    let log = log("even").await;
    let request_bytes = log.message_bytes_max() + 4096;
    let subject = log.settings().name.subject(LANE, SHARD);
    let stream = log.settings().name.stream(STREAM);
    let consumer = "reader-".len() + 32;
    let reply = |pending: usize| format!("$JS.ACK.{stream}..1.1.1.1700000000000000000.{pending}").len() + consumer;
    let envelopes = 2 * subject.len() + reply(1) + reply(0);
    let payloads = request_bytes - envelopes;
    let (foreign, _) = foreign(&log).await;
    for payload in [payloads / 2, payloads - payloads / 2] {
        foreign.publish(subject.clone(), vec![b'x'; payload].into()).await.unwrap().await.unwrap();
    }
    let mut reader = log.read(STREAM, None).await.unwrap();
    assert_eq!(read_many(&mut reader, 2).await.len(), 2);
    publish_many(&log, 1).await;
    let soon = std::time::Duration::from_secs(4);
    let next = reader.next_batch_within(10, 1000, soon).await.unwrap();
    assert_eq!(next.len(), 1, "nothing came until the watchdog's time");
}

#[tokio::test]
async fn another_incarnation_is_noticed() {
    let log = log("incarnation").await;
    let published = publish_many(&log, 3).await;
    let (foreign, stream) = foreign(&log).await;
    foreign.delete_stream(&stream.cached_info().config.name).await.unwrap();
    let gone = log.read(STREAM, Some(behind(&published[0]))).await.unwrap_err();
    assert!(matches!(gone, ReadError::Log(forebay_log::LogError::NoStream(_))), "{gone}");
    log.ensure_streams([STREAM], LIMITS).await.unwrap();
    let anew = publish_many(&log, 3).await;
    let error = log.read(STREAM, Some(behind(&published[0]))).await.unwrap_err();
    assert!(matches!(error, ReadError::OtherIncarnation { .. }) && error.is_loss(), "{error}");
    // The publisher has noticed it too: its positions are in the new making of the stream.
    assert_ne!(anew[0].0.incarnation, published[0].0.incarnation);
    log.read(STREAM, Some(behind(&anew[0]))).await.unwrap();
}

#[tokio::test]
async fn a_tail_that_is_gone_is_noticed() {
    let log = log("tail").await;
    let published = publish_many(&log, 5).await;
    let (_, stream) = foreign(&log).await;
    stream.delete_message(5).await.unwrap();
    let error = log.read(STREAM, Some(behind(&published[4]))).await.unwrap_err();
    assert!(matches!(error, ReadError::LostTail { seq: 5, .. }), "{error}");

    let (mut position, frame) = published[3].clone();
    position.seq = 99;
    let error = log.read(STREAM, Some(behind(&(position, frame)))).await.unwrap_err();
    assert!(matches!(error, ReadError::LostTail { seq: 99, .. }), "{error}");
}

#[tokio::test]
async fn other_frames_at_the_places_of_those_that_were_read_are_noticed() {
    let log = log("reused").await;
    let published = publish_many(&log, 5).await;
    let mut reader_there = behind(&published[2]);
    reader_there.frame_id = Some(published[3].1.id.clone());
    let error = log.read(STREAM, Some(reader_there)).await.unwrap_err();
    assert!(matches!(error, ReadError::LostTail { seq: 3, .. }), "{error}");
}

#[tokio::test]
async fn frames_that_were_trimmed_unread_are_a_gap() {
    let log = log("trimmed").await;
    let published = publish_many(&log, 9).await;
    log.trim(STREAM, published[5].0).await.unwrap();
    for after in [None, Some(behind(&published[0])), Some(behind(&published[3]))] {
        let error = log.read(STREAM, after).await.unwrap_err();
        assert!(matches!(error, ReadError::Gap { next: 6, .. }), "{error}");
    }
    for after in [&published[4], &published[5]] {
        let mut reader = log.read(STREAM, Some(behind(after))).await.unwrap();
        assert_eq!(read_many(&mut reader, 1).await[0].position.seq, after.0.seq + 1);
    }
}

#[tokio::test]
async fn a_frame_missing_in_the_middle_is_a_gap() {
    let log = log("hole").await;
    publish_many(&log, 5).await;
    let (_, stream) = foreign(&log).await;
    stream.delete_message(3).await.unwrap();
    let mut reader = log.read(STREAM, None).await.unwrap();
    assert_eq!(read_many(&mut reader, 2).await.len(), 2);
    let error = read_error(&mut reader).await;
    assert!(matches!(error, ReadError::Gap { seq: 2, next: 4, .. }), "{error}");
    assert!(matches!(read_error(&mut reader).await, ReadError::Gap { .. }), "it is said again");
}

#[tokio::test]
async fn a_stream_made_anew_under_a_reader_is_noticed() {
    let log = log("anew").await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    publish_many(&log, 3).await;
    read_many(&mut reader, 3).await;
    let (foreign, stream) = foreign(&log).await;
    foreign.delete_stream(&stream.cached_info().config.name).await.unwrap();
    log.ensure_streams([STREAM], LIMITS).await.unwrap();
    publish_many(&log, 5).await;
    let error = read_error(&mut reader).await;
    assert!(matches!(error, ReadError::OtherIncarnation { .. }), "{error}");
}

#[tokio::test]
async fn a_deleted_consumer_is_made_again() {
    let log = log("consumer").await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    publish_many(&log, 3).await;
    read_many(&mut reader, 3).await;
    let (_, stream) = foreign(&log).await;
    let names: Vec<String> = futures::TryStreamExt::try_collect(stream.consumer_names()).await.unwrap();
    assert_eq!(names.len(), 1);
    stream.delete_consumer(&names[0]).await.unwrap();
    publish_many(&log, 3).await;
    let read = read_many(&mut reader, 3).await;
    assert_eq!(read.iter().map(|stored| stored.position.seq).collect::<Vec<_>>(), [4, 5, 6]);
}
