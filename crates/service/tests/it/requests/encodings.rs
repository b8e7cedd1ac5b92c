//! Answers in the encoding that a client takes.

use axum::Router;
use axum::body::Body;
use axum::http::header;
use axum::routing::get;
use bytes::Bytes;
use futures::stream;

use crate::server::TestService;
use crate::wire::Answer;

fn routes() -> Router {
    let text = "{\"a\": 1}".repeat(1000);
    let (short, long) = ("{}".to_owned(), text.clone());
    let json = |body: String| get(async move || ([(header::CONTENT_TYPE, "application/json")], body.clone()));
    let torn = async || {
        // What nothing can be made shorter of, so that the head is sent before it is torn.
        let noise = std::iter::successors(Some(1_u32), |n| Some(n.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)));
        let noise: Vec<u8> = noise.take(512 * 1024).map(|n| (n >> 24) as u8).collect();
        let chunks = [Ok(Bytes::from(noise)), Err(std::io::Error::other("on purpose"))];
        ([(header::CONTENT_TYPE, "text/csv")], Body::from_stream(stream::iter(chunks)))
    };
    Router::new()
        .route("/short", json(short))
        .route("/long", json(long))
        .route(
            "/parquet",
            get(async move || ([(header::CONTENT_TYPE, "application/vnd.apache.parquet")], text.clone())),
        )
        .route("/torn", get(torn))
}

async fn head(server: &TestService, path: &str, accept: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\naccept-encoding: {accept}\r\n\r\n");
    let mut wire = server.connect().await;
    wire.send(request).await;
    wire.try_head().await.unwrap()
}

#[tokio::test]
async fn text_of_some_length_is_encoded_as_the_client_takes_it() {
    let server = TestService::start(routes()).await;
    for (path, accept, encoding) in [
        ("/long", "gzip", Some("gzip")),
        ("/long", "zstd", Some("zstd")),
        ("/long", "gzip, zstd", Some("zstd")),
        ("/long", "gzip;q=0.9, zstd;q=0.1", Some("gzip")),
        ("/long", "br", None),
        ("/long", "identity", None),
        ("/short", "gzip", None),
        ("/parquet", "gzip", None),
        ("/docs/viewer.js", "gzip", Some("gzip")),
    ] {
        let answer = head(&server, path, accept).await;
        assert_eq!(answer.header("content-encoding"), encoding, "{path} for {accept}: {answer:?}");
        let varies = answer.header("vary").is_some_and(|vary| vary.contains("accept-encoding"));
        assert!(encoding.is_none() || varies, "{answer:?}");
    }
    assert_eq!(server.get("/long").await.header("content-encoding"), None, "who says nothing gets it as it is");
}

#[tokio::test]
async fn an_answer_that_is_torn_is_torn_in_every_encoding() {
    let server = TestService::start(routes()).await;
    for accept in ["identity", "gzip", "zstd"] {
        let request = format!("GET /torn HTTP/1.1\r\nhost: x\r\naccept-encoding: {accept}\r\n\r\n");
        let mut wire = server.connect().await;
        wire.send(request).await;
        let mut all = Vec::new();
        let _ = tokio::io::AsyncReadExt::read_to_end(&mut wire.stream, &mut all).await;
        assert!(all.starts_with(b"HTTP/1.1 200"), "{accept}: {} bytes", all.len());
        assert!(!all.ends_with(b"\r\n0\r\n\r\n"), "{accept} looks complete");
    }
}
