//! A stream that becomes another incarnation keeps its frames.

use forebay_log::{LogError, ReadError, ReadFrom};
use forebay_model::Incarnation;
use forebay_testkit::eventually;
use forebay_testkit::log::LIMITS;

use crate::common::{SHARD, STREAM, frame, later, log, publish_many, read_many};

#[tokio::test]
async fn a_renewed_stream_has_its_frames_and_none_of_its_positions() {
    let log = log("renewed").await;
    let published = publish_many(&log, 5).await;
    let before = log.stream_state(STREAM).await.unwrap();
    let strange = log.renew_stream(STREAM, Incarnation::new(1)).await;
    assert!(matches!(strange, Err(LogError::OtherIncarnation { .. })), "{strange:?}");

    let renewed = log.renew_stream(STREAM, before.incarnation).await.unwrap();
    let after = log.stream_state(STREAM).await.unwrap();
    assert!(renewed > before.incarnation && after.incarnation == renewed);
    assert_eq!((after.first_seq, after.last_seq, after.frames), (before.first_seq, before.last_seq, before.frames));
    let old = ReadFrom { position: published[2].0, frame_id: None };
    let refused = log.read(STREAM, Some(old)).await;
    assert!(matches!(refused, Err(ReadError::OtherIncarnation { .. })), "{refused:?}");
    let mut reader = log.read(STREAM, None).await.unwrap();
    let read = read_many(&mut reader, 5).await;
    assert!(read.iter().all(|stored| stored.position.incarnation == renewed), "{read:?}");
    // It can be trimmed, and stays what it is when somebody prepares it again.
    log.trim(STREAM, read[3].position).await.unwrap();
    log.ensure_streams([STREAM], LIMITS).await.unwrap();
    let prepared = log.stream_state(STREAM).await.unwrap();
    assert_eq!((prepared.incarnation, prepared.first_seq), (renewed, 4));
    let again = log.renew_stream(STREAM, renewed).await.unwrap();
    assert!(again > renewed);
}

#[tokio::test]
async fn who_publishes_learns_of_it_without_a_hint() {
    let log = log("renewedack").await;
    let before = publish_many(&log, 1).await[0].0;
    let renewed = log.renew_stream(STREAM, before.incarnation).await.unwrap();
    eventually("frames lie in the renewed stream", async || {
        let at = log.publish(SHARD, &frame("x"), later()).await.unwrap();
        (at.incarnation == renewed, at)
    })
    .await;
}
