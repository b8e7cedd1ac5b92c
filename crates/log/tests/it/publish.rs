//! Publishing, and how it fails.

use std::time::Duration;

use forebay_log::{Log, PublishError};
use forebay_model::settings::StreamLimits;
use forebay_model::{Lane, ShardId};
use forebay_testkit::log::{LIMITS, settings, settings_at};
use tokio::time::Instant;

use crate::common::{SHARD, STREAM, frame, later, log, log_within, publish_many, read_many};

#[tokio::test]
async fn the_same_frame_twice_is_stored_once() {
    let log = log("twice").await;
    let frame = frame("once");
    let first = log.publish(SHARD, &frame, later()).await.unwrap();
    publish_many(&log, 2).await;
    assert_eq!(log.publish(SHARD, &frame, later()).await, Ok(first));
    assert_eq!(log.stream_state(STREAM).await.unwrap().frames, 3);
}

#[tokio::test]
async fn concurrent_publishes_all_get_places_of_their_own() {
    let log = log("many").await;
    let publishing = (0..500).map(|_| {
        let log = log.clone();
        async move { log.publish(SHARD, &frame("x"), later()).await.unwrap() }
    });
    let mut seqs: Vec<u64> = futures::future::join_all(publishing).await.into_iter().map(|at| at.seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=500).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_full_stream_refuses_until_it_is_trimmed() {
    let log = log_within(settings("full").await, StreamLimits { bytes_max: 1 << 20, ..LIMITS }).await;
    let big = vec![0; 100_000];
    let mut last = None;
    let error = loop {
        match log.publish(SHARD, &frame(big.clone()), later()).await {
            Ok(position) => last = Some(position),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, PublishError::Full(_)) && error.is_retryable(), "{error:?}");
    let last = last.expect("some fit in");
    assert!(last.seq > 5);
    log.trim(STREAM, last).await.unwrap();
    let position = log.publish(SHARD, &frame(big), later()).await.unwrap();
    assert_eq!(position.seq, last.seq + 1, "what was refused took no place");
    let after = forebay_log::ReadFrom { position: last, frame_id: None };
    let mut reader = log.read(STREAM, Some(after)).await.unwrap();
    assert_eq!(read_many(&mut reader, 1).await[0].position, position);
}

#[tokio::test]
async fn what_is_too_large_is_refused_for_good() {
    let log = log("toolarge").await;
    let huge = frame(vec![0; log.message_bytes_max()]);
    let error = log.publish(SHARD, &huge, later()).await.unwrap_err();
    assert!(matches!(error, PublishError::TooLarge { .. }) && !error.is_retryable(), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_is_not_there_is_said_at_once() {
    let log = log("nostream").await;
    let mut index = frame("x");
    index.kind = Lane::Index.into();
    let asked = Instant::now();
    assert_eq!(log.publish(SHARD, &index, later()).await, Err(PublishError::NoStream));
    assert_eq!(log.publish(ShardId(7), &frame("x"), later()).await, Err(PublishError::NoStream));
    assert!(asked.elapsed() < Duration::from_secs(3), "it took {:?}", asked.elapsed());
}

#[tokio::test]
async fn nobody_there_is_one_clear_sentence() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = settings_at(format!("nats://joe:secret@{nobody}"), "nobody");
    let error = Log::connect(settings).await.unwrap_err().to_string();
    assert!(
        error.contains(&format!("NATS does not answer at nats://{nobody}")) && !error.contains("secret"),
        "{error}"
    );
}
