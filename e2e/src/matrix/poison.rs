//! Messages in the streams that no writer can store: one dead letter each, and the stream goes on.

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::{BufMut, Bytes, BytesMut};
use rand::RngExt;

use super::trial::Trial;

/// Microseconds since 2000 of an instant that Postgres does not know.
const OUT_OF_RANGE: i64 = 9_223_371_331_200_000_001;

/// Publishes each kind of poison, several times, among the orders of the load.
pub(super) async fn poison(trial: &mut Trial) -> Result<()> {
    let client = async_nats::connect(trial.system.stack.nats_url()).await.context("cannot reach NATS")?;
    let jetstream = jetstream::new(client);
    for round in 0..trial.span.rounds() {
        let kinds: [(&str, Bytes); 4] = [
            ("orders/1", Bytes::from_static(b"\0\x07\0\0\0\x02no tuple at all")),
            ("orders/9", tuple(0, &format!("version-{round}"))),
            ("orders/1", tuple(OUT_OF_RANGE, &format!("late-{round}"))),
            ("", Bytes::from_static(b"somebody else's message")),
        ];
        for (format, payload) in kinds {
            let shard = trial.rng.random_range(0..trial.system.stack.postgres_count());
            let headers = headers(format, trial.rng.random());
            let subject = format!("forebay.orders.{shard}");
            jetstream.publish_with_headers(subject, headers, payload).await?.await?;
            trial.injected += 1;
            trial.dead += 1;
            trial.work(0..400).await;
        }
    }
    Ok(())
}

fn headers(format: &str, id: u64) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", format!("poison-{id}"));
    if !format.is_empty() {
        headers.insert("Forebay-Format", format);
        headers.insert("Forebay-Rows", "1");
        headers.insert("Forebay-Epoch", "1");
        headers.insert("Forebay-Time", "1750000000000000");
    }
    headers
}

/// A COPY tuple of lane `orders`. Source: "Binary Format" in the documentation of `COPY`.
fn tuple(ordered_at: i64, order_id: &str) -> Bytes {
    let mut out = BytesMut::new();
    let bucket = 7_i16.to_be_bytes();
    let (at, total) = (ordered_at.to_be_bytes(), 1_i64.to_be_bytes());
    // A jsonb begins with its version.
    let fields: [&[u8]; 7] = [&bucket, b"C1", &at, order_id.as_bytes(), &total, b"\x01[]", b"\x01{}"];
    out.put_i16(fields.len() as i16);
    for field in fields {
        out.put_i32(field.len() as i32);
        out.put_slice(field);
    }
    out.freeze()
}
