//! With its receipt a client sees what it has written: at once, or as soon as it is there, and never a wrong "not found".

mod fates;

use std::time::{Duration, Instant};

use forebay_testkit::service::Answer;
use serde_json::{Value, json};

use crate::scene::{Scene, order_ids};

fn order() -> Value {
    json!({
        "order_id": "X1", "customer_id": "C1", "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
    })
}

const READS: [&str; 5] =
    ["/v1/customers/C1/orders", "/v1/customers/C1/orders/X1", "/v1/orders/X1", "/v1/orders", "/v1/sellers/S1/orders"];

#[tokio::test]
async fn what_is_logged_and_not_committed_is_not_yet_visible() {
    let mut scene = Scene::start("notyet").await;
    let (_, receipt) = scene.writing.log(&[order()]).await;
    for path in READS {
        let begin = Instant::now();
        let answer = scene.get(&format!("{path}?after={receipt}&wait_ms=120")).await;
        let detail = answer.problem(504, "not_yet_visible");
        assert!(detail.contains("is not yet in shard"), "{path}: {detail}");
        assert!(begin.elapsed() >= Duration::from_millis(120), "{path} {:?}", begin.elapsed());
    }
    let by_header = scene.query.request("/v1/orders/X1?wait_ms=0").header("Forebay-After", receipt.to_string());
    Answer::of(by_header).await.problem(504, "not_yet_visible");
    scene.writing.commit().await;
    for path in READS {
        let answer = scene.get(&format!("{path}?after={receipt}&wait_ms=0")).await;
        let position = answer.header("forebay-position").to_owned();
        let body = answer.ok();
        assert!(body["order_id"] == "X1" || order_ids(&body) == ["X1"], "{path}: {body}");
        // The position of an answer is a receipt too.
        scene.get(&format!("{path}?after={position}&wait_ms=0")).await.ok();
    }
}

#[tokio::test]
async fn a_commit_wakes_who_waits_for_it() {
    for with_notice in [true, false] {
        let mut scene = Scene::start("wakes").await;
        let (_, receipt) = scene.writing.log(&[order()]).await;
        let paths = READS.map(|path| format!("{path}?after={receipt}&wait_ms=20000"));
        let reads = paths.iter().map(|path| Answer::of(scene.query.request(path)));
        let commits = scene.writing.commit_with(with_notice);
        let (answers, ()) = tokio::join!(futures::future::join_all(reads), commits);
        for (answer, path) in answers.into_iter().zip(READS) {
            let body = answer.ok();
            assert!(body["order_id"] == "X1" || order_ids(&body) == ["X1"], "{path}: {body}");
        }
    }
}

#[tokio::test]
async fn a_shard_that_lost_its_last_commits_is_not_believed() {
    let mut scene = Scene::start("lost").await;
    let (_, receipt) = scene.writing.write(&[order()]).await;
    let path = |limit: usize| format!("/v1/customers/C1/orders?after={receipt}&wait_ms=300&limit={limit}");
    scene.get(&path(1)).await.ok();
    // As after the promotion of a replica that had not got the last commit.
    let shard = scene.writing.shard_of("C1");
    scene.sql(shard, "delete from orders; update stream_position set stream_seq = 0 where stream = 'logged'").await;
    scene.get(&path(2)).await.problem(504, "not_yet_visible");
    // What was read before is still what the log holds, and the shard will have it again.
    scene.get(&path(1)).await.ok();
}
