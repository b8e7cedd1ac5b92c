//! What ingest and writer do, step by step as a test wants it: orders are logged, and later committed.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::{Frame, FrameId, Log, Notice};
use forebay_model::fact::FramePart;
use forebay_model::{
    Facts, Lane, OrderId, OrderParser, Position, Receipt, ShardId, ShardMap, StreamId, Timestamp, Touched, ViewSet,
};
use forebay_shard::{IndexedFrame, LaneSettings, LaneStore, LogFrame, ShardAddresses};
use serde_json::Value;
use tokio::time::Instant;

const VIEWS: &str = "seller=items[].seller_id,warehouse=warehouse_id";

pub(crate) struct Writing {
    log: Log,
    pub(crate) map: ShardMap,
    lanes: BTreeMap<StreamId, WrittenLane>,
    random: u64,
}

struct WrittenLane {
    store: LaneStore,
    position: Position,
    logged: Vec<IndexedFrame>,
}

impl Writing {
    pub(crate) async fn new(log: Log, urls: &[String], map: ShardMap) -> Self {
        let mut lanes = BTreeMap::new();
        for (shard, url) in (0..).map(ShardId).zip(urls) {
            let addresses: ShardAddresses = url.parse().unwrap();
            for lane in Lane::ALL {
                let incarnation = log.stream_state(lane.on(shard)).await.unwrap().incarnation;
                let mut store = LaneStore::open(&addresses, lane, LaneSettings::default()).await.unwrap();
                let position = Position { incarnation, seq: 0 };
                store.begin_at(position).await.unwrap();
                lanes.insert(lane.on(shard), WrittenLane { store, position, logged: Vec::new() });
            }
        }
        Self { log, map, lanes, random: 0 }
    }

    /// Logs orders as ingest does. Gives their ids and the receipt.
    pub(crate) async fn log(&mut self, orders: &[Value]) -> (Vec<OrderId>, Receipt) {
        let (facts, ids) = self.facts(orders);
        let mut receipt = Receipt::default();
        for part in facts.into_parts() {
            let stream = part.stream;
            receipt.note(stream, self.publish(part).await);
        }
        (ids, receipt)
    }

    /// Writes the facts of one lane only, as an ingest that got no further.
    pub(crate) async fn write_lane(&mut self, orders: &[Value], lane: Lane) {
        let (facts, _) = self.facts(orders);
        for part in facts.into_parts().into_iter().filter(|part| part.stream.lane == lane) {
            self.publish(part).await;
        }
        self.commit().await;
    }

    /// Writes those facts of orders that belong to one shard to another.
    pub(crate) async fn copy(&mut self, orders: &[Value], lane: Lane, from: ShardId, to: ShardId) {
        let (facts, _) = self.facts(orders);
        for part in facts.into_parts() {
            if part.stream == lane.on(from) {
                self.publish(FramePart { stream: lane.on(to), ..part }).await;
            }
        }
        self.commit().await;
    }

    fn facts(&mut self, orders: &[Value]) -> (Facts, Vec<OrderId>) {
        let texts: Vec<String> = orders.iter().map(Value::to_string).collect();
        self.facts_of_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn facts_of_texts(&mut self, texts: &[&str]) -> (Facts, Vec<OrderId>) {
        let parser = OrderParser::new(Self::views(), 86_400_000_000);
        let mut facts = Facts::default();
        let mut ids = Vec::new();
        for text in texts {
            let draft = parser.parse(text.as_bytes(), Timestamp::now());
            let draft = draft.unwrap_or_else(|rejection| panic!("{rejection}: {text}"));
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let order = draft.settle(&self.map, Timestamp::now(), self.random);
            facts.add(&order, &self.map);
            ids.push(order.order_id.clone());
        }
        (facts, ids)
    }

    async fn publish(&mut self, part: FramePart) -> Position {
        let FramePart { stream, rows, tuples } = part;
        let payload = Bytes::from(tuples);
        let (id, epoch, enqueued_at) = (FrameId::random(), self.map.epoch(), Timestamp::now());
        let frame = Frame { lane: stream.lane, rows, epoch, enqueued_at, id: id.clone(), payload: payload.clone() };
        let position = self.log.publish(stream.shard, &frame, Instant::now() + Duration::from_secs(10)).await.unwrap();
        let id = id.as_str().to_owned();
        let logged =
            LogFrame { seq: position.seq, id, epoch, enqueued_at: Some(enqueued_at), rows, payload, fault: None };
        self.lanes.get_mut(&stream).unwrap().logged.push(logged.indexed(stream.lane));
        position
    }

    /// Commits what is logged in one lane of one shard, and gives notice where a test wants it.
    pub(crate) async fn commit_lane(&mut self, stream: StreamId, with_notice: bool) {
        let written = self.lanes.get_mut(&stream).unwrap();
        let before = written.position;
        let frames = std::mem::take(&mut written.logged);
        let mut rest = frames.as_slice();
        while !rest.is_empty() {
            let committed = written.store.commit(rest, written.position).await.unwrap();
            written.position = committed.position;
            rest = &rest[committed.frames..];
        }
        if with_notice && written.position != before {
            let (after, committed_at) = (written.position, Timestamp::now());
            let touched = Touched::by(frames.iter().map(IndexedFrame::tuples));
            let notice = Notice { stream, before, after, committed_at, touched };
            self.log.publish_notice(&notice).await.unwrap();
        }
    }

    /// Gives a sign of life of every lane, as a writer does every second.
    pub(crate) async fn beat(&self) {
        for (&stream, written) in &self.lanes {
            let notice = Notice::heartbeat(stream, written.position, Timestamp::now());
            self.log.publish_notice(&notice).await.unwrap();
        }
    }

    /// How far a lane of a shard is committed.
    pub(crate) fn position(&self, stream: StreamId) -> Position {
        self.lanes[&stream].position
    }

    /// Commits everything that is logged.
    pub(crate) async fn commit(&mut self) {
        for stream in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.commit_lane(stream, true).await;
        }
    }

    /// Logs and commits orders.
    pub(crate) async fn write(&mut self, orders: &[Value]) -> (Vec<OrderId>, Receipt) {
        let logged = self.log(orders).await;
        self.commit().await;
        logged
    }

    /// Logs and commits orders as they were written by hand.
    pub(crate) async fn write_texts(&mut self, texts: &[&str]) {
        let (facts, _) = self.facts_of_texts(texts);
        for part in facts.into_parts() {
            self.publish(part).await;
        }
        self.commit().await;
    }

    /// The views that orders are written with.
    pub(crate) fn views() -> ViewSet {
        VIEWS.parse().unwrap()
    }

    /// Goes on at another server of the only shard, behind what that one has.
    pub(crate) async fn go_on_at(&mut self, url: &str) {
        for (stream, written) in &mut self.lanes {
            written.store = LaneStore::open(&url.parse().unwrap(), stream.lane, LaneSettings::default()).await.unwrap();
            written.position = written.store.position().await.unwrap().unwrap().position;
        }
    }

    /// The shard that a customer's orders go to.
    pub(crate) fn shard_of(&self, customer: &str) -> ShardId {
        let customer = forebay_model::CustomerId::new(customer).unwrap();
        self.map.write_shard(self.map.bucket_of(&customer))
    }

    /// A customer of that shard.
    pub(crate) fn customer_of(&self, shard: ShardId) -> String {
        (0..1000).map(|n| format!("C{n}")).find(|customer| self.shard_of(customer) == shard).unwrap()
    }
}
