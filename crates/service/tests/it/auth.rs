//! Who may do what.

use std::io::Write;

use axum::Router;
use axum::routing::{get, post};
use forebay_api::Route;
use forebay_service::{Client, Right, Routes, Service, ServiceSettings};

use crate::server::TestService;
use crate::wire::Answer;

/// `printf %s secret-of-shop | sha256sum`, and so on.
const CLIENTS: &str = "
    [[client]]
    name = 'shop'
    key_sha256 = '12f27fa94cbef259460ca7b4abf73b50ab8ade216ef714aeec3f7957ac270e63'
    rights = ['write']
    orders_per_s = 500
    [[client]]
    name = 'desk'
    key_sha256 = '5cd79f555d6c17fe43ce8557b57957d2328207a997658957cf2c5a74443db7b8'
    rights = ['read']
    [[client]]
    name = 'branch'
    key_sha256 = '59302016508c6a2cf91f9c7676e793e6af4960deb9ababe428b9158ce50d3e42'
    rights = ['read']
    tenant = 'T1'
";

fn api(service: &Service) -> Router {
    let name = async |client: Client| {
        let of = if client.tenant().is_none() { String::new() } else { format!(" of {}", client.tenant()) };
        format!("{} {:?}{of}", client.name, client.orders_per_s)
    };
    let write = Router::new().route("/orders", post(name)).route_layer(service.clients.guard(Right::OrdersWrite));
    let read = Router::new().route("/orders", get(name)).route_layer(service.clients.guard(Right::OrdersRead));
    write.merge(read)
}

async fn with_clients_file() -> TestService {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(CLIENTS.as_bytes()).unwrap();
    let settings = ServiceSettings { clients_file: Some(file.path().to_owned()), ..ServiceSettings::default() };
    let service = Service::new(&settings).expect("the file is good");
    let api = api(&service);
    TestService::of(service, api).await
}

async fn ask(server: &TestService, method: &str, authorization: &str) -> Answer {
    let authorization =
        if authorization.is_empty() { String::new() } else { format!("authorization: {authorization}\r\n") };
    let request = format!("{method} /orders HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n{authorization}\r\n");
    server.connect().await.ask(&request).await
}

#[tokio::test]
async fn token_decides_who_the_client_is_and_what_it_may_do() {
    let server = with_clients_file().await;
    let shop = ask(&server, "POST", "Bearer secret-of-shop").await;
    assert_eq!((shop.status, shop.body.as_str()), (200, "shop Some(500)"));
    let desk = ask(&server, "GET", "bearer secret-of-desk").await;
    assert_eq!((desk.status, desk.body.as_str()), (200, "desk None"));
    for (method, token) in [("GET", "Bearer secret-of-shop"), ("POST", "Bearer secret-of-desk")] {
        let answer = ask(&server, method, token).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("forbidden")), "{method} {token}");
    }
}

#[tokio::test]
async fn missing_and_unknown_tokens_are_refused_with_a_challenge() {
    let server = with_clients_file().await;
    for (authorization, challenge) in [
        ("", "Bearer realm=\"forebay\""),
        ("Basic c2hvcDpzaG9w", "Bearer realm=\"forebay\""),
        ("Bearer ", "Bearer realm=\"forebay\""),
        ("Bearer secret-of-sho", "Bearer realm=\"forebay\", error=\"invalid_token\""),
        ("Bearer secret-of-shop2", "Bearer realm=\"forebay\", error=\"invalid_token\""),
    ] {
        let answer = ask(&server, "POST", authorization).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (401, Some("unauthenticated")), "{authorization}");
        assert_eq!(answer.header("www-authenticate"), Some(challenge), "{authorization}");
    }
    assert_eq!(server.get("/livez").await.status, 200, "health needs no token");
}

#[tokio::test]
async fn a_request_is_about_the_tenant_of_its_client_or_else_the_one_that_it_names() {
    let (server, open) = (with_clients_file().await, Service::new(&ServiceSettings::default()).unwrap());
    let api = api(&open);
    let open = TestService::of(open, api).await;
    let asked = async |server: &TestService, client: &str, tenants: &[&str]| {
        let named = tenants.iter().map(|tenant| format!("forebay-tenant: {tenant}\r\n")).collect::<Vec<_>>().concat();
        let request =
            format!("GET /orders HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret-of-{client}\r\n{named}\r\n");
        let answer = server.connect().await.ask(&request).await;
        if answer.status == 200 { answer.body } else { format!("{} {}", answer.status, answer.json()["detail"]) }
    };
    let (bound, too_long) = (&["branch"], "a".repeat(129));
    for (client, tenants, told) in [
        ("desk", &[][..], "desk None"),
        ("desk", &["T2"], "desk None of T2"),
        ("desk", &["  é\u{20ac} 1 "], "desk None of é\u{20ac} 1"),
        ("branch", &[], "branch None of T1"),
        ("branch", &["T1"], "branch None of T1"),
        (
            "branch",
            &["T2"],
            "403 \"the client is bound, and not to the tenant \\\"T2\\\" that the header Forebay-Tenant names\"",
        ),
        (
            "branch",
            &["t1"],
            "403 \"the client is bound, and not to the tenant \\\"t1\\\" that the header Forebay-Tenant names\"",
        ),
        ("desk", &[""], "400 \"the header Forebay-Tenant must not be empty\""),
        ("desk", &[&too_long], "400 \"the header Forebay-Tenant must have at most 128 characters\""),
        ("desk", &["T2", "T2"], "400 \"the header Forebay-Tenant must be there once\""),
        ("branch", &["T1", "T1"], "400 \"the header Forebay-Tenant must be there once\""),
        ("shop", &["T2"], "403 \"client \\\"shop\\\" has not the right orders:read\""),
    ] {
        assert_eq!(asked(&server, client, tenants).await, told, "{client} {tenants:?}");
        if !bound.contains(&client) && !told.starts_with("403") {
            let told = told.replace("desk", "127.0.0.1");
            assert_eq!(asked(&open, client, tenants).await, told, "where access is open: {tenants:?}");
        }
    }
}

#[tokio::test]
async fn without_a_clients_file_the_address_is_the_client() {
    let service = Service::new(&ServiceSettings::default()).unwrap();
    let api = api(&service);
    let server = TestService::of(service, api).await;
    assert_eq!(ask(&server, "POST", "").await.body, "127.0.0.1 None");
    assert_eq!(ask(&server, "GET", "Bearer whatever").await.body, "127.0.0.1 None");
}

#[test]
fn clients_file_that_is_not_there_is_a_bad_setting() {
    let settings = ServiceSettings { clients_file: Some("/nowhere/clients.toml".into()), ..ServiceSettings::default() };
    let bad = Service::new(&settings).expect_err("there is no such file").to_string();
    assert_eq!(bad, "clients file /nowhere/clients.toml: No such file or directory (os error 2)");
}

#[tokio::test]
async fn no_route_of_the_interface_is_open_to_who_has_not_its_right() {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(CLIENTS.as_bytes()).unwrap();
    let settings = ServiceSettings { clients_file: Some(file.path().to_owned()), ..ServiceSettings::default() };
    let service = Service::new(&settings).unwrap();
    let all = || Route::ALL.iter().copied().filter_map(|route| Some((route, route.right()?)));
    let none = Routes::of(&service.clients);
    let routes = all().fold(none, |routes, (route, _)| routes.on(route, async || "secret")).with_state(());
    let server = TestService::of(service, routes).await;
    let described = server.get("/openapi.json").await.json();
    for (route, right) in all() {
        let (method, path) = (route.method().as_str(), route.path().replace(['{', '}'], ""));
        for (key, has) in [
            (None, None),
            (Some("secret-of-shop"), Some([Right::OrdersWrite, Right::EventsWrite].contains(&right))),
            (Some("secret-of-desk"), Some(right == Right::OrdersRead)),
        ] {
            let authorization = key.map(|key| format!("authorization: Bearer {key}\r\n")).unwrap_or_default();
            let request = format!("{method} {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n{authorization}\r\n");
            let answer = server.connect().await.ask(&request).await;
            let expected = match has {
                None => 401,
                Some(false) => 403,
                Some(true) => 200,
            };
            assert_eq!(answer.status, expected, "{route} with {key:?}");
            assert_eq!(answer.body == "secret", expected == 200, "{route} with {key:?}");
            let described = described["paths"][route.path()][method.to_lowercase()]["responses"].clone();
            let is_told = described[expected.to_string()]["headers"].get("www-authenticate").is_some();
            let is_sent = answer.header("www-authenticate").is_some();
            assert_eq!(is_sent, expected != 200, "{route}: {expected}");
            assert_eq!(is_told, is_sent, "{route}: {expected} is described with what it is sent with");
        }
    }
}
