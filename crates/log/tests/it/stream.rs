//! Making, checking and trimming streams.

use async_nats::jetstream;
use forebay_log::{Log, LogError};
use forebay_model::settings::StreamLimits;
use forebay_model::{Incarnation, Lane, Position, ShardId, StreamId};
use forebay_testkit::log::{LIMITS, settings};

use crate::common::{SHARD, STREAM, frame, later, log, publish_many};

async fn foreign(log: &Log) -> jetstream::Context {
    jetstream::new(async_nats::connect(&log.settings().url).await.unwrap())
}

#[tokio::test]
async fn streams_are_made_once_by_the_first_process() {
    let settings = settings("ensure").await;
    let log = Log::connect(settings.clone()).await.unwrap();
    let other = Log::connect(settings).await.unwrap();
    let streams = || [ShardId(0), ShardId(1)].into_iter().flat_map(StreamId::all_of);
    let (one, two) = tokio::join!(log.ensure_streams(streams(), LIMITS), other.ensure_streams(streams(), LIMITS));
    one.unwrap();
    two.unwrap();
    let before = log.stream_state(Lane::Views.on(ShardId(1))).await.unwrap();
    log.ensure_streams(streams(), LIMITS).await.unwrap();
    assert_eq!(log.stream_state(Lane::Views.on(ShardId(1))).await.unwrap(), before);
    assert_eq!((before.first_seq, before.last_seq, before.frames, before.last_at), (1, 0, 0, None));
}

#[tokio::test]
async fn a_stream_gets_the_limits_that_it_is_ensured_with() {
    let log = Log::connect(settings("limits").await).await.unwrap();
    log.ensure_streams([STREAM], LIMITS).await.unwrap();
    publish_many(&log, 20).await;
    let before = log.stream_state(STREAM).await.unwrap();
    for bytes_max in [512 << 20, 100] {
        log.ensure_streams([STREAM], StreamLimits { bytes_max, ..LIMITS }).await.unwrap();
        let after = log.stream_state(STREAM).await.unwrap();
        assert_eq!(after.bytes_max, bytes_max);
        assert_eq!((after.frames, after.incarnation), (before.frames, before.incarnation), "nothing is lost by it");
    }
}

#[tokio::test]
async fn a_stream_that_could_lose_frames_is_refused() {
    let log = Log::connect(settings("unfit").await).await.unwrap();
    let foreign = foreign(&log).await;
    let name = log.settings().name.clone();
    let fit = || jetstream::stream::Config {
        name: name.stream(STREAM),
        subjects: name.subjects(STREAM),
        discard: jetstream::stream::DiscardPolicy::New,
        ..Default::default()
    };
    let old = jetstream::stream::Config { discard: jetstream::stream::DiscardPolicy::Old, ..fit() };
    let memory = jetstream::stream::Config { storage: jetstream::stream::StorageType::Memory, ..fit() };
    let lazy = jetstream::stream::Config { persist_mode: Some(jetstream::stream::PersistenceMode::Async), ..fit() };
    let aged = jetstream::stream::Config { max_age: std::time::Duration::from_mins(10), ..fit() };
    for (config, fault) in [(old, "discards old"), (memory, "in memory"), (lazy, "before it writes"), (aged, "by age")]
    {
        foreign.create_stream(config).await.unwrap();
        let error = log.ensure_streams([STREAM], LIMITS).await.unwrap_err();
        assert!(matches!(&error, LogError::Unfit { fault: found, .. } if found.contains(fault)), "{error}");
        foreign.delete_stream(name.stream(STREAM)).await.unwrap();
    }
    foreign.create_stream(fit()).await.unwrap();
    log.ensure_streams([STREAM], LIMITS).await.unwrap();
}

#[tokio::test]
async fn trimming_keeps_the_frame_at_the_position() {
    let log = log("trim").await;
    let published = publish_many(&log, 9).await;
    log.trim(STREAM, published[4].0).await.unwrap();
    let state = log.stream_state(STREAM).await.unwrap();
    assert_eq!((state.first_seq, state.last_seq, state.frames), (5, 9, 5));
    assert_eq!(log.frame(STREAM, 4).await.unwrap(), None);
    let kept = log.frame(STREAM, 5).await.unwrap().unwrap().unwrap();
    assert_eq!((kept.position, kept.frame.unwrap()), published[4].clone());
    // Again, further back, and beyond the end: the last frame always stays.
    log.trim(STREAM, published[2].0).await.unwrap();
    log.trim(STREAM, Position { seq: 1000, ..published[0].0 }).await.unwrap();
    let state = log.stream_state(STREAM).await.unwrap();
    assert_eq!((state.first_seq, state.last_seq, state.frames), (9, 9, 1));
}

#[tokio::test]
async fn a_stream_made_anew_is_not_trimmed() {
    let log = log("trimother").await;
    let mut position = publish_many(&log, 3).await[2].0;
    position.incarnation = Incarnation::new(1);
    let error = log.trim(STREAM, position).await.unwrap_err();
    assert!(matches!(error, LogError::OtherIncarnation { .. }), "{error}");
    assert_eq!(log.stream_state(STREAM).await.unwrap().frames, 3);
}

#[tokio::test]
async fn trimming_under_load_leaves_no_gap() {
    let log = log("trimload").await;
    let publishing = tokio::spawn({
        let log = log.clone();
        async move {
            for _ in 0..400 {
                log.publish(SHARD, &frame(vec![0; 20_000]), later()).await.unwrap();
            }
        }
    });
    let mut reader = log.read(STREAM, None).await.unwrap();
    let mut next = 1;
    while next <= 400 {
        for stored in reader.next_batch(50, 1 << 20).await.unwrap() {
            assert_eq!(stored.position.seq, next);
            next += 1;
            if next % 50 == 0 {
                log.trim(STREAM, stored.position).await.unwrap();
            }
        }
    }
    publishing.await.unwrap();
}
