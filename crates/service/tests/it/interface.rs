//! What every service answers, beside what it is for.

use axum::Router;
use forebay_api::{Role, Route, Welcome};
use forebay_service::Routes;
use forebay_service::auth::Clients;
use serde_json::Value;

use crate::server::TestService;

#[tokio::test]
async fn a_service_says_what_it_is_and_describes_what_can_be_asked_there_and_nothing_else() {
    let routes =
        Routes::of(&Clients::open()).on(Route::GetStreams, async || "streams").on(Route::PostOrder, async || "order");
    let server = TestService::of_routes(routes).await;
    let welcome: Welcome = serde_json::from_value(server.get("/").await.json()).unwrap();
    assert_eq!(welcome.roles, [Role::Ingest.as_str(), Role::Writer.as_str()]);
    for link in welcome.links.values() {
        assert_eq!(server.get(link).await.status, 200, "{link}");
    }
    let described = server.get("/openapi.json").await.json();
    let paths = described["paths"].as_object().unwrap();
    let methods = |path: &str| {
        let methods = paths.get(path).and_then(Value::as_object).into_iter().flat_map(|methods| methods.keys());
        methods.map(String::as_str).collect::<Vec<_>>()
    };
    assert_eq!([methods("/v1/orders"), methods("/v1/streams"), methods("/livez")], [["post"], ["get"], ["get"]]);
    assert!(methods("/v1/stats").is_empty());
    assert_eq!(described["openapi"], Value::from("3.1.0"));
}

#[tokio::test]
async fn the_page_needs_nothing_from_elsewhere() {
    let server = TestService::start(Router::new()).await;
    let page = server.get("/docs").await;
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert!(page.header("content-security-policy").unwrap().starts_with("default-src 'self'"));
    let addresses = page.body.split(['"', '\'']).filter(|part| part.contains("://")).collect::<Vec<_>>();
    assert!(addresses.is_empty(), "{addresses:?}");
    for name in ["docs/viewer.js", "openapi.json"] {
        assert!(page.body.contains(&format!("\"{name}\"")), "{name}");
        assert_eq!(server.get(&format!("/{name}")).await.status, 200);
    }
}

#[tokio::test]
async fn head_is_get_without_its_body_and_options_says_what_is_allowed() {
    let server = TestService::start(Router::new()).await;
    let ask = async |method: &str, path: &str| {
        let mut wire = server.connect().await;
        wire.send(format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")).await;
        let head = wire.try_head().await.unwrap();
        let mut rest = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(&mut wire.stream, &mut rest).await.unwrap();
        (head, wire.read.len() + rest.len())
    };
    let (head, rest) = ask("HEAD", "/livez").await;
    assert_eq!((head.status, head.header("content-length"), rest), (200, Some("6"), 0));
    let (options, rest) = ask("OPTIONS", "/livez").await;
    assert_eq!((options.status, options.header("allow"), rest), (204, Some("GET,HEAD"), 0));
    assert_eq!(ask("OPTIONS", "/nowhere").await.0.status, 404);
    assert_eq!(ask("DELETE", "/livez").await.0.header("allow"), Some("GET,HEAD"));
}
