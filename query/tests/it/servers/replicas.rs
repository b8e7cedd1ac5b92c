//! A shard of two servers: a replica takes reads off the primary, and nobody is shown less than they may expect.

use std::time::{Duration, Instant};

use forebay_log::Log;
use forebay_model::Receipt;
use forebay_shard::{ShardAddresses, migrate};
use forebay_stack::{Durability, Server, Stack};
use forebay_testkit::eventually;
use forebay_testkit::log::{even_map, settings_at, start};
use forebay_testkit::service::{Answer, Served};
use serde_json::{Value, json};

use crate::scene::{order_ids, start_query};
use crate::writing::Writing;

const PRIMARY: Server = Server::Postgres(0);
const REPLICA: Server = Server::Replica(0);
const HISTORY: &str = "/v1/customers/C1/orders";
/// More than any test takes.
const ANY_LAG: [&str; 2] = ["--replica-lag-max-ms", "600000"];

/// One shard, which has a primary and a replica.
struct Pair {
    stack: Stack,
    log: Log,
    addresses: String,
    writing: Writing,
    query: Served,
}

/// How many reads each server has answered.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reads {
    primary: u64,
    replica: u64,
}

/// Every read goes to a server.
const NOT_KEPT: [&str; 2] = ["--cache-bytes", "0"];

impl Pair {
    async fn start(flags: &[&str]) -> Self {
        let mut stack = Stack::temporary(1, Durability::Fast).await.unwrap();
        // What was committed must survive the end of the server, though not of the machine, and go to the replica at once.
        stack.sql(0, "alter database forebay set synchronous_commit = on").await.unwrap();
        let primary = stack.postgres_url(0);
        migrate(&primary.parse::<ShardAddresses>().unwrap()).await.unwrap();
        stack.add_replica(0).await.unwrap();
        let addresses = format!("{primary}|{}", stack.replica_url(0));
        let map = even_map(1);
        let log = start(settings_at(stack.nats_url(), "pair"), &map).await;
        let writing = Writing::new(log.clone(), &[primary], map).await;
        let query = start_query(&log, std::slice::from_ref(&addresses), &[&NOT_KEPT, flags].concat()).await;
        Self { stack, log, addresses, writing, query }
    }

    async fn write(&mut self, order_id: &str) -> Receipt {
        let order = json!({
            "order_id": order_id, "customer_id": "C1", "timestamp": "2025-06-30T12:30:00Z",
            "items": [{"sku": "x", "quantity": 1, "price": 5, "seller_id": "S1"}]
        });
        self.writing.write(&[order]).await.1
    }

    async fn reads(&self) -> Reads {
        let metrics = self.query.get("/metrics").await.body;
        let of = |url: String| {
            let server = url.split_once('@').unwrap().1.to_owned();
            let line = format!("forebay_query_server_reads_total{{shard=\"0\",server=\"{server}\"}} ");
            let found = metrics.as_str().unwrap().lines().find_map(|found| found.strip_prefix(&line)?.parse().ok());
            found.unwrap_or_else(|| panic!("no {line} in {metrics}"))
        };
        Reads { primary: of(self.stack.postgres_url(0)), replica: of(self.stack.replica_url(0)) }
    }

    /// Waits until the replica answers, and with these orders.
    async fn replica_answers(&self, path: &str, orders: &[&str]) {
        eventually("the replica answers", async || {
            let before = self.reads().await;
            let answer = self.query.get(path).await.ok();
            let after = self.reads().await;
            let is_so = after.replica > before.replica && after.primary == before.primary;
            (is_so && order_ids(&answer) == orders, format!("{before:?} {after:?} {answer}"))
        })
        .await;
    }

    /// Stops the replica's clock: it gets the log and does not apply it.
    async fn hold_replica(&self) {
        self.stack.replica_sql(0, "select pg_wal_replay_pause()").await.unwrap();
        eventually("the replica stands still", async || {
            let state = self.stack.replica_sql(0, "select pg_get_wal_replay_pause_state()").await.unwrap();
            (state.trim() == "paused", state)
        })
        .await;
    }

    async fn release_replica(&self) {
        self.stack.replica_sql(0, "select pg_wal_replay_resume()").await.unwrap();
    }

    async fn ready(&self) -> Value {
        self.query.get("/readyz").await.body
    }

    /// Waits until `/readyz` has these states of the shard, the first server and the second.
    async fn is_seen(&self, states: [&str; 3]) {
        let of_server = |url: String| format!("shard 0 at {}", url.split_once('@').unwrap().1);
        let names = ["shard 0".to_owned(), of_server(self.stack.postgres_url(0)), of_server(self.stack.replica_url(0))];
        eventually("each server's state is told", async || {
            let ready = self.ready().await;
            let seen = names.each_ref().map(|name| ready["dependencies"][name]["state"].as_str().unwrap_or_default());
            (seen == states, ready.to_string())
        })
        .await;
    }

    async fn after(&self, receipt: &Receipt, wait_ms: u32) -> Answer {
        self.query.get(&format!("{HISTORY}?after={receipt}&wait_ms={wait_ms}")).await
    }
}

#[tokio::test]
async fn a_fresh_replica_answers_in_place_of_the_primary() {
    let mut pair = Pair::start(&[]).await;
    let receipt = pair.write("X1").await;
    for path in [HISTORY, "/v1/orders", "/v1/sellers/S1/orders"] {
        pair.replica_answers(path, &["X1"]).await;
    }
    let before = pair.reads().await;
    for _ in 0..10 {
        assert_eq!(order_ids(&pair.query.get(HISTORY).await.ok()), ["X1"]);
        // It is known to have that.
        assert_eq!(order_ids(&pair.after(&receipt, 0).await.ok()), ["X1"]);
    }
    let after = pair.reads().await;
    assert_eq!((after.primary, after.replica), (before.primary, before.replica + 20));
    // A write that is just made is seen with its receipt at once, wherever it is read.
    for number in 2..30 {
        let receipt = pair.write(&format!("X{number}")).await;
        assert_eq!(pair.after(&receipt, 2000).await.ok()["data"].as_array().unwrap().len(), number);
    }
}

#[tokio::test]
async fn a_replica_that_lags_is_passed_over() {
    let mut pair = Pair::start(&ANY_LAG).await;
    pair.write("X1").await;
    pair.replica_answers(HISTORY, &["X1"]).await;
    pair.hold_replica().await;
    let second = pair.write("X2").await;
    // The notice says that the customer was touched: what the replica has of it is known to be old.
    eventually("the primary answers", async || {
        let answer = pair.query.get(HISTORY).await.ok();
        (order_ids(&answer) == ["X2", "X1"], answer.to_string())
    })
    .await;
    // Who names what the replica has not is sent to the primary, without waiting.
    let before = pair.reads().await;
    assert_eq!(order_ids(&pair.after(&second, 0).await.ok()), ["X2", "X1"]);
    let after = pair.reads().await;
    assert_eq!(after.replica, before.replica);
    // Where it may not be so far behind, the primary answers.
    let strict = ["--replica-lag-max-ms", "100"];
    let strict = start_query(&pair.log, std::slice::from_ref(&pair.addresses), &strict).await;
    eventually("the lag is noticed", async || {
        let answer = strict.get(HISTORY).await.ok();
        (order_ids(&answer) == ["X2", "X1"], answer.to_string())
    })
    .await;
    for _ in 0..20 {
        assert_eq!(order_ids(&strict.get(HISTORY).await.ok()), ["X2", "X1"]);
    }
    pair.release_replica().await;
    pair.replica_answers(HISTORY, &["X2", "X1"]).await;
}

#[tokio::test]
async fn a_replica_that_is_down_or_silent_is_not_missed() {
    let mut pair = Pair::start(&[]).await;
    pair.write("X1").await;
    pair.replica_answers(HISTORY, &["X1"]).await;
    pair.stack.kill(REPLICA).await;
    for _ in 0..5 {
        assert_eq!(order_ids(&pair.query.get(HISTORY).await.ok()), ["X1"]);
    }
    pair.is_seen(["up", "up", "down"]).await;
    pair.stack.restart(REPLICA).await.unwrap();
    pair.replica_answers(HISTORY, &["X1"]).await;
    pair.is_seen(["up", "up", "up"]).await;
    pair.stack.pause(REPLICA);
    // The first read finds it out, and still has time for the primary.
    assert_eq!(order_ids(&pair.query.get(HISTORY).await.ok()), ["X1"]);
    let began = Instant::now();
    for _ in 0..5 {
        assert_eq!(order_ids(&pair.query.get(HISTORY).await.ok()), ["X1"]);
    }
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    pair.stack.resume(REPLICA);
    pair.replica_answers(HISTORY, &["X1"]).await;
}

#[tokio::test]
async fn while_the_primary_is_down_its_replica_answers_and_says_its_position() {
    let mut pair = Pair::start(&[]).await;
    let first = pair.write("X1").await;
    pair.replica_answers(HISTORY, &["X1"]).await;
    pair.hold_replica().await;
    let second = pair.write("X2").await;
    eventually("the primary answers", async || {
        let answer = pair.query.get(HISTORY).await.ok();
        (order_ids(&answer) == ["X2", "X1"], answer.to_string())
    })
    .await;
    let is_first = |answer: Answer| {
        assert!(first.to_string().contains(answer.header("forebay-position")), "{first} {:?}", answer.headers);
        assert_eq!(order_ids(&answer.ok()), ["X1"]);
    };
    // Silent first, then gone.
    pair.stack.pause(PRIMARY);
    is_first(pair.query.get(HISTORY).await);
    pair.stack.kill(PRIMARY).await;
    is_first(pair.query.get(HISTORY).await);
    is_first(pair.after(&first, 0).await);
    pair.after(&second, 200).await.problem(504, "not_yet_visible");
    pair.is_seen(["up", "down", "up"]).await;
    is_first(pair.query.get(HISTORY).await);
    assert_eq!(pair.query.get("/v1/stats").await.ok()["shards"][0]["state"], "up");
    pair.stack.kill(REPLICA).await;
    let answer = pair.query.get(HISTORY).await;
    assert!(answer.problem(503, "shard_unavailable").starts_with("shard 0 cannot be read now"));
    pair.is_seen(["down", "down", "down"]).await;
    pair.stack.restart(PRIMARY).await.unwrap();
    eventually("the primary answers again", async || {
        let answer = pair.query.get(HISTORY).await;
        (answer.status == 200 && order_ids(&answer.body) == ["X2", "X1"], answer.body.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_promoted_replica_is_read_as_the_primary() {
    let mut pair = Pair::start(&ANY_LAG).await;
    pair.write("X1").await;
    pair.replica_answers(HISTORY, &["X1"]).await;
    pair.stack.kill(PRIMARY).await;
    pair.stack.replica_sql(0, "select pg_promote()").await.unwrap();
    let replica = pair.stack.replica_url(0);
    pair.writing.go_on_at(&replica).await;
    let receipt = pair.write("X2").await;
    assert_eq!(order_ids(&pair.after(&receipt, 5000).await.ok()), ["X2", "X1"]);
    pair.is_seen(["up", "down", "up"]).await;
    // The old one comes back as it was, without what was written since: nobody is shown that.
    pair.stack.restart(PRIMARY).await.unwrap();
    pair.is_seen(["up", "up", "up"]).await;
    for _ in 0..20 {
        assert_eq!(order_ids(&pair.query.get(HISTORY).await.ok()), ["X2", "X1"]);
    }
    // Nor is anybody sent there for what was just written.
    for number in 3..20 {
        let receipt = pair.write(&format!("X{number}")).await;
        assert_eq!(pair.after(&receipt, 500).await.ok()["data"].as_array().unwrap().len(), number);
    }
}
