//! Three shards, a writer and a query service in this process, and orders that are logged by any map.

use clap::Parser;
use forebay_log::{Frame, Log, LogSettings};
use forebay_model::ownership::Unit;
use forebay_model::{
    Accepted, Bucket, Claimant, Currency, CustomerId, Facts, OrderParser, Receipt, RequestId, ShardId, ShardMap,
    StreamKind, Tenant, Timestamp,
};
use forebay_shard::{PoolSettings, ShardPool};
use forebay_testkit::log::{STREAM_BYTES_MAX, even_map, publish, settings, start};
use forebay_testkit::service::Served;
use forebay_testkit::{Databases, eventually};
use serde_json::json;

use super::ledger::Known;
use crate::scene::start_query;

pub(super) const A: ShardId = ShardId(0);
pub(super) const CUSTOMERS: u64 = 24;
pub(super) const SELLERS: u64 = 9;

pub(super) struct Scene {
    pub(super) shards: Databases,
    pub(super) log: Log,
    pub(super) pools: Vec<ShardPool>,
    pub(super) first: ShardMap,
    pub(super) query: Served,
    pub(super) writer: Served,
}

impl Scene {
    pub(super) async fn start(name: &str, flags: &[&str]) -> Self {
        let (first, shards) = (even_map(3), Databases::new(name, 3).await);
        let log = start(settings(name).await, &first).await;
        let LogSettings { url, name: prefix, .. } = log.settings();
        let (urls, bytes_max) = (shards.urls.join(","), STREAM_BYTES_MAX.to_string());
        let args = ["forebay-writer", "--nats", url, "--log-prefix", prefix.as_str(), "--stream-bytes-max", &bytes_max];
        // The test moves the units.
        let args = args.into_iter().chain(["--shards", &urls, "--moves-at-once", "0"]);
        let settings = forebay_writer::Settings::try_parse_from(args).unwrap();
        let writer =
            Served::start(&settings.service, |service| forebay_writer::start(&settings, service).unwrap()).await;
        writer.ready_without(&[]).await;
        let pool = |(shard, url): (u16, &String)| {
            ShardPool::new(ShardId(shard), &url.parse().unwrap(), &PoolSettings::default())
        };
        let pools = (0..).zip(&shards.urls).map(pool).collect();
        let query = start_query(&log, &shards.urls, flags).await;
        Self { shards, log, pools, first, query, writer }
    }

    /// Logs orders by a map, each a request of its own. Gives them with their receipts.
    pub(super) async fn log(&self, map: &ShardMap, numbers: impl Iterator<Item = u64>) -> Vec<Known> {
        let parser = OrderParser::new("seller=items[].seller_id".parse().unwrap(), Currency::DEFAULT, 86_400_000_000);
        let (mut facts, mut known) = (Facts::default(), Vec::new());
        for number in numbers {
            let random = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let request = RequestId::new(Timestamp::now(), random);
            facts.set_claimant(Some(Claimant { request, letter: None }));
            let mut order = json!({
                "customer_id": format!("C{}", number % CUSTOMERS), "timestamp": format!("2025-06-{:02}T12:30:00Z", number % 28 + 1),
                "items": [{"sku": "A", "quantity": 1, "price": 100, "seller_id": format!("S{}", number % SELLERS)}]
            });
            // Every third has an id that says where it is.
            if !number.is_multiple_of(3) {
                order["order_id"] = format!("ORD{number}").into();
            }
            let text = order.to_string();
            let order = parser.parse(text.as_bytes(), Timestamp::now()).unwrap();
            let order = order.settle(Tenant::none(), map, Timestamp::now(), random);
            facts.add(&order, map);
            let receipt = Receipt::default().of(Accepted { request, pieces: 1, orders: 1 });
            known.push(Known::new(number, order.order_id.as_str(), receipt));
        }
        for part in facts.into_parts() {
            let stream = part.lane.on(part.shard);
            let frame = Frame {
                claims: part.claims.clone(),
                ..Frame::new(part.lane, part.rows, map.epoch(), part.tuples.into())
            };
            let position = publish(&self.log, part.shard, &frame).await;
            for known in &mut known {
                let request = known.receipt.accepted().unwrap().request;
                if part.claims.iter().any(|claim| claim.of.request == request) {
                    known.receipt.note(stream, position);
                }
            }
        }
        known
    }

    /// Waits until all of it is stored, and what follows.
    pub(super) async fn is_stored(&self, orders: usize) {
        for table in ["orders", "order_index", "order_views"] {
            // Ids that say where their orders are have no entry.
            let expected = if table == "order_index" { orders - orders.div_ceil(3) } else { orders };
            eventually(&format!("{table} of {orders} orders"), async || {
                let now = self.shards.sum(&format!("select count(*) from {table}")).await;
                (now == expected as u64, now)
            })
            .await;
        }
    }

    /// The units of a shard that any of the orders are of.
    pub(super) fn units(&self, shard: ShardId, orders: u64) -> Vec<Unit> {
        let customer = |number| self.first.bucket_of(Tenant::none(), &CustomerId::new(format!("C{number}")).unwrap());
        let key = |key: String| Bucket::of_key(Tenant::none(), &key);
        let logged = (0..CUSTOMERS).map(customer).map(|bucket| Unit::of(StreamKind::Logged, bucket));
        let sellers = (0..SELLERS).map(|number| key(format!("S{number}")));
        let ids = (0..orders).map(|number| key(format!("ORD{number}"))).take(30);
        let derived = sellers.chain(ids).map(|bucket| Unit::of(StreamKind::Derived, bucket));
        let mut units: Vec<Unit> =
            logged.chain(derived).filter(|unit| self.first.shard(unit.stream(), unit.bucket()) == shard).collect();
        units.sort();
        units.dedup();
        units
    }

    pub(super) async fn stop(self) {
        self.query.stop().await;
        self.writer.stop().await;
    }
}
