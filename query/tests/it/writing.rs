//! What ingest and writer do, step by step as a test wants it: orders are logged, committed, and what follows from them is derived
//! and committed in its turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_log::{Frame, Log, Notice};
use forebay_model::fact::FramePart;
use forebay_model::tuple::Tuples;
use forebay_model::{
    Accepted, Claimant, Currency, DerivedThrough, Deriver, Facts, Lane, OrderId, OrderParser, Position, Receipt,
    RequestId, ShardId, ShardMap, StoredOrder, StreamId, StreamKind, Tenant, Timestamp, Touched, ViewSet,
};
use forebay_shard::{
    Derived, DerivedNote, IndexedFrame, LogFrame, Published, SentOn, ShardAddresses, StoreSettings, StreamStore,
};
use serde_json::Value;
use tokio::time::Instant;

const VIEWS: &str = "seller=items[].seller_id,warehouse=warehouse_id";

pub(crate) struct Writing {
    log: Log,
    pub(crate) map: ShardMap,
    streams: BTreeMap<StreamId, Written>,
    /// By source and target.
    derivations: BTreeMap<(ShardId, ShardId), Derivation>,
    random: u64,
    /// Whose orders they are.
    pub(crate) tenant: Tenant,
}

struct Written {
    store: StreamStore,
    position: Position,
    logged: Vec<IndexedFrame>,
}

/// What a source derives for a target.
struct Derivation {
    note: Derived,
    /// What follows from what is committed, and is not published.
    pending: Vec<FramePart>,
    owed_since: Option<Timestamp>,
}

/// Where the last facts of a lane lie on a shard.
pub(crate) type Places = BTreeMap<(Lane, ShardId), Position>;

impl Writing {
    pub(crate) async fn new(log: Log, urls: &[String], map: ShardMap) -> Self {
        let (mut streams, mut derivations) = (BTreeMap::new(), BTreeMap::new());
        let shards: Vec<ShardId> = (0..urls.len() as u16).map(ShardId).collect();
        for (&shard, url) in shards.iter().zip(urls) {
            let addresses: ShardAddresses = url.parse().unwrap();
            for stream in StreamId::all_of(shard) {
                let incarnation = log.stream_state(stream).await.unwrap().incarnation;
                let mut store = StreamStore::open(&addresses, stream, StoreSettings::default()).await.unwrap();
                let position = Position { incarnation, seq: 0 };
                store.begin_at(position, None).await.unwrap();
                streams.insert(stream, Written { store, position, logged: Vec::new() });
            }
        }
        for &source in &shards {
            let Written { store, position, .. } = streams.get_mut(&StreamKind::Logged.on(source)).unwrap();
            let mut first = Vec::new();
            for &target in &shards {
                let incarnation = log.stream_state(StreamKind::Derived.on(target)).await.unwrap().incarnation;
                let published = Published { position: Position { incarnation, seq: 0 }, frame_id: String::new() };
                first.push(Derived { target, through: *position, published });
            }
            for note in store.begin_derived(&first).await.unwrap() {
                derivations.insert((source, note.target), Derivation { note, pending: Vec::new(), owed_since: None });
            }
        }
        Self { log, map, streams, derivations, random: 0, tenant: Tenant::default() }
    }

    /// Logs orders as ingest does. Gives their ids and the receipt.
    pub(crate) async fn log(&mut self, orders: &[Value]) -> (Vec<OrderId>, Receipt) {
        let (ids, mut receipts) = self.log_together(&[orders]).await;
        (ids, receipts.remove(0))
    }

    /// Logs the orders of several requests in shared frames. Gives a receipt for each.
    pub(crate) async fn log_together(&mut self, requests: &[&[Value]]) -> (Vec<OrderId>, Vec<Receipt>) {
        let now = Timestamp::now();
        let (mut facts, mut ids, mut receipts) = (Facts::default(), Vec::new(), Vec::new());
        for &orders in requests {
            self.random = self.random.wrapping_add(1);
            let request = RequestId::new(now, self.random << 40);
            facts.set_claimant(Some(Claimant { request, letter: None }));
            let texts: Vec<String> = orders.iter().map(Value::to_string).collect();
            self.add(&texts.iter().map(String::as_str).collect::<Vec<_>>(), &mut facts, &mut ids);
            receipts.push(Receipt::default().of(Accepted { request, pieces: 1, orders: orders.len() as u64 }));
        }
        for part in facts.into_parts() {
            let (stream, claims) = (part.lane.on(part.shard), part.claims.clone());
            let position = self.publish(part).await.0;
            for receipt in &mut receipts {
                let request = receipt.accepted().unwrap().request;
                if claims.iter().any(|claim| claim.of.request == request) {
                    receipt.note(stream, position);
                }
            }
        }
        (ids, receipts)
    }

    /// Writes the facts of a derived lane that follow from orders which nobody has logged.
    pub(crate) async fn write_derived(&mut self, orders: &[Value], lane: Lane) {
        let (facts, _) = self.facts(orders);
        for part in self.derived(&facts).into_iter().filter(|part| part.lane == lane) {
            self.publish(part).await;
        }
        self.commit().await;
    }

    fn facts(&mut self, orders: &[Value]) -> (Vec<FramePart>, Vec<OrderId>) {
        let texts: Vec<String> = orders.iter().map(Value::to_string).collect();
        self.facts_of_texts(&texts.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn facts_of_texts(&mut self, texts: &[&str]) -> (Vec<FramePart>, Vec<OrderId>) {
        let (mut facts, mut ids) = (Facts::default(), Vec::new());
        self.add(texts, &mut facts, &mut ids);
        (facts.into_parts(), ids)
    }

    fn add(&mut self, texts: &[&str], facts: &mut Facts, ids: &mut Vec<OrderId>) {
        let parser = OrderParser::new(Self::views(), Currency::DEFAULT, 86_400_000_000);
        for text in texts {
            let draft = parser.parse(text.as_bytes(), Timestamp::now());
            let draft = draft.unwrap_or_else(|rejection| panic!("{rejection}: {text}"));
            self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let order = draft.settle(&self.tenant, &self.map, Timestamp::now(), self.random);
            facts.add(&order, &self.map);
            ids.push(order.order_id.clone());
        }
    }

    /// What follows from orders.
    fn derived(&self, orders: &[FramePart]) -> Vec<FramePart> {
        self.follow(orders.iter().map(|part| (part.tuples.as_slice(), &[][..])))
    }

    /// What follows from the orders of payloads, each without the rows that are named.
    fn follow<'a>(&self, payloads: impl Iterator<Item = (&'a [u8], &'a [usize])>) -> Vec<FramePart> {
        let deriver = Deriver::new(Self::views(), Arc::new(self.map.clone()));
        let mut facts = Facts::default();
        for (payload, without) in payloads {
            for (row, tuple) in Tuples::new(Lane::Orders, payload).enumerate() {
                if !without.contains(&row) {
                    deriver.derive(&StoredOrder::of(&tuple.unwrap()), &mut facts);
                }
            }
        }
        facts.into_parts()
    }

    async fn publish(&mut self, part: FramePart) -> (Position, String) {
        let FramePart { lane, shard, rows, tuples, claims } = part;
        let payload = Bytes::from(tuples);
        let frame = Frame { claims: claims.clone(), ..Frame::new(lane, rows, self.map.epoch(), payload.clone()) };
        let position = self.log.publish(shard, &frame, Instant::now() + Duration::from_secs(10)).await.unwrap();
        let id = frame.id.as_str().to_owned();
        let (seq, epoch, enqueued_at) = (position.seq, frame.epoch, Some(frame.enqueued_at));
        let logged = LogFrame { seq, id: id.clone(), epoch, enqueued_at, rows, payload, claims, fault: None };
        self.streams.get_mut(&lane.on(shard)).unwrap().logged.push(logged.indexed(lane));
        (position, id)
    }

    /// Commits what is in one stream, and gives notice where a test wants it. What follows from it is not published yet.
    pub(crate) async fn commit_stream(&mut self, stream: StreamId, with_notice: bool) {
        let written = self.streams.get_mut(&stream).unwrap();
        let before = written.position;
        let frames = std::mem::take(&mut written.logged);
        let mut dead: BTreeMap<u64, BTreeSet<usize>> = BTreeMap::new();
        let mut rest = frames.as_slice();
        while !rest.is_empty() {
            let committed = written.store.commit(rest, written.position, &[], &SentOn::new()).await.unwrap();
            for rows in committed.dead_rows {
                dead.entry(rows.seq).or_default().extend((rows.row..rows.row + rows.rows).map(|row| row as usize));
            }
            written.position = committed.position;
            rest = &rest[committed.frames..];
        }
        if with_notice && written.position != before {
            let (after, committed_at) = (written.position, Timestamp::now());
            let touched = Touched::by(frames.iter().map(|frame| (frame.lane(), frame.tuples())));
            let notice = Notice { stream, before, after, committed_at, touched, derived: Vec::new() };
            self.log.publish_notice(&notice).await.unwrap();
        }
        if stream.kind == StreamKind::Logged {
            let dead_of = |seq| dead.get(&seq).into_iter().flatten().copied().collect::<Vec<_>>();
            let payloads: Vec<_> =
                frames.iter().map(|frame| (frame.frame().payload.clone(), dead_of(frame.frame().seq))).collect();
            for part in self.follow(payloads.iter().map(|(payload, dead)| (&payload[..], &dead[..]))) {
                self.derivations.get_mut(&(stream.shard, part.shard)).unwrap().pending.push(part);
            }
        }
    }

    /// Publishes what follows from what a shard has committed, but to targets that are owed it, and notes that. Gives where it lies.
    pub(crate) async fn derive(&mut self, source: ShardId, with_notice: bool) -> Places {
        let stream = StreamKind::Logged.on(source);
        let at = self.position(stream);
        let (mut places, mut notes) = (Places::new(), Vec::new());
        for target in self.map.clone().shards() {
            let derivation = self.derivations.get_mut(&(source, target)).unwrap();
            if derivation.owed_since.is_some() {
                continue;
            }
            let before = derivation.note.clone();
            let mut after = Derived { through: at, ..before.clone() };
            for part in std::mem::take(&mut derivation.pending) {
                let lane = part.lane;
                let (position, frame_id) = self.publish(part).await;
                places.insert((lane, target), position);
                after.published = Published { position, frame_id };
            }
            if after != before {
                self.derivations.get_mut(&(source, target)).unwrap().note = after.clone();
                notes.push(DerivedNote { before, after });
            }
        }
        self.streams.get_mut(&stream).unwrap().store.note_derived(at, &notes).await.unwrap();
        if with_notice {
            let targets: Vec<_> = notes.iter().map(|note| note.after.target).collect();
            let mut derived = self.told(source);
            derived.retain(|derived| targets.contains(&derived.target));
            let notice = Notice { derived, ..Notice::heartbeat(stream, at, Timestamp::now()) };
            self.log.publish_notice(&notice).await.unwrap();
        }
        places
    }

    /// What a source's notices tell of every target.
    fn told(&self, source: ShardId) -> Vec<DerivedThrough> {
        let of_source = self.derivations.range((source, ShardId(0))..=(source, ShardId(u16::MAX)));
        let told = |Derivation { note, owed_since, .. }: &Derivation| DerivedThrough {
            target: note.target,
            through: note.through,
            published: note.published.position,
            owed_since: *owed_since,
        };
        of_source.map(|(_, derivation)| told(derivation)).collect()
    }

    /// From now on a target is owed what follows from a shard's orders, or not any more.
    pub(crate) fn owe(&mut self, source: ShardId, target: ShardId, since: Option<Timestamp>) {
        self.derivations.get_mut(&(source, target)).unwrap().owed_since = since;
    }

    /// Gives a sign of life of every stream, as a writer does every second.
    pub(crate) async fn beat(&self) {
        // Those of logged streams come last: who has heard them has heard all.
        for (&stream, written) in self.streams.iter().rev() {
            let derived = if stream.kind == StreamKind::Logged { self.told(stream.shard) } else { Vec::new() };
            let notice = Notice { derived, ..Notice::heartbeat(stream, written.position, Timestamp::now()) };
            self.log.publish_notice(&notice).await.unwrap();
        }
    }

    /// How far a stream is committed.
    pub(crate) fn position(&self, stream: StreamId) -> Position {
        self.streams[&stream].position
    }

    /// Commits everything that is logged, and derives and commits everything that follows.
    pub(crate) async fn commit(&mut self) {
        self.commit_with(true).await;
    }

    /// The same, with notices or without.
    pub(crate) async fn commit_with(&mut self, with_notice: bool) {
        self.commit_kind(StreamKind::Logged, with_notice).await;
        self.derive_all(with_notice).await;
        self.commit_kind(StreamKind::Derived, with_notice).await;
    }

    /// Commits what is in the streams of one kind.
    pub(crate) async fn commit_kind(&mut self, kind: StreamKind, with_notice: bool) {
        for shard in self.map.clone().shards() {
            self.commit_stream(kind.on(shard), with_notice).await;
        }
    }

    /// Publishes whatever follows from what is committed.
    pub(crate) async fn derive_all(&mut self, with_notice: bool) {
        for source in self.map.clone().shards() {
            self.derive(source, with_notice).await;
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
        for part in facts {
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
        for (stream, written) in &mut self.streams {
            written.store = StreamStore::open(&url.parse().unwrap(), *stream, StoreSettings::default()).await.unwrap();
            written.position = written.store.position().await.unwrap().unwrap().position;
        }
    }

    /// The shard that a customer's orders go to.
    pub(crate) fn shard_of(&self, customer: &str) -> ShardId {
        let customer = forebay_model::CustomerId::new(customer).unwrap();
        self.map.shard(StreamKind::Logged, self.map.bucket_of(Tenant::none(), &customer))
    }

    /// A customer of that shard.
    pub(crate) fn customer_of(&self, shard: ShardId) -> String {
        (0..1000).map(|n| format!("C{n}")).find(|customer| self.shard_of(customer) == shard).unwrap()
    }
}
