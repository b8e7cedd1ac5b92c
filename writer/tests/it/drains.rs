//! What is in the log comes into the shards, once.

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use forebay_model::touched::id_key;
use forebay_model::{Lane, Position, ShardId, StreamKind, Tenant};
use forebay_testkit::eventually;

use crate::scene::{Scene, WriterProcess};

#[tokio::test(flavor = "multi_thread")]
async fn every_stream_of_every_shard_is_drained_and_announced() {
    let scene = Scene::new("drains", 3).await;
    let mut notices = scene.log.notices().await.unwrap();
    let writer = scene.writer(&[]).await;
    writer.has("draining", 6).await;
    let rows = scene.log_orders(0..3000).await;
    assert_eq!(rows, 3000);
    scene.stored(3000).await;
    scene.assert_sums(rows).await;
    let lane = writer.stream(StreamKind::Logged, 1).await;
    let position = scene.shards.sql(1, "select stream_seq from stream_position where stream = 'logged'").await;
    assert_eq!((lane["position"]["seq"].to_string(), &lane["leader"]), (position, &true.into()));
    writer.served.get("/readyz").await.ok();
    // The notices of each lane and shard are a chain from the beginning to the position.
    let mut chain = std::collections::HashMap::new();
    let mut touched_customer = false;
    while chain.get(&StreamKind::Logged.on(ShardId(1))).is_none_or(|at: &Position| lane["position"]["seq"] != at.seq) {
        let notice = tokio::time::timeout(Duration::from_secs(10), notices.next()).await.unwrap().unwrap();
        let known = chain.insert(notice.stream, notice.after);
        assert_eq!(known.unwrap_or(notice.before), notice.before, "{notice:?}");
        touched_customer |=
            notice.stream.kind == StreamKind::Logged && notice.touched.has_key(id_key(Tenant::none(), "CUST7"));
    }
    assert!(touched_customer);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_stopped_in_the_middle_goes_on_where_it_was() {
    let scene = Scene::new("restart", 2).await;
    scene.prepare_log().await;
    let rows = scene.log_orders(0..4000).await;
    for stop_at in [1, 1000, 2500] {
        let writer = scene.writer(&["--batch-rows", "100"]).await;
        eventually("some orders are stored", async || {
            let orders = scene.orders().await;
            (orders >= stop_at, format!("{orders}"))
        })
        .await;
        writer.stop().await;
    }
    let writer = scene.writer(&[]).await;
    scene.stored(4000).await;
    scene.assert_sums(rows).await;
    assert_eq!(scene.shards.sum("select sum(rows_stored) from lane_tally where lane = 'orders'").await, rows);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_twice_is_stored_once_and_counted() {
    let scene = Scene::new("twice", 1).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    let mut rows = scene.log_orders(0..1000).await;
    rows += scene.log_orders(0..1000).await;
    scene.stored(1000).await;
    eventually("the second time is drained", async || {
        let sum =
            scene.shards.sum("select sum(rows_stored + rows_duplicate) from lane_tally where lane = 'orders'").await;
        (sum == rows, format!("{sum} of {rows}"))
    })
    .await;
    assert_eq!(scene.shards.sum("select sum(rows_duplicate) from lane_tally where lane = 'orders'").await, 1000);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_rubbish_becomes_a_dead_letter_and_the_lane_goes_on() {
    let scene = Scene::new("rubbish", 1).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    let mut rows = scene.log_orders(0..10).await;
    scene.log_frame(Lane::Orders, ShardId(0), 7, b"rubbish".to_vec()).await;
    rows += 7 + scene.log_orders(10..20).await;
    scene.stored(20).await;
    scene.assert_sums(rows).await;
    assert_eq!(scene.shards.sql(0, "select reason, rows from dead_letter").await, "torn_tuple|7");
    let metrics = writer.served.metrics().await;
    let line = "forebay_writer_dead_letters_total{lane=\"orders\",shard=\"0\",reason=\"torn_tuple\"} 7";
    assert!(metrics.contains(line), "{metrics}");
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_the_shard_refuses_dies_alone_among_many_frames() {
    const POISON: u32 = 111_111_111;
    let scene = Scene::new("refused", 1).await;
    scene.prepare_log().await;
    let mut rows = scene.log_orders(0..2000).await;
    let numbers: Vec<u32> = (10_000..10_020).chain([POISON]).chain(10_020..10_040).collect();
    rows += scene.log_poisoned(&numbers, POISON).await;
    rows += scene.log_orders(2000..4000).await;
    let writer = scene.writer(&[]).await;
    eventually("all but one order are stored", async || {
        let orders = scene.orders().await;
        (orders == 4040, format!("{orders}"))
    })
    .await;
    assert_eq!(scene.shards.sql(0, "select reason, order_id from dead_letter").await, format!("refused|ORD{POISON}"));
    scene.assert_sums(rows).await;
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_logged_of_a_commit_has_the_positions_before_and_behind_it() {
    let scene = Scene::new("commitspan", 1).await;
    scene.prepare_log().await;
    let at = scene.log_frame(Lane::Orders, ShardId(0), 7, b"rubbish".to_vec()).await;
    let (writer, log) = WriterProcess::start_logging(&scene, &["--log-level", "warn"]);
    let line = tokio::task::spawn_blocking(move || {
        let lines = BufReader::new(log).lines().map(Result::unwrap);
        lines.into_iter().find(|line| line.contains("rows went to the dead letters")).unwrap()
    });
    let line = tokio::time::timeout(Duration::from_mins(1), line).await.unwrap().unwrap();
    assert!(line.contains(&format!("commit{{behind=0 position={at}}}")), "{line}");
    drop(writer);
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_come_one_by_one_are_committed_together() {
    let scene = Scene::new("trickle", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    let begin = Instant::now();
    for number in 0..200 {
        scene.log_orders(number..number + 1).await;
    }
    scene.stored(200).await;
    let took = begin.elapsed();
    let commits = scene.shards.sum("select count(distinct xmin::text) from orders").await;
    let most = took.as_millis() as u64 / 20 + 1;
    assert!(commits <= most, "{commits} commits in {took:?}, at most {most}");
    writer.stop().await;
}
