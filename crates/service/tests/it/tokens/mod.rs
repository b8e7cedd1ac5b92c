//! Tokens (JWT) of an issuer.

mod hostile;
mod published;

use std::path::Path;

use axum::Router;
use axum::routing::get;
use forebay_service::auth::JwtSettings;
use forebay_service::{Client, Problem, Right, Service, ServiceSettings};
use forebay_testkit::{eventually, issuer};
use serde_json::{Value, json};

use self::issuer::{AUDIENCE, ISSUER, Key, claims_but, key_set};
use crate::server::TestService;
use crate::wire::Answer;

/// A service that takes tokens, and has a clients file, too, where there is one.
async fn service(jwks: &str, clients_file: Option<&Path>) -> TestService {
    let jwt = JwtSettings {
        issuer: Some(ISSUER.to_owned()),
        audience: Some(AUDIENCE.to_owned()),
        jwks: Some(jwks.parse().unwrap()),
        bindings: vec!["customer".to_owned(), "seller".to_owned()],
    };
    let settings =
        ServiceSettings { jwt, clients_file: clients_file.map(Path::to_owned), ..ServiceSettings::default() };
    let service = Service::new(&settings).unwrap();
    service.follow_files(&settings);
    let who = async |client: Client| {
        let binding = client.binding(|| Ok("depot=depot_id".parse().unwrap()))?;
        let bound = binding.map_or(String::new(), |binding| format!(", bound to {binding:?}"));
        let of = if client.tenant().is_none() { String::new() } else { format!(", of {}", client.tenant()) };
        Ok::<_, Problem>(format!("{} {:?}{of}{bound}", client.name, client.orders_per_s))
    };
    let read = Router::new().route("/orders", get(who)).route_layer(service.clients.guard(Right::OrdersRead));
    let ops = Router::new().route("/ops", get(who)).route_layer(service.clients.guard(Right::Ops));
    TestService::of(service, read.merge(ops)).await
}

/// The same, with the keys in a file.
async fn with_keys(keys: &[&Key]) -> (TestService, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), key_set(keys).to_string()).unwrap();
    (service(file.path().to_str().unwrap(), None).await, file)
}

async fn ask(server: &TestService, token: &str) -> Answer {
    ask_for(server, "/orders", token).await
}

async fn ask_for(server: &TestService, path: &str, token: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
    server.connect().await.ask(&request).await
}

#[tokio::test]
async fn each_algorithm_that_has_a_public_key_lets_its_token_in() {
    let (p256, p384, edwards, rsa) = (Key::p256("a"), Key::p384("b"), Key::ed25519("c"), Key::rsa("d"));
    let (server, _file) = with_keys(&[&p256, &p384, &edwards, &rsa]).await;
    for (key, algorithm) in [(&p256, "ES256"), (&p384, "ES384"), (&edwards, "EdDSA")]
        .into_iter()
        .chain(["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"].map(|algorithm| (&rsa, algorithm)))
    {
        let token = key.token(algorithm);
        for _again in 0..2 {
            let answer = ask(&server, &token).await;
            assert_eq!((answer.status, answer.body.as_str()), (200, "shop None"), "{algorithm}: {}", answer.body);
        }
    }
}

#[tokio::test]
async fn a_token_says_who_the_client_is_what_it_may_do_and_how_fast() {
    let key = Key::p256("a");
    let (server, _file) = with_keys(&[&key]).await;
    let token = |others: Value| key.sign(&key.header("ES256"), &claims_but(&others));
    let desk = token(json!({"sub": "desk", "orders_per_s": 7, "scope": "ops read", "aud": ["other", AUDIENCE]}));
    for path in ["/orders", "/ops"] {
        assert_eq!(ask_for(&server, path, &desk).await.body, "desk Some(7)");
    }
    for (claims, bound) in [
        (json!({"customer": "C1"}), "Customer(CustomerId(\"C1\"))"),
        (json!({"customer": 42}), "Customer(CustomerId(\"42\"))"),
        (json!({"seller": "S7"}), "Key { view: \"seller\", key: \"S7\" }"),
    ] {
        let answer = ask(&server, &token(claims.clone())).await;
        assert_eq!(answer.body, format!("shop None, bound to {bound}"), "{claims}");
    }
    for (claims, told) in [
        (json!({"tenant": "T1"}), "shop None, of T1"),
        (json!({"tenant": 7, "seller": "S7"}), "shop None, of 7, bound to Key { view: \"seller\", key: \"S7\" }"),
    ] {
        assert_eq!(ask(&server, &token(claims.clone())).await.body, told, "{claims}");
    }
    let insider = token(json!({"tenant": "T1", "scope": "ops read"}));
    assert_eq!(ask_for(&server, "/ops", &insider).await.status, 403, "who is bound does not see it from inside");
    // Who issued it may have meant to bind by it, whatever else stands there.
    for claims in [json!({"depot": "D1"}), json!({"depot": [1]}), json!({"customer": "C1", "depot": "D1"})] {
        let answer = ask(&server, &token(claims.clone())).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("forbidden")), "{claims}");
        assert!(answer.body.contains("the claim depot, which is the name of a view"), "{}", answer.body);
    }
    assert_eq!(ask(&server, &token(json!({"email": "a@example.org", "depots": "D1"}))).await.body, "shop None");
    for scope in [json!("openid"), json!(""), Value::Null] {
        let answer = ask(&server, &token(json!({"scope": scope}))).await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (403, Some("forbidden")), "{scope}");
        let challenge = "Bearer realm=\"forebay\", error=\"insufficient_scope\", scope=\"orders:read\"";
        assert_eq!(answer.header("www-authenticate"), Some(challenge));
    }
}

#[tokio::test]
async fn a_key_that_leaves_the_file_ends_its_tokens_and_a_new_one_begins() {
    let (old, new) = (Key::p256("old"), Key::ed25519("new"));
    let (server, file) = with_keys(&[&old]).await;
    let (before, after) = (old.token("ES256"), new.token("EdDSA"));
    assert_eq!((ask(&server, &before).await.status, ask(&server, &after).await.status), (200, 401));
    std::fs::write(file.path(), key_set(&[&new]).to_string()).unwrap();
    eventually("the new set is in force", async || {
        let status = ask(&server, &before).await.status;
        (status == 401, status)
    })
    .await;
    assert_eq!(ask(&server, &after).await.status, 200);
    std::fs::write(file.path(), "garbage").unwrap();
    std::fs::remove_file(file.path()).unwrap();
    assert_eq!(ask(&server, &after).await.status, 200, "while the file is wrong the keys stay");
}

#[tokio::test]
async fn tokens_and_api_keys_work_side_by_side() {
    let (key, folder) = (Key::p256("a"), tempfile::tempdir().unwrap());
    let (keys, clients) = (folder.path().join("keys.json"), folder.path().join("clients.toml"));
    std::fs::write(&keys, key_set(&[&key]).to_string()).unwrap();
    // `printf %s secret-of-desk | sha256sum`
    let sum = "5cd79f555d6c17fe43ce8557b57957d2328207a997658957cf2c5a74443db7b8";
    let listed = format!("[[client]]\nname = 'desk'\nkey_sha256 = '{sum}'\nrights = ['read']\n");
    std::fs::write(&clients, listed).unwrap();
    let server = service(keys.to_str().unwrap(), Some(&clients)).await;
    assert_eq!(ask(&server, &key.token("ES256")).await.body, "shop None");
    assert_eq!(ask(&server, "secret-of-desk").await.body, "desk None");
    assert_eq!(ask(&server, "no.such.token").await.status, 401);
    assert_eq!(ask(&server, "no-such-key").await.status, 401);
}

#[test]
fn what_is_wrong_with_the_key_set_is_one_line() {
    let start = |jwks: &str| {
        let jwt = JwtSettings {
            issuer: Some(ISSUER.to_owned()),
            audience: Some(AUDIENCE.to_owned()),
            jwks: Some(jwks.parse()?),
            bindings: Vec::new(),
        };
        Service::new(&ServiceSettings { jwt, ..ServiceSettings::default() }).map(drop).map_err(|bad| bad.to_string())
    };
    let said = |jwks: &str| start(jwks).unwrap_err();
    assert_eq!(said("/nowhere"), "key set /nowhere: No such file or directory (os error 2)");
    assert_eq!(said("http://issuer.example/keys"), "keys come by https, or from this machine by http");
    assert_eq!(said("ftp://localhost/keys"), "keys come by https, or from this machine by http");
    assert!(said("https://u:p@x/").starts_with("a key set is public"));
    let file = tempfile::NamedTempFile::new().unwrap();
    for text in ["", "{}", "[]", "{\"keys\": 1}", &json!({"keys": vec![json!({}); 101]}).to_string()] {
        std::fs::write(file.path(), text).unwrap();
        let fault = said(file.path().to_str().unwrap());
        assert!(fault.starts_with("key set ") && !fault.contains('\n'), "{fault:?}");
    }
}
