//! No stale answer: every answer holds everything that was committed before its position, whatever happens to notices
//! and to Redis.
//!
//! The test commits itself, so it knows at which position each order lies. It drops notices at random (which is also what a
//! writer does that dies between COMMIT and notice), empties Redis, and puts back entries of older positions. Each run says
//! its seed; `FOREBAY_TRIAL_SEED` repeats one, and `FOREBAY_TRIAL_S` makes it longer.

use std::time::{Duration, Instant};

use forebay_model::{Lane, Position, Receipt, ShardId, StreamKind, Timestamp};
use forebay_testkit::service::Served;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use redis::AsyncCommands;
use serde_json::{Value, json};

use crate::caching::cache::names_in_redis;
use crate::scene::{SHARDS, Scene, order_ids, start_query};
use crate::writing::Places;

const CUSTOMERS: usize = 6;
const SELLERS: usize = 3;
const HOURS: usize = 4;
/// After this number of orders others come of other customers, on another day: no list is longer than a page.
const ERA: usize = 900;
/// So few that each way of an answer comes up, however slow the machine is.
const READS_MIN: usize = 400;

/// An order that was committed, and where.
struct Committed {
    id: String,
    era: usize,
    customer: usize,
    seller: usize,
    hour: usize,
    at: Receipt,
    /// Where what follows from it lies, once that is derived.
    derived: Option<Places>,
}

/// Which orders belong to an answer.
type Wanted = Box<dyn Fn(&Committed) -> bool>;

struct Trial {
    scene: Scene,
    other: Served,
    random: StdRng,
    redis: redis::aio::MultiplexedConnection,
    committed: Vec<Committed>,
    /// Entries that were in Redis once.
    old: Vec<(String, Vec<u8>)>,
    reads: usize,
}

fn setting<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test]
async fn every_answer_holds_what_was_committed_before_its_position() {
    let seed = setting("FOREBAY_TRIAL_SEED", rand::random());
    println!("FOREBAY_TRIAL_SEED={seed}");
    let url = forebay_stack::shared().await.redis_url();
    let flags = ["--redis", url.as_str()];
    let mut scene = Scene::start_with("stale", &flags, |map| map).await;
    let other = start_query(&scene.log, &scene.shards.urls, &flags).await;
    // Every stream has a position from the beginning.
    scene.writing.commit().await;
    let redis = redis::Client::open(url.as_str()).unwrap().get_multiplexed_async_connection().await.unwrap();
    let random = StdRng::seed_from_u64(seed);
    let mut trial = Trial { scene, other, random, redis, committed: Vec::new(), old: Vec::new(), reads: 0 };
    let end = Instant::now() + Duration::from_secs(setting("FOREBAY_TRIAL_S", 6));
    while Instant::now() < end || trial.reads < READS_MIN {
        trial.step().await;
    }
    let figures = trial.scene.get("/v1/stats").await.ok()["cache"].clone();
    println!("{} orders, {} reads, of one process {figures}", trial.committed.len(), trial.reads);
    assert!(["l1", "redis", "misses"].iter().all(|from| figures[from].as_u64().unwrap() > 0), "{figures}");
}

impl Trial {
    async fn step(&mut self) {
        match self.random.random_range(0..100) {
            0..12 => self.commit().await,
            12..22 => self.scene.writing.beat().await,
            22..25 => self.remember().await,
            25..28 => self.put_back().await,
            28..29 => self.empty_redis().await,
            _ => self.read().await,
        }
    }

    /// Commits some orders, and what follows from them, or leaves that for later, as the writers do; some notices are lost.
    async fn commit(&mut self) {
        for _ in 0..self.random.random_range(1..4) {
            let (customer, seller) = (self.random.random_range(0..CUSTOMERS), self.random.random_range(0..SELLERS));
            let (hour, id) = (self.random.random_range(0..HOURS), format!("X{}", self.committed.len()));
            let era = self.era();
            let order = json!({
                "order_id": id, "customer_id": format!("C{era}-{customer}"), "timestamp": hour_of(era, hour),
                "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": format!("S{era}-{seller}")}]
            });
            let (_, at) = self.scene.writing.log(&[order]).await;
            self.committed.push(Committed { id, era, customer, seller, hour, at, derived: None });
        }
        self.commit_streams(StreamKind::Logged).await;
        for shard in (0..SHARDS).map(ShardId) {
            if self.random.random_bool(0.8) {
                self.derive(shard).await;
            }
        }
        self.commit_streams(StreamKind::Derived).await;
    }

    async fn commit_streams(&mut self, kind: StreamKind) {
        for shard in (0..SHARDS).map(ShardId) {
            let with_notice = self.random.random_bool(0.7);
            self.scene.writing.commit_stream(kind.on(shard), with_notice).await;
        }
    }

    async fn derive(&mut self, source: ShardId) {
        let with_notice = self.random.random_bool(0.7);
        let places = self.scene.writing.derive(source, with_notice).await;
        let is_of = |order: &Committed| order.at.position(StreamKind::Logged.on(source)).is_some();
        for order in self.committed.iter_mut().filter(|order| order.derived.is_none() && is_of(order)) {
            order.derived = Some(places.clone());
        }
    }

    /// Derives whatever is left, and gives a receipt of all orders.
    async fn everything(&mut self) -> Receipt {
        for shard in (0..SHARDS).map(ShardId) {
            self.derive(shard).await;
        }
        self.commit_streams(StreamKind::Derived).await;
        let mut receipt = Receipt::default();
        for stream in (0..SHARDS).map(|shard| StreamKind::Logged.on(ShardId(shard))) {
            receipt.note(stream, self.scene.writing.position(stream));
        }
        receipt
    }

    async fn remember(&mut self) {
        if let Some(name) = names_in_redis(&self.scene).await.choose(&mut self.random) {
            let value: Option<Vec<u8>> = self.redis.get(name).await.unwrap();
            self.old.extend(value.map(|value| (name.clone(), value)));
        }
    }

    async fn put_back(&mut self) {
        if let Some((name, value)) = self.old.choose(&mut self.random) {
            let _: () = self.redis.set(name, value).await.unwrap();
        }
    }

    async fn empty_redis(&mut self) {
        for name in names_in_redis(&self.scene).await {
            let _: () = self.redis.del(name).await.unwrap();
        }
    }

    /// Reads something, mostly as it is and now and then with a receipt of everything, and checks the answer.
    async fn read(&mut self) {
        self.reads += 1;
        let (customer, seller) = (self.random.random_range(0..CUSTOMERS), self.random.random_range(0..SELLERS));
        let (hour, era) = (self.random.random_range(0..HOURS), self.era());
        let hours = format!("from={}&to={}", hour_of(era, hour), hour_of(era, hour + 1));
        let (path, lane, wanted): (_, _, Wanted) = match self.random.random_range(0..10) {
            0..5 => (
                format!("/v1/customers/C{era}-{customer}/orders?limit=1000"),
                Lane::Orders,
                Box::new(move |o| o.customer == customer),
            ),
            5..7 => (
                format!("/v1/sellers/S{era}-{seller}/orders?limit=1000"),
                Lane::Views,
                Box::new(move |o| o.seller == seller),
            ),
            7..9 => (format!("/v1/orders?limit=1000&{hours}"), Lane::Orders, Box::new(move |o| o.hour == hour)),
            _ => return self.read_one().await,
        };
        let has_receipt = self.random.random_bool(0.1);
        let path = if has_receipt { format!("{path}&after={}", self.everything().await) } else { path };
        let query = if self.random.random_bool(0.5) { &self.scene.query } else { &self.other };
        let answer = query.get(&path).await;
        let (from, position) =
            (answer.header("forebay-cache").to_owned(), answer.header("forebay-position").to_owned());
        let body = answer.ok();
        let ids = order_ids(&body);
        let at: Receipt = position.parse().unwrap();
        for order in self.committed.iter().filter(|order| order.era == era && wanted(order)) {
            let is_before = has_receipt || covers(&at, order, lane);
            let is_there = ids.contains(&order.id.as_str());
            assert!(
                is_there || !is_before,
                "{path} from {from} at {position} does not hold {} of {}",
                order.id,
                order.at
            );
        }
    }

    /// Reads one order by its id, or one that is yet to come.
    async fn read_one(&mut self) {
        let place = self.random.random_range(0..self.committed.len() + 3);
        let id = format!("X{place}");
        let query = if self.random.random_bool(0.5) { &self.scene.query } else { &self.other };
        let answer = query.get(&format!("/v1/orders/{id}")).await;
        let position = answer.header("forebay-position").to_owned();
        if answer.status.is_success() {
            assert_eq!(answer.ok()["order_id"], Value::from(id));
            return;
        }
        answer.problem(404, "not_found");
        let at: Receipt = position.parse().unwrap();
        if let Some(order) = self.committed.get(place) {
            assert!(!covers(&at, order, Lane::Index), "{id} is not found at {position}, it lies at {}", order.at);
        }
    }

    fn era(&self) -> usize {
        self.committed.len() / ERA
    }
}

/// An hour of an era's day.
fn hour_of(era: usize, hour: usize) -> String {
    let first = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
    first.plus_us((era * 24 + hour) as i64 * 3_600_000_000).to_string()
}

/// Whether an answer's positions are behind the place where a lane has the order.
fn covers(answer: &Receipt, order: &Committed, lane: Lane) -> bool {
    let is_behind =
        |stream, place: Position| answer.position(stream).is_some_and(|position: Position| position.covers(place));
    match (lane.kind(), &order.derived) {
        (StreamKind::Logged, _) => order.at.positions().any(|(stream, place)| is_behind(stream, place)),
        (StreamKind::Derived, None) => false,
        // It lies on one of these shards, and an answer is of the right one.
        (StreamKind::Derived, Some(places)) => {
            let mut of_lane = places.iter().filter(|((of, _), _)| *of == lane);
            of_lane.any(|((_, shard), &place)| is_behind(lane.on(*shard), place))
        }
    }
}
