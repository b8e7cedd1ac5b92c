//! No task may die unnoticed.

use forebay_testkit::eventually;

use crate::scene::Scene;

/// What a writer of one shard runs while it drains both of its streams.
const KNOWN: [&str; 14] = [
    "derive logged-0",
    "derive logged-0 for shard 0",
    "drain derived-0",
    "drain logged-0",
    "http server",
    "log",
    "metrics upkeep",
    "move units",
    "reader of derived-0",
    "reader of logged-0",
    "shard map",
    "shards",
    "tables of shard 0",
    "trim streams",
];

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_leaves_no_service_half_alive() {
    let scene = Scene::new("tasks", 1).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    eventually("all tasks run, and no others", async || {
        let running = writer.served.service.lifecycle.running();
        (running == KNOWN, running)
    })
    .await;
    writer.served.assert_metrics_are_explained().await;
    writer.served.assert_counters_begin(forebay_writer::METRICS).await;
    let first = "forebay_writer_dead_letters_total{lane=\"orders\",shard=\"0\",reason=\"conflict\"} 0";
    assert!(writer.served.metrics().await.contains(first), "{}", writer.served.metrics().await);
    writer.stop().await;
    for task in KNOWN {
        let doomed = scene.writer(&["--failpoints", &format!("task:{task}=panic")]).await;
        doomed.served.fails(&format!("the service lives on without its task {task:?}")).await;
    }
}
