//! `/metrics`.

use axum::Router;
use axum::routing::get;
use forebay_service::Problem;
use forebay_testkit::eventually;

use crate::server::TestService;

#[tokio::test]
async fn requests_are_counted_and_timed_by_route_and_not_by_path() {
    let routes = Router::new()
        .route("/metered/{id}", get(async || "here"))
        .route("/metered-problem", get(async || Problem::log_full("shard 0")));
    let server = TestService::start(routes).await;
    for path in ["/metered/1", "/metered/2", "/metered-problem", "/metered-nowhere/1"] {
        server.get(path).await;
    }
    // Histograms are collected in the background.
    let metrics = eventually("both are timed", async || {
        let metrics = server.get("/metrics").await.body;
        let timed = "forebay_http_request_seconds_count{route=\"/metered/{id}\",method=\"GET\"} 2";
        (metrics.contains(timed), metrics)
    })
    .await;
    for line in [
        "# TYPE forebay_http_requests_total counter",
        "forebay_http_requests_total{route=\"/metered/{id}\",method=\"GET\",status=\"200\"} 2",
        "forebay_http_requests_total{route=\"/metered-problem\",method=\"GET\",status=\"503\"} 1",
        "forebay_http_problems_total{route=\"/metered-problem\",code=\"log_full\"} 1",
        "# TYPE forebay_http_request_seconds histogram",
        "# TYPE process_resident_memory_bytes gauge",
    ] {
        assert!(metrics.lines().any(|have| have == line), "{line} is missing in\n{metrics}");
    }
    assert!(metrics.contains("route=\"unmatched\",method=\"GET\",status=\"404\""), "{metrics}");
    assert!(!metrics.contains("nowhere"), "paths are not labels:\n{metrics}");
}

#[tokio::test]
async fn histograms_get_buckets_by_their_unit() {
    let server = TestService::start(Router::new()).await;
    metrics::histogram!("test_of_buckets_rows").record(150.0);
    metrics::histogram!("test_of_buckets_bytes").record(5_000.0);
    let text = server.get("/metrics").await.body;
    for line in [
        "test_of_buckets_rows_bucket{le=\"100\"} 0",
        "test_of_buckets_rows_bucket{le=\"200\"} 1",
        "test_of_buckets_bytes_bucket{le=\"16384\"} 1",
    ] {
        assert!(text.lines().any(|have| have == line), "{line} is missing in\n{text}");
    }
}
