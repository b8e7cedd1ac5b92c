//! No task may die unnoticed.

use crate::scene::Scene;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_leaves_no_service_half_alive() {
    let scene = Scene::new("tasks", 1).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    let running = writer.served.service.lifecycle.running();
    let known = ["drain derived-0", "http server", "log", "metrics upkeep", "reader of logged-0", "shard map"];
    for known in known.into_iter().chain(["tables of shard 0", "trim streams"]) {
        assert!(running.iter().any(|name| name == known), "{known:?} is not among {running:?}");
    }
    writer.served.assert_metrics_are_explained().await;
    writer.served.assert_counters_begin(forebay_writer::METRICS).await;
    let first = "forebay_writer_dead_letters_total{lane=\"orders\",shard=\"0\",reason=\"conflict\"} 0";
    assert!(writer.served.metrics().await.contains(first), "{}", writer.served.metrics().await);
    writer.stop().await;
    for task in running {
        let doomed = scene.writer(&["--failpoints", &format!("task:{task}=panic")]).await;
        doomed.served.fails(&format!("the service lives on without its task {task:?}")).await;
    }
}
