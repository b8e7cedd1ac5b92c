//! `/v1/changes`, followed: a stream ends whole, however it is encoded, and with what its client came in by.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use forebay_testkit::issuer::{AUDIENCE, ISSUER, Key, claims_but, key_set, now_s};
use serde_json::json;

use crate::scene::Scene;

/// By how much the clocks of issuers may differ from that of a service.
const LEEWAY_S: u64 = 30;
/// How long the token is good that a stream is opened by.
const LIFE_S: u64 = 4;
/// How much later the stream may end: it is looked each second, and machines are slow.
const LATER_S: u64 = 10;

fn decoded(encoding: &str, body: &[u8]) -> String {
    let mut text = String::new();
    match encoding {
        "gzip" => drop(MultiGzDecoder::new(body).read_to_string(&mut text).expect("it has its end")),
        "zstd" => text = String::from_utf8(zstd::decode_all(body).expect("it has its end")).unwrap(),
        _ => text = String::from_utf8(body.to_vec()).unwrap(),
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_whole_when_the_token_expires_that_it_was_opened_by() {
    let (key, keys) = (Key::p256("a"), tempfile::NamedTempFile::new().unwrap());
    std::fs::write(keys.path(), key_set(&[&key]).to_string()).unwrap();
    let jwks = keys.path().to_str().unwrap();
    let scene =
        Scene::start_with("expiry", &["--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE, "--jwks", jwks], |map| map)
            .await;
    let follow = async |framing: &'static str, encoding: &'static str| {
        let good_until_s = now_s() + LIFE_S;
        let token = key.sign(&key.header("ES256"), &claims_but(&json!({"exp": good_until_s - LEEWAY_S})));
        let request = scene.query.request("/v1/changes?since=0").bearer_auth(token);
        let answer = request.header("accept", framing).header("accept-encoding", encoding).send().await.unwrap();
        let sent_as = answer.headers().get("content-encoding").map_or("identity", |name| name.to_str().unwrap());
        assert_eq!((answer.status().as_u16(), sent_as), (200, encoding));
        let body = answer.bytes().await.unwrap_or_else(|error| panic!("{framing}, {encoding}: torn: {error:?}"));
        let ended_s = now_s();
        assert!((good_until_s..=good_until_s + LATER_S).contains(&ended_s), "{ended_s} instead of {good_until_s}");
        assert!(decoded(encoding, &body).trim_end().ends_with("\"}"), "{framing}, {encoding}: {body:?}");
    };
    tokio::join!(
        follow("application/x-ndjson", "identity"),
        follow("application/x-ndjson", "gzip"),
        follow("application/x-ndjson", "zstd"),
        follow("text/event-stream", "gzip"),
    );
}
