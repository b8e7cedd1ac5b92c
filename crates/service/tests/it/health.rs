//! `/livez` and `/readyz`.

use axum::Router;
use forebay_api::health::Dependencies;
use forebay_api::{Code, Problem};
use forebay_service::health::Need;
use serde_json::json;

use crate::server::TestService;

#[tokio::test]
async fn ready_exactly_while_everything_required_is_up() {
    let server = TestService::start(Router::new()).await;
    assert_eq!(server.get("/readyz").await.status, 200);

    let log = server.service.health.dependency("log", Need::Required);
    let shard = server.service.health.dependency("shard-1", Need::OptionalOnceSeen);
    let answer = server.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("not_ready")));
    assert_eq!(answer.json()["dependencies"]["log"], json!({"state": "unknown", "required": true}));

    log.up();
    let answer = server.get("/readyz").await;
    assert_eq!(
        (answer.status, answer.json()["detail"].as_str()),
        (503, Some("not up: shard-1")),
        "nothing is known of it"
    );
    shard.down("connection refused");
    let answer = server.get("/readyz").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.json(),
        json!({"ready": true, "degraded": true, "dependencies": {
            "log": {"state": "up", "required": true},
            "shard-1": {"state": "down", "required": false, "reason": "connection refused"},
        }})
    );

    let later = server.service.health.dependency("shard-2", Need::OptionalOnceSeen);
    assert!(server.service.health.is_ready(), "who runs goes on when a shard comes");
    later.forget();

    log.down("no answer for 10 s");
    let answer = server.get("/readyz").await;
    assert_eq!((answer.status, answer.json()["detail"].as_str()), (503, Some("not up: log")));
    assert_eq!(answer.json()["dependencies"]["log"]["reason"], "no answer for 10 s");
    assert_eq!(server.get("/livez").await.status, 200, "alive, whatever the dependencies do");
    let metrics = server.get("/metrics").await.body;
    assert!(metrics.contains("forebay_dependency_up{dependency=\"log\"} 0"), "{metrics}");

    log.halted("it was made anew");
    let problem: Problem<Dependencies> = serde_json::from_value(server.get("/readyz").await.json()).unwrap();
    assert!(problem.members.are_only_halted() && problem.code == Code::NotReady, "{problem:?}");

    log.up();
    assert!(server.service.health.is_ready());
}

#[tokio::test]
async fn stopping_service_is_not_ready() {
    let server = TestService::start(Router::new()).await;
    let mut wire = server.connect().await;
    assert_eq!(wire.ask("GET /livez HTTP/1.1\r\nhost: x\r\n\r\n").await.status, 200);
    server.service.shutdown().start();
    let answer = wire.ask("GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("shutting_down")));
}
