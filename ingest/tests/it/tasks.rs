use futures::future::join_all;

use crate::harness::{Ingest, ndjson, order};

/// Tasks that run for a moment only, when something has been published for a while.
const NOW_AND_THEN: [&str; 1] = ["incarnation of logged-0"];

/// A service in which one task panics ends with a failure while orders come, rather than refuse those that need the task.
async fn ends_when_it_panics(ingest: &Ingest, task: &str) {
    let doomed = Ingest::serve(&ingest.log, &["--failpoints", &format!("task:{task}=panic")]).await;
    let orders = ndjson((0..100).map(order));
    let load = async {
        loop {
            let _ = doomed.post("/v1/orders/batch", "application/x-ndjson", orders.clone()).send().await;
        }
    };
    let complaint = format!("the service lives on without its task {task:?}");
    tokio::select! {
        () = doomed.fails(&complaint) => {}
        never = load => never,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_task_leaves_no_service_half_alive() {
    let ingest = Ingest::start("tasks", &[]).await;
    assert_eq!(ingest.batch(ndjson((0..100).map(order))).await.status, 202);
    let running = ingest.served.service.lifecycle.running();
    for known in
        ["group orders-0", "group orders-2", "http server", "log", "metrics upkeep", "rate limits", "shard map"]
    {
        assert!(running.iter().any(|name| name == known), "{known:?} is not among {running:?}");
    }
    let tasks = running.iter().map(String::as_str).chain(NOW_AND_THEN);
    join_all(tasks.map(|task| ends_when_it_panics(&ingest, task))).await;
    assert_eq!(ingest.order(&order(1)).await.status, 202);
    ingest.served.assert_metrics_are_explained().await;
    ingest.served.assert_counters_begin(forebay_ingest::METRICS).await;
}
