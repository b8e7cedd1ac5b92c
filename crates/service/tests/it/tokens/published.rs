//! Keys that an issuer publishes at an address.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use forebay_testkit::eventually;
use futures::stream;
use http::StatusCode;

use super::issuer::{Key, key_set};
use super::{ask, service};
use crate::server::TestService;

/// What the issuer answers, and how often it was asked.
#[derive(Clone)]
struct Issuer {
    answer: Arc<Mutex<Answer>>,
    asked: Arc<AtomicU64>,
}

#[derive(Clone)]
enum Answer {
    Text(String),
    Status(StatusCode),
    /// A head, and nothing behind it.
    Silence,
    /// A gigabyte.
    Flood,
    /// Another address.
    Elsewhere,
}

impl Issuer {
    async fn start(answer: Answer) -> (Self, TestService, String) {
        let issuer = Self { answer: Arc::new(Mutex::new(answer)), asked: Arc::default() };
        let own = issuer.clone();
        let keys = Router::new().route("/keys", get(async move || own.answer()));
        let server = TestService::start(keys).await;
        let address = format!("http://127.0.0.1:{}/keys", server.address.port());
        (issuer, server, address)
    }

    fn says(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    fn answer(&self) -> Response {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.answer.lock().unwrap().clone() {
            Answer::Text(text) => text.into_response(),
            Answer::Status(status) => (status, key_set(&[]).to_string()).into_response(),
            Answer::Silence => Body::from_stream(stream::pending::<Result<Bytes, std::io::Error>>()).into_response(),
            Answer::Flood => {
                let chunk = Bytes::from(vec![b' '; 1 << 20]);
                Body::from_stream(stream::iter((0..1024).map(move |_| Ok::<_, std::io::Error>(chunk.clone()))))
                    .into_response()
            }
            Answer::Elsewhere => (StatusCode::FOUND, [("location", "/keys")]).into_response(),
        }
    }
}

fn set(keys: &[&Key]) -> Answer {
    Answer::Text(key_set(keys).to_string())
}

async fn readiness(server: &TestService) -> (u16, String) {
    let answer = server.get("/readyz").await;
    (answer.status, answer.body)
}

#[tokio::test]
async fn before_the_keys_are_there_a_token_is_not_wrong_and_the_service_is_not_ready() {
    let key = Key::p256("a");
    let (issuer, _server, address) = Issuer::start(Answer::Status(StatusCode::INTERNAL_SERVER_ERROR)).await;
    let server = service(&address, None).await;
    let answer = ask(&server, &key.token("ES256")).await;
    assert_eq!((answer.status, answer.json()["code"].as_str()), (503, Some("not_ready")), "{}", answer.body);
    assert!(answer.header("retry-after").is_some());
    let (status, body) = readiness(&server).await;
    assert!(status == 503 && body.contains("jwks"), "{body}");
    issuer.says(set(&[&key]));
    eventually("the token is taken", async || {
        let status = ask(&server, &key.token("ES256")).await.status;
        (status == 200, status)
    })
    .await;
    assert_eq!(readiness(&server).await.0, 200);
}

#[tokio::test]
async fn where_there_is_a_clients_file_its_keys_work_without_the_issuer() {
    let (_issuer, _server, address) = Issuer::start(Answer::Silence).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    let sum = "5cd79f555d6c17fe43ce8557b57957d2328207a997658957cf2c5a74443db7b8";
    let listed = format!("[[client]]\nname = 'desk'\nkey_sha256 = '{sum}'\nrights = ['read']\n");
    std::fs::write(file.path(), listed).unwrap();
    let server = service(&address, Some(file.path())).await;
    assert_eq!(ask(&server, "secret-of-desk").await.status, 200);
    eventually("it says what is missing", async || {
        let (status, body) = readiness(&server).await;
        (status == 200 && body.contains("\"degraded\":true") && body.contains("jwks"), body)
    })
    .await;
}

#[tokio::test]
async fn an_issuer_that_answers_nonsense_changes_nothing() {
    let (key, other) = (Key::p256("a"), Key::p256("b"));
    let (issuer, _server, address) = Issuer::start(set(&[&key])).await;
    let server = service(&address, None).await;
    eventually("the keys are there", async || {
        let status = ask(&server, &key.token("ES256")).await.status;
        (status == 200, status)
    })
    .await;
    let nonsense = [
        Answer::Flood,
        Answer::Text("garbage".to_owned()),
        Answer::Text(format!("{{\"keys\": []}}{}", " ".repeat(1 << 20))),
        Answer::Status(StatusCode::NOT_FOUND),
        Answer::Elsewhere,
        Answer::Silence,
    ];
    for answer in nonsense {
        issuer.says(answer);
        let before = issuer.asked.load(Ordering::SeqCst);
        // It has them fetched again, and waits for that.
        assert_eq!(ask(&server, &other.token("ES256")).await.status, 401);
        assert!(issuer.asked.load(Ordering::SeqCst) > before);
        // Not one that is remembered.
        assert_eq!(ask(&server, &key.token("ES256")).await.status, 200);
    }
    assert_eq!(readiness(&server).await.0, 200);
}

#[tokio::test]
async fn keys_change_under_load_and_no_request_fails() {
    let (old, new) = (Key::p256("old"), Key::ed25519("new"));
    let (issuer, _server, address) = Issuer::start(set(&[&old])).await;
    let server = service(&address, None).await;
    let (signs_by_new, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let send = async || {
        let mut by_new = 0;
        while !is_over.load(Ordering::SeqCst) || by_new == 0 {
            let is_new = signs_by_new.load(Ordering::SeqCst);
            let token = if is_new { new.token("EdDSA") } else { old.token("ES256") };
            let answer = ask(&server, &token).await;
            assert_eq!(answer.status, 200, "by the new key: {is_new}: {}", answer.body);
            by_new += u64::from(is_new);
        }
    };
    let change = async || {
        tokio::time::timeout(Duration::from_secs(30), async {
            while issuer.asked.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect("the keys are fetched at the start");
        // Published, and used at once.
        issuer.says(set(&[&old, &new]));
        signs_by_new.store(true, Ordering::SeqCst);
        let waits = ask(&server, &new.token("EdDSA")).await;
        assert_eq!(waits.status, 200, "{}", waits.body);
        is_over.store(true, Ordering::SeqCst);
    };
    tokio::join!(send(), send(), send(), send(), change());
    let asked = issuer.asked.load(Ordering::SeqCst);
    assert!(asked <= 4, "however many tokens come, the issuer is asked seldom: {asked} times");
}
