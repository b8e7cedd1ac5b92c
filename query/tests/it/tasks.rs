//! No task may die unnoticed.

use forebay_model::ShardId;
use forebay_testkit::eventually;
use futures::future::join_all;

use crate::scene::{Scene, serve_query};

const REDIS: [&str; 2] = ["--redis", "redis://127.0.0.1:1"];

/// A service in which one task panics ends with a failure.
async fn ends_when_it_panics(scene: &Scene, task: &str) {
    let failpoint = format!("task:{task}=panic");
    let flags = [&REDIS[..], &["--failpoints", &failpoint]].concat();
    let doomed = serve_query(&scene.log, &scene.shards.urls, &flags).await;
    doomed.fails(&format!("the service lives on without its task {task:?}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_leaves_no_service_half_alive() {
    let scene = Scene::start("tasks").await;
    let query = serve_query(&scene.log, &scene.shards.urls, &REDIS).await;
    scene.take_down(ShardId(2)).await;
    let known = ["http server", "log", "metrics upkeep", "redis", "shard 0", "shard map"];
    let running = || query.service.lifecycle.running();
    eventually("all tasks run", async || {
        let running = running();
        (known.iter().all(|known| running.iter().any(|name| name.starts_with(known))), running)
    })
    .await;
    join_all(running().iter().map(|task| ends_when_it_panics(&scene, task))).await;
    query.assert_metrics_are_explained().await;
    query.assert_counters_begin(forebay_query::METRICS).await;
}
