//! How fast frames go in and out. Run by hand:
//! `cargo nextest run -p forebay-log --run-ignored only --no-capture throughput`.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::Log;
use forebay_model::settings::StreamLimits;
use forebay_testkit::log::{LIMITS, settings};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::common::{SHARD, STREAM, frame, later, log_within};

async fn publish(log: &Log, frames: usize, bytes: usize, in_flight: usize) -> Duration {
    let payload = Bytes::from(vec![b'x'; bytes]);
    let permits = Arc::new(Semaphore::new(in_flight));
    let started = Instant::now();
    for _ in 0..frames {
        let permit = Arc::clone(&permits).acquire_owned().await.unwrap();
        let (log, frame) = (log.clone(), frame(payload.clone()));
        tokio::spawn(async move {
            log.publish(SHARD, &frame, later()).await.unwrap();
            drop(permit);
        });
    }
    drop(permits.acquire_many(u32::try_from(in_flight).unwrap()).await.unwrap());
    started.elapsed()
}

async fn read(log: &Log, frames: usize, rows_max: usize) -> (Duration, usize) {
    let mut reader = log.read(STREAM, None).await.unwrap();
    let started = Instant::now();
    let (mut read, mut batches) = (0, 0);
    while read < frames {
        read += reader.next_batch(rows_max, 2 << 20).await.unwrap().len();
        batches += 1;
    }
    (started.elapsed(), batches)
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn throughput_of_frames() {
    for (frames, bytes) in [(8000, 64 << 10), (100_000, 300)] {
        let log = log_within(settings("throughput").await, StreamLimits { bytes_max: 2 << 30, ..LIMITS }).await;
        let rate = |elapsed: Duration| (frames * bytes) as f64 / elapsed.as_secs_f64() / 1e6;
        for in_flight in [1, 16, 64, 200] {
            let frames = if in_flight == 1 { frames / 8 } else { frames / 4 };
            let took = publish(&log, frames, bytes, in_flight).await;
            let (per_s, mb) = (frames as f64 / took.as_secs_f64(), (frames * bytes) as f64 / took.as_secs_f64() / 1e6);
            println!("published {bytes} bytes, {in_flight} in flight: {per_s:.0} frames/s, {mb:.0} MB/s");
        }
        let frames = frames / 8 * 7;
        for rows_max in [10_000, 30] {
            let (took, batches) = read(&log, frames, rows_max).await;
            println!(
                "read {bytes} bytes: {:.0} MB/s, {:.1} frames a batch",
                rate(took) * 7.0 / 8.0,
                frames as f64 / batches as f64
            );
        }
        let started = Instant::now();
        for _ in 0..100 {
            drop(log.read(STREAM, None).await.unwrap());
        }
        println!("opening a reader: {:?}", started.elapsed() / 100);
        let at = log.stream_state(STREAM).await.unwrap().last();
        let after = forebay_log::ReadFrom { position: at, frame_id: None };
        let started = Instant::now();
        for _ in 0..100 {
            drop(log.read(STREAM, Some(after.clone())).await.unwrap());
        }
        println!("opening a reader with its tail checked: {:?}", started.elapsed() / 100);
        log.trim(STREAM, at).await.unwrap();
    }
}
