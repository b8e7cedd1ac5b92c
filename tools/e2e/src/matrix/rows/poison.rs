//! Messages in the streams that no writer can store: one dead letter each, and the stream goes on.

use anyhow::{Context, Result};
use async_nats::HeaderMap;
use async_nats::jetstream;
use bytes::{BufMut, Bytes, BytesMut};
use forebay_model::lane::ColumnType;
use forebay_model::{Bucket, Hash, Lane, ShardMap};
use forebay_testkit::{FRAME_SUM, frame_sum};
use rand::RngExt;

use crate::audit::known::KnownDeadLetter;
use crate::matrix::trial::Trial;

/// Microseconds since 2000 of an instant that Postgres does not know.
const IMPOSSIBLE: i64 = 9_223_371_331_200_000_001;
/// The same of the year 20000, which Postgres knows, and in which no order can be.
const OUT_OF_RANGE: i64 = 568_024_668_000_000_000;

/// Publishes each kind of poison, several times, among the orders of the load.
pub(crate) async fn poison(trial: &mut Trial) -> Result<()> {
    let client = async_nats::connect(trial.system.stack.nats_url()).await.context("cannot reach NATS")?;
    let jetstream = jetstream::new(client);
    let shards = u16::try_from(trial.system.stack.postgres_count())?.try_into()?;
    let map = ShardMap::even(shards, Hash::Md5);
    for round in 0..trial.span.rounds() {
        for lane in Lane::ALL {
            let shard = trial.rng.random_range(0..trial.system.stack.postgres_count());
            // One that is the shard's: it would be sent on to where another is.
            let bucket = Bucket::all()
                .find(|bucket| usize::from(map.shard(lane.kind(), *bucket).0) == shard)
                .context("a shard without a bucket")?;
            for (format, payload, reason) in kinds(lane, bucket, round) {
                let headers = headers(&format, trial.rng.random(), &payload);
                let subject = format!("forebay.{lane}.{shard}");
                let stored = jetstream.publish_with_headers(subject, headers, payload).await?.await?;
                let (seq, reason) = (stored.sequence, reason.to_owned());
                trial.known.dead_letters.push(KnownDeadLetter { shard, lane, seq, reason });
                trial.injected += 1;
                trial.work(0..300).await;
            }
        }
    }
    Ok(())
}

/// Each kind of poison for a lane: the format that it claims, what it is, and what it dies of.
fn kinds(lane: Lane, bucket: Bucket, round: usize) -> [(String, Bytes, &'static str); 4] {
    let (known, id) = (lane.format().to_owned(), |what: &str| format!("{what}-{round}"));
    [
        (known.clone(), Bytes::from_static(b"\0\x07\0\0\0\x02no tuple at all"), "torn_tuple"),
        (known.clone(), tuple(lane, bucket, IMPOSSIBLE, &id("never")), "bad_tuple"),
        (known, tuple(lane, bucket, OUT_OF_RANGE, &id("late")), "out_of_range"),
        (String::new(), Bytes::from_static(b"somebody else's message"), "bad_frame"),
    ]
}

/// The headers of a frame, with a checksum: what somebody has made so is no damage.
fn headers(format: &str, id: u64, payload: &[u8]) -> HeaderMap {
    let id = format!("poison-{id}");
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", id.as_str());
    if format.is_empty() {
        return headers;
    }
    let all = [
        ("Nats-Msg-Id", id.as_str()),
        ("Forebay-Format", format),
        ("Forebay-Rows", "1"),
        ("Forebay-Epoch", "1"),
        ("Forebay-Time", "1750000000000000"),
    ];
    for (name, value) in all {
        headers.insert(name, value);
    }
    headers.insert(FRAME_SUM, frame_sum(all, payload));
    headers
}

/// A COPY tuple of a lane. Source: "Binary Format" in the documentation of `COPY`.
fn tuple(lane: Lane, bucket: Bucket, ordered_at: i64, order_id: &str) -> Bytes {
    let mut out = BytesMut::new();
    out.put_i16(lane.columns().len() as i16);
    for column in lane.columns() {
        let field: &[u8] = match column.kind {
            ColumnType::Int2 if column.name == "bucket" => &bucket.number().to_be_bytes(),
            ColumnType::Int2 => &7_i16.to_be_bytes(),
            ColumnType::Int8 => &1_i64.to_be_bytes(),
            ColumnType::Timestamptz => &ordered_at.to_be_bytes(),
            ColumnType::Text => match column.name {
                "order_id" => order_id.as_bytes(),
                "tenant" => b"",
                "kind" => b"sale",
                "currency" => b"EUR",
                _ => b"C1",
            },
            // A jsonb begins with its version.
            ColumnType::Jsonb => b"\x01[]",
        };
        out.put_i32(field.len() as i32);
        out.put_slice(field);
    }
    out.freeze()
}
