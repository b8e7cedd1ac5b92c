//! A log of a test's own, on the server that all tests share, and frames of orders in it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use async_nats::HeaderMap;
use bytes::Bytes;
use forebay_log::{Frame, FrameId, Log, LogSettings};
use forebay_model::fact::FramePart;
use forebay_model::settings::StreamLimits;
use forebay_model::tuple::Tuples;
use forebay_model::{
    Claims, Currency, Deriver, Facts, Hash, Lane, Order, OrderParser, Position, ShardId, ShardMap, StoredOrder,
    SystemSettings, Tenant, Timestamp, ViewSet,
};
use forebay_stack::shared;
use tokio::time::Instant;

use crate::frame_sum::{FRAME_SUM, frame_sum};
use crate::wait::DEADLINE;

/// The views of a system that has none but the usual one.
pub const SELLER_VIEW: &str = "seller=items[].seller_id";
/// The size of a stream, much less than what services take by themselves: many tests have streams on one disk.
pub const STREAM_BYTES_MAX: u64 = 256 << 20;
/// How the streams of a test's log are made.
pub const LIMITS: StreamLimits = StreamLimits { bytes_max: STREAM_BYTES_MAX, replicas: 1 };
/// How far into the future an order may be dated: a day.
const AHEAD_US: i64 = 86_400_000_000;

/// Settings of a log that no other test has.
pub async fn settings(hint: &str) -> LogSettings {
    let stack = shared().await;
    settings_at(stack.nats_url(), &stack.unique_prefix(hint))
}

/// Settings of a log on a server of the test's own.
pub fn settings_at(url: impl Into<String>, prefix: &str) -> LogSettings {
    LogSettings::new(url, prefix.parse().expect("a prefix is a name"))
}

/// A map with as many buckets on each shard, of a system whose streams have [`LIMITS`].
pub fn even_map(shards: usize) -> ShardMap {
    let shards = u16::try_from(shards).ok().and_then(NonZeroU16::new).expect("a map has shards");
    limited(ShardMap::even(shards, Hash::Md5), LIMITS)
}

/// A first map of a system whose streams have other limits.
pub fn limited(map: ShardMap, streams: StreamLimits) -> ShardMap {
    let settings = SystemSettings { streams, ..map.settings().clone() };
    map.with_settings(settings)
}

/// A log with the streams of a map, and with the map: as the first writer makes it.
pub async fn start(settings: LogSettings, map: &ShardMap) -> Log {
    let log = Log::connect(settings).await.expect("the server of the tests answers");
    prepare(&log, map).await;
    log
}

/// Makes the streams of a map, and the map.
pub async fn prepare(log: &Log, map: &ShardMap) {
    log.ensure_streams_of(map).await.expect("streams can be made");
    log.create_map_if_absent(map).await.expect("a map can be made");
}

/// Orders as they are logged, by shard: as ingest makes them.
pub fn facts(orders: impl IntoIterator<Item = impl ToString>, map: &ShardMap) -> Vec<FramePart> {
    let mut facts = Facts::default();
    for order in orders {
        with_order(&order.to_string(), map, |order| facts.add(order, map));
    }
    facts.into_parts()
}

/// What follows from logged orders, by lane and shard: as the writers of their streams derive it once they are stored.
pub fn derived<'a>(logged: impl IntoIterator<Item = &'a FramePart>, map: &ShardMap) -> Vec<FramePart> {
    let (deriver, mut facts) = (deriver(map), Facts::default());
    for part in logged {
        for tuple in Tuples::new(part.lane, &part.tuples) {
            deriver.derive(&StoredOrder::of(&tuple.expect("whole tuples")), &mut facts);
        }
    }
    facts.into_parts()
}

/// Everything that there will be of orders: as they are logged, and what follows from them.
pub fn facts_and_derived(orders: impl IntoIterator<Item = impl ToString>, map: &ShardMap) -> Vec<FramePart> {
    let mut parts = facts(orders, map);
    parts.extend(derived(&parts, map));
    parts
}

/// Derives for the usual view, and routes by a map.
pub fn deriver(map: &ShardMap) -> Deriver {
    Deriver::new(seller_view(), Arc::new(map.clone()))
}

fn seller_view() -> ViewSet {
    SELLER_VIEW.parse().expect("views")
}

/// Reads an order as ingest does, and gives it away.
pub fn with_order<T>(json: &str, map: &ShardMap, take: impl FnOnce(&Order<'_>) -> T) -> T {
    with_order_of(Tenant::none(), json, map, take)
}

/// Reads a tenant's order as ingest does, and gives it away.
pub fn with_order_of<T>(tenant: &Tenant, json: &str, map: &ShardMap, take: impl FnOnce(&Order<'_>) -> T) -> T {
    let parser = OrderParser::new(seller_view(), Currency::DEFAULT, AHEAD_US);
    let draft = parser.parse(json.as_bytes(), Timestamp::now());
    let draft = draft.unwrap_or_else(|rejection| panic!("{rejection}: {json}"));
    take(&draft.settle(tenant, map, Timestamp::now(), 0))
}

/// A new frame.
pub fn frame(lane: Lane, rows: u32, payload: impl Into<Bytes>) -> Frame {
    let (epoch, enqueued_at) = (even_map(1).epoch(), Timestamp::now());
    let (id, payload, claims) = (FrameId::random(), payload.into(), Claims::default());
    Frame { kind: lane.into(), rows, epoch, enqueued_at, id, payload, claims }
}

/// Publishes a frame, and gives where it lies.
pub async fn publish(log: &Log, shard: ShardId, frame: &Frame) -> Position {
    log.publish(shard, frame, Instant::now() + DEADLINE).await.expect("the log takes a frame")
}

/// Publishes a frame as it would be if it were of another format, and gives where it lies.
pub async fn publish_of_format(log: &Log, shard: ShardId, frame: &Frame, format: &str) -> Position {
    let seq = publish_with(log, shard, frame, format, |_, _| {}).await;
    let incarnation = log.stream_state(frame.kind.stream().on(shard)).await.expect("the stream is there").incarnation;
    Position { incarnation, seq }
}

/// Publishes a message with the headers of a frame as `damage` leaves them and the payload, once their checksum is made. Gives
/// its sequence number.
pub async fn publish_damaged(
    log: &Log,
    shard: ShardId,
    frame: &Frame,
    damage: impl FnOnce(&mut HeaderMap, &mut Vec<u8>),
) -> u64 {
    publish_with(log, shard, frame, frame.kind.format(), damage).await
}

async fn publish_with(
    log: &Log,
    shard: ShardId,
    frame: &Frame,
    format: &str,
    damage: impl FnOnce(&mut HeaderMap, &mut Vec<u8>),
) -> u64 {
    let (rows, epoch) = (frame.rows.to_string(), frame.epoch.0.to_string());
    let time = frame.enqueued_at.unix_us().to_string();
    let all = [
        ("Forebay-Format", format),
        ("Forebay-Rows", &rows),
        ("Forebay-Epoch", &epoch),
        ("Forebay-Time", &time),
        ("Nats-Msg-Id", frame.id.as_str()),
    ];
    let (mut headers, mut payload) = (HeaderMap::new(), frame.payload.to_vec());
    for (name, value) in all {
        headers.insert(name, value);
    }
    headers.insert(FRAME_SUM, frame_sum(all, &payload));
    damage(&mut headers, &mut payload);
    let client = async_nats::connect(&log.settings().url).await.expect("the server of the tests answers");
    let subject = log.settings().name.subject(frame.kind, shard);
    // The acknowledgement comes by the client, which must live until then.
    let jetstream = async_nats::jetstream::new(client);
    let sent = jetstream.publish_with_headers(subject, headers, payload.into()).await;
    sent.expect("a message can be sent").await.expect("the log takes it").sequence
}

/// The rows of a lane that lie in the log of an even map: for each order id how often. Every row is read, and counted.
pub async fn order_ids(log: &Log, lane: Lane, shards: usize) -> BTreeMap<String, usize> {
    let mut ids = BTreeMap::new();
    for stream in even_map(shards).shards().map(|shard| lane.on(shard)) {
        let last = log.stream_state(stream).await.expect("the stream is there").last_seq;
        for seq in 1..=last {
            let stored = log.frame(stream, seq).await.expect("the log can be read").expect("nothing is trimmed");
            let frame = stored.expect("nothing is damaged").frame.expect("a frame");
            if frame.kind.lane() != Some(lane) {
                continue;
            }
            let tuples: Vec<_> = Tuples::new(lane, &frame.payload).collect::<Result<_, _>>().expect("whole tuples");
            assert_eq!(tuples.len(), frame.rows as usize);
            for tuple in tuples {
                let id = String::from_utf8(tuple.named("order_id").expect("every lane has order ids").to_vec())
                    .expect("ids are text");
                *ids.entry(id).or_default() += 1;
            }
        }
    }
    ids
}
