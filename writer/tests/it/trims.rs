//! What is committed leaves the log after its window, and nothing else does.

use forebay_model::{ShardId, StreamKind};
use forebay_testkit::eventually;

use crate::scene::Scene;

const LOCKED: &str = "select count(*) from pg_locks \
    where mode = 'ShareLock' and relation = 'orders'::regclass and granted";

#[tokio::test(flavor = "multi_thread")]
async fn committed_frames_leave_the_log_and_the_next_writer_goes_on() {
    let scene = Scene::new("trims", 1).await;
    let writer = scene.writer(&["--keep-behind-s", "0"]).await;
    writer.has("draining", 2).await;
    let mut rows = scene.log_orders(0..3000).await;
    scene.stored(3000).await;
    eventually("only the last frame is left", async || {
        let state = scene.log.stream_state(StreamKind::Logged.on(ShardId(0))).await.unwrap();
        (state.frames == 1 && state.last_seq > 1, format!("{state:?}"))
    })
    .await;
    writer.stop().await;
    rows += scene.log_orders(3000..3500).await;
    let writer = scene.writer(&[]).await;
    scene.stored(3500).await;
    scene.assert_sums(rows).await;
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_window_is_kept_and_lag_is_told() {
    let scene = Scene::new("window", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    scene.log_orders(0..1000).await;
    scene.stored(1000).await;
    let last = scene.log.stream_state(StreamKind::Logged.on(ShardId(0))).await.unwrap().last_seq;
    eventually("the lag is told", async || {
        let lane = writer.stream(StreamKind::Logged, 0).await;
        (lane["lag_frames"] == 0 && lane["log"]["last_seq"] == last, lane.to_string())
    })
    .await;
    assert_eq!(scene.log.stream_state(StreamKind::Logged.on(ShardId(0))).await.unwrap().first_seq, 1);
    // While the table is locked, frames pile up and grow old.
    let lock = "begin; lock table orders in share mode; select pg_sleep(8); rollback";
    let stack = scene.shards.stack;
    let url = scene.shards.urls[0].clone();
    let locked = tokio::spawn(async move { stack.sql(&url, lock).await.unwrap() });
    eventually("the table is locked", async || {
        let held = scene.shards.sql(0, LOCKED).await;
        (held == "1", held)
    })
    .await;
    scene.log_orders(1000..2000).await;
    eventually("the lag grows", async || {
        let lane = writer.stream(StreamKind::Logged, 0).await;
        (lane["lag_frames"].as_u64() > Some(0) && lane["lag_seconds"].as_f64() > Some(1.0), lane.to_string())
    })
    .await;
    locked.await.unwrap();
    scene.stored(2000).await;
    writer.stop().await;
}
