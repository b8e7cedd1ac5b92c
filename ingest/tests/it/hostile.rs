//! Bodies that mean harm.

use std::time::{Duration, Instant};

use async_compression::tokio::write::{GzipEncoder, ZstdEncoder};
use forebay_testkit::service::Answer;
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::harness::{Ingest, ndjson, order};

/// What a bomb becomes.
const BOMB_BYTES: usize = 512 << 20;

/// Writes N bytes of something that compresses well.
async fn fill(mut encoder: impl AsyncWrite + Unpin, begin: &[u8], filling: u8) {
    encoder.write_all(begin).await.unwrap();
    let block = vec![filling; 1 << 20];
    for _ in 0..BOMB_BYTES >> 20 {
        encoder.write_all(&block).await.unwrap();
    }
    encoder.shutdown().await.unwrap();
}

/// The most memory that this process had. The kernel's count is not exact: it may go back a little.
fn peak_bytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decompression_bomb_is_cut_off_and_takes_no_memory() {
    let ingest = Ingest::start("bomb", &["--batch-bytes-max", "8MiB"]).await;
    let good = ndjson([order(1)]);
    for (encoding, filling) in [("gzip", b'x'), ("gzip", b'\n'), ("zstd", b'x'), ("zstd", b'\n')] {
        let mut body = Vec::new();
        match encoding {
            "gzip" => fill(GzipEncoder::new(&mut body), good.as_bytes(), filling).await,
            _ => fill(ZstdEncoder::new(&mut body), good.as_bytes(), filling).await,
        }
        assert!(body.len() < BOMB_BYTES / 500, "{encoding}: {} bytes are no bomb", body.len());
        let (before, began) = (peak_bytes(), Instant::now());
        let request = ingest.post("/v1/orders/batch", "application/x-ndjson", body);
        let answer = Answer::of(request.header("content-encoding", encoding)).await;
        answer.problem(413, "too_large");
        let grown = peak_bytes().saturating_sub(before);
        assert!(grown < 64 << 20, "{encoding}: memory grew by {grown} bytes");
        assert!(began.elapsed() < Duration::from_secs(10), "{encoding}: {:?}", began.elapsed());
    }
    assert_eq!(ingest.order(&order(2)).await.status, 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_without_end_takes_no_room_from_others() {
    let ingest = Ingest::start("endless", &["--memory-max", "2MiB"]).await;
    let line = format!(r#"{{"x":"{}"}}"#, "a".repeat(8 << 20));
    for body in [format!("{line}\n{}", order(1)), format!("{}{}", "\n".repeat(8 << 20), order(2))] {
        let is_long = body.starts_with('{');
        let answer = ingest.batch(body).await;
        let expected = (json!(1), json!(u8::from(is_long)));
        assert_eq!((&answer.body["accepted"], &answer.body["rejected"]), (&expected.0, &expected.1), "{}", answer.body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_zstd_window_that_wants_all_memory_is_refused() {
    let ingest = Ingest::start("window", &[]).await;
    // A frame header that asks for a window of 2 TiB or so (RFC 8878, section 3.1.1.1.2), and an empty last block.
    let body = [0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8, 0x01, 0x00, 0x00];
    let before = peak_bytes();
    let request = ingest.post("/v1/orders/batch", "application/x-ndjson", body.to_vec());
    Answer::of(request.header("content-encoding", "zstd")).await.problem(400, "malformed");
    assert!(peak_bytes().saturating_sub(before) < 64 << 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn nesting_without_end_is_refused_and_costs_no_stack() {
    let ingest = Ingest::start("deep", &[]).await;
    let deep = |open: &str, close: &str| {
        let levels = 250_000 / (open.len() + close.len());
        let nested = format!("{}1{}", open.repeat(levels), close.repeat(levels));
        format!(r#"{{"customer_id":"C","items":[{{"sku":"a","quantity":1,"price":1}}],"deep":{nested}}}"#)
    };
    for body in [deep("[", "]"), deep(r#"{"a":"#, "}"), deep("[", ""), "[".repeat(200_000), deep("[{\"\":", "}]")] {
        let single = Answer::of(ingest.post("/v1/orders", "application/json", body.clone())).await;
        assert!(matches!(single.status.as_u16(), 400 | 422), "{}", single.body);
        let lines = ingest.batch(format!("{body}\n{}", order(1))).await;
        assert_eq!((&lines.body["accepted"], &lines.body["rejected"]), (&json!(1), &json!(1)), "{}", lines.body);
        let array = ingest.post("/v1/orders/batch", "application/json", format!("[{},{body}]", order(1)));
        let array = Answer::of(array).await;
        assert!(matches!(array.status.as_u16(), 202 | 400), "{}", array.body);
        assert_eq!(array.body["accepted"], 1, "{}", array.body);
    }
}
