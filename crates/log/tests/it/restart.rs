//! Servers that die, freeze and come back.

use std::collections::HashMap;
use std::time::Duration;

use forebay_log::{FrameId, Log, Notice, PublishError, ReadError, ReadFrom};
use forebay_model::{Lane, Position, ShardId, Timestamp};
use forebay_stack::{Durability, Server, Stack};
use forebay_testkit::log::{LIMITS, settings, settings_at};
use forebay_testkit::proxy::port_of;
use forebay_testkit::wait::eventually_ok;
use forebay_testkit::{Proxy, eventually, within};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::common::{SHARD, STREAM, frame, later, log_with, publish_many, read_error, read_many};
use crate::map::{map, shown};

/// A server that a test may kill, and a log on it.
async fn own(hint: &str) -> (Stack, Log) {
    let stack = Stack::temporary(0, Durability::Fast).await.unwrap();
    let log = log_with(settings_at(stack.nats_url(), hint)).await;
    (stack, log)
}

/// Publishes frames one after the other, each until it is acknowledged, until it is told to stop.
async fn publish_until(log: Log, stop: watch::Receiver<bool>) -> Vec<(FrameId, Position)> {
    let mut acknowledged = Vec::new();
    while !*stop.borrow() {
        let frame = frame(vec![b'x'; 5000]);
        let given_up = later();
        let position = loop {
            match log.publish(SHARD, &frame, Instant::now() + Duration::from_secs(2)).await {
                Ok(position) => break position,
                Err(error) => {
                    assert!(error.is_retryable() && Instant::now() < given_up, "{error:?}");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        acknowledged.push((frame.id, position));
    }
    acknowledged
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_server_is_killed_under_load() {
    let (stack, log) = own("killed").await;
    let reading_log = Log::connect(log.settings().clone()).await.unwrap();
    let mut reader = reading_log.read(STREAM, None).await.unwrap();
    let (stop, stopped) = watch::channel(false);
    let publishers: Vec<_> = (0..8).map(|_| tokio::spawn(publish_until(log.clone(), stopped.clone()))).collect();

    let mut read = HashMap::new();
    let mut next = 1;
    for _ in 0..3 {
        // Under way, on both sides.
        let before = read.len();
        while read.len() < before + 200 {
            for stored in read_many(&mut reader, 1).await {
                assert_eq!(stored.position.seq, next, "in order, without a gap, each once");
                next += 1;
                read.insert(stored.id.clone().unwrap(), stored.position);
            }
        }
        stack.kill(Server::Nats).await;
        stack.restart(Server::Nats).await.unwrap();
    }
    stop.send_replace(true);
    let mut acknowledged = Vec::new();
    for publisher in publishers {
        acknowledged.extend(within(publisher).await.unwrap());
    }
    let last = acknowledged.iter().map(|(_, position)| position.seq).max().unwrap();
    while next <= last {
        for stored in read_many(&mut reader, 1).await {
            assert_eq!(stored.position.seq, next);
            next += 1;
            read.insert(stored.id.clone().unwrap(), stored.position);
        }
    }
    assert!(acknowledged.len() > 600);
    for (id, position) in acknowledged {
        assert_eq!(read.get(&id), Some(&position));
    }
    assert_eq!(read.len() as u64, next - 1, "no frame is stored twice");
}

/// The server goes on sending into a connection that is no more, so frames are lost on the way, but none in the log.
#[tokio::test(flavor = "multi_thread")]
async fn frames_lost_on_the_way_are_read_again() {
    let mut settings = settings("cut").await;
    let log = log_with(settings.clone()).await;
    let payload = bytes::Bytes::from(vec![b'x'; 20_000]);
    let publishing = (0..1500).map(|_| {
        let (log, payload) = (log.clone(), payload.clone());
        async move { log.publish(SHARD, &frame(payload), later()).await.unwrap() }
    });
    futures::future::join_all(publishing).await;

    let proxy = Proxy::to(port_of(&settings.url)).await.unwrap();
    settings.url = proxy.url(&settings.url);
    let cut_log = Log::connect(settings).await.unwrap();
    let mut reader = cut_log.read(STREAM, None).await.unwrap();
    let mut next = 1;
    while next <= 1500 {
        for stored in read_many(&mut reader, 1).await {
            assert_eq!(stored.position.seq, next);
            next += 1;
            if next % 150 == 0 {
                proxy.cut();
            }
        }
    }
    // Publishing over a cut way: unknown at most, and the same frame again is stored once.
    let frame = frame("x");
    let attempts = (0..200).map(|_| cut_log.publish(SHARD, &frame, later()));
    let (outcomes, ()) = tokio::join!(futures::future::join_all(attempts), async { proxy.cut() });
    let unknown = |error: &PublishError| matches!(error, PublishError::Unknown | PublishError::Unreachable);
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().err().is_none_or(unknown)), "{outcomes:?}");
    eventually_ok("it is published", async || cut_log.publish(SHARD, &frame, later()).await).await;
    assert_eq!(log.stream_state(STREAM).await.unwrap().last_seq, 1501);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_is_said_at_once_and_found_again() {
    let (stack, log) = own("away").await;
    publish_many(&log, 1).await;
    let mut connected = log.connected();
    assert!(*connected.borrow_and_update());
    stack.kill(Server::Nats).await;
    within(connected.wait_for(|now| !now)).await.unwrap();
    let asked = Instant::now();
    let frame = frame("x");
    assert_eq!(log.publish(SHARD, &frame, later()).await, Err(PublishError::Unreachable));
    assert!(asked.elapsed() < Duration::from_millis(100));
    assert!(!log.is_connected());
    let life = Notice::heartbeat(STREAM, log_position(1), Timestamp::now());
    assert!(log.publish_notice(&life).await.is_err());
    stack.restart(Server::Nats).await.unwrap();
    within(connected.wait_for(|now| *now)).await.unwrap();
    eventually_ok("it is published", async || log.publish(SHARD, &frame, later()).await).await;
    assert_eq!(log.stream_state(STREAM).await.unwrap().last_seq, 2, "what was refused was not sent later");
}

fn log_position(seq: u64) -> Position {
    Position { incarnation: forebay_model::Incarnation::new(1), seq }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_server_is_unknown_by_the_deadline_and_noticed_soon() {
    let (stack, log) = own("frozen").await;
    let published = publish_many(&log, 1).await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    read_many(&mut reader, 1).await;
    stack.pause(Server::Nats);
    let frozen_at = Instant::now();
    let frame = frame("while frozen");
    let outcome = log.publish(SHARD, &frame, Instant::now() + Duration::from_millis(300)).await;
    assert_eq!(outcome, Err(PublishError::Unknown));
    assert!(frozen_at.elapsed() < Duration::from_secs(1));
    within(log.connected().wait_for(|now| !now)).await.unwrap();
    assert!(frozen_at.elapsed() < Duration::from_secs(10), "noticed only after {:?}", frozen_at.elapsed());
    stack.resume(Server::Nats);
    let position = eventually_ok("it is published", async || log.publish(SHARD, &frame, later()).await).await;
    assert_eq!(position, Position { seq: 2, ..published[0].0 });
    assert_eq!(read_many(&mut reader, 1).await[0].position, position);
    assert_eq!(log.stream_state(STREAM).await.unwrap().frames, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_comes_back_empty_is_another_log() {
    let (stack, log) = own("empty").await;
    let published = publish_many(&log, 3).await;
    let mut reader = log.read(STREAM, None).await.unwrap();
    read_many(&mut reader, 3).await;
    stack.stop_server(Server::Nats).await;
    std::fs::remove_dir_all(stack.data_dir().join("nats").join("jetstream")).unwrap();
    stack.restart(Server::Nats).await.unwrap();
    within(log.connected().wait_for(|now| *now)).await.unwrap();
    eventually_ok("the stream is made", async || log.ensure_streams([STREAM], LIMITS).await).await;
    let anew = publish_many(&log, 5).await;
    assert_ne!(anew[0].0.incarnation, published[0].0.incarnation);
    let error = read_error(&mut reader).await;
    assert!(matches!(error, ReadError::OtherIncarnation { .. }), "{error}");
}

/// A store that was set back to an older copy of itself keeps its incarnation, and gives out the same places again.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_set_back_to_an_older_copy_is_noticed() {
    let (stack, log) = own("setback").await;
    publish_many(&log, 3).await;
    stack.stop_server(Server::Nats).await;
    let (data, copy) = (stack.data_dir().join("nats"), stack.data_dir().join("copy"));
    copy_dir(&data, &copy);
    stack.restart(Server::Nats).await.unwrap();
    within(log.connected().wait_for(|now| *now)).await.unwrap();
    let mut reader = log.read(STREAM, None).await.unwrap();
    let read_before = publish_many(&log, 2).await.remove(1);
    read_many(&mut reader, 5).await;

    stack.stop_server(Server::Nats).await;
    let jetstream = data.join("jetstream");
    std::fs::remove_dir_all(&jetstream).unwrap();
    copy_dir(&copy.join("jetstream"), &jetstream);
    stack.restart(Server::Nats).await.unwrap();
    let restarted_at = Instant::now();
    let error = read_error(&mut reader).await;
    assert!(restarted_at.elapsed() < Duration::from_secs(3), "a request waited for the server that had stopped");
    assert!(matches!(error, ReadError::LostTail { seq: 5, .. }), "{error}");

    // Later, new frames have taken the places of those that were read.
    within(log.connected().wait_for(|now| *now)).await.unwrap();
    publish_many(&log, 4).await;
    let (position, frame) = read_before;
    let from = ReadFrom { position, frame_id: Some(frame.id.clone()) };
    let error = log.read(STREAM, Some(from)).await.unwrap_err();
    assert!(
        matches!(&error, ReadError::LostTail { seq: 5, found, .. } if found.contains(frame.id.as_str())),
        "{error}"
    );
}

fn copy_dir(from: &std::path::Path, to: &std::path::Path) {
    let copied = std::process::Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_map_and_notices_are_followed_across_a_restart() {
    let (stack, log) = own("follow").await;
    let reader = Log::connect(log.settings().clone()).await.unwrap();
    let mut heard = reader.notices().await.unwrap();
    log.create_map_if_absent(&map(2, 1)).await.unwrap();
    shown(&reader, 1).await;
    for epoch in 2..4 {
        stack.kill(Server::Nats).await;
        within(reader.connected().wait_for(|now| !now)).await.unwrap();
        assert!(reader.map().borrow().is_some(), "the known map stays");
        stack.restart(Server::Nats).await.unwrap();
        let next = map(2, epoch);
        eventually_ok("the map is changed", async || log.update_map(&next).await).await;
        shown(&reader, epoch).await;
    }
    within(reader.connected().wait_for(|now| *now)).await.unwrap();
    let life = Notice::heartbeat(Lane::Orders.on(ShardId(0)), log_position(1), Timestamp::now());
    let listening = tokio::spawn(async move { heard.next().await });
    eventually("it is heard", async || {
        log.publish_notice(&life).await.unwrap();
        (listening.is_finished(), ())
    })
    .await;
    assert_eq!(listening.await.unwrap(), Some(life));
}
