//! Views come and go under load: each has exactly what stored orders make, with any process killed in the middle.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use forebay_testkit::eventually;
use serde_json::{Value, json};

const ADD: [&str; 3] = ["views", "add", "warehouse=warehouse_id"];
/// What a view has: of each order its key and the sum.
const SEEN: &str = "select coalesce(jsonb_object_agg(order_id, jsonb_build_array(key, subtotal)), '{}') from order_views \
    where view = (select id from view_in_force where name = 'warehouse')";
/// What orders make of it.
const MADE: &str = "select coalesce(jsonb_object_agg(order_id, jsonb_build_array(attributes ->> 'warehouse_id', total)), '{}') \
    from orders where attributes ->> 'warehouse_id' is not null";

/// Every third order has no warehouse.
fn order(number: u32) -> Value {
    let warehouse = if number.is_multiple_of(3) { Value::Null } else { json!(format!("W{}", number % 7)) };
    json!({"order_id": format!("O{number}"), "customer_id": format!("C{}", number % 50), "timestamp": "2025-06-30T12:30:00Z",
        "currency": "EUR", "warehouse_id": warehouse,
        "items": [{"sku": "A", "quantity": 1 + number % 3, "price": 100, "seller_id": format!("S{}", number % 9)}]})
}

/// Orders that are posted one after the other, until they are told to end. Those that are refused are posted again.
struct Load {
    posted: Arc<AtomicU32>,
    ends: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    fn start(system: &System, first: u32) -> Self {
        let (posted, ends) = (Arc::new(AtomicU32::new(first)), Arc::new(AtomicBool::new(false)));
        let (url, next, told) = (system.url(ServiceName::Ingest, "/v1/orders"), Arc::clone(&posted), Arc::clone(&ends));
        let task = tokio::spawn(async move {
            let http = reqwest::Client::new();
            while !told.load(Ordering::Relaxed) {
                let body = order(next.load(Ordering::Relaxed)).to_string();
                let answer = http.post(&url).header("content-type", "application/json").body(body).send().await;
                if answer.is_ok_and(|answer| answer.status() == 202) {
                    next.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        Self { posted, ends, task }
    }

    /// Waits until some more are posted.
    async fn goes_on(&self, more: u32) {
        let from = self.posted.load(Ordering::Relaxed);
        eventually("orders are taken", async || {
            let now = self.posted.load(Ordering::Relaxed);
            (now >= from + more, now)
        })
        .await;
    }

    /// Gives how many orders there are.
    async fn end(self) -> u32 {
        self.ends.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.posted.load(Ordering::Relaxed)
    }
}

/// A JSON object of every shard, joined.
async fn joined(system: &System, statement: &str) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    for shard in 0..system.stack.postgres_count() {
        let object = system.sql(shard, statement).await.unwrap();
        all.extend(serde_json::from_str::<BTreeMap<String, Value>>(&object).unwrap());
    }
    all
}

/// The state of a view, as the command lists it; nothing where there is none.
async fn state(system: &System, name: &str) -> Option<String> {
    let listed = system.forebay(&["views", "list", "--json"], b"").await.unwrap().ok().unwrap().json().unwrap();
    let found = listed.as_array().unwrap().iter().find(|view| view["name"] == name)?;
    Some(found["state"].as_str().unwrap().to_owned())
}

/// What query says of a warehouse: the status, and what is owed.
async fn asked(system: &System) -> (u16, Option<String>) {
    let url = system.url(ServiceName::Query, "/v1/warehouses/W1/orders");
    let answer = reqwest::get(url).await.unwrap();
    let owed = answer.headers().get("forebay-owed").map(|owed| owed.to_str().unwrap().to_owned());
    (answer.status().as_u16(), owed)
}

/// Runs a command until something holds, and kills it.
async fn killed_once(system: &System, command: &[&str], what: &str, holds: impl AsyncFn() -> bool) {
    tokio::select! {
        ended = system.forebay(command, b"") => panic!("{command:?} has ended: {ended:?}"),
        _ = eventually(what, async || (holds().await, "")) => {}
    }
}

async fn has_exactly_what_orders_make(system: &System, orders: u32) {
    system.wait_for_orders(i64::from(orders)).await.unwrap();
    system.wait_until_settled().await.unwrap();
    let made = joined(system, MADE).await;
    assert_eq!(made.len() as u32, (0..orders).filter(|number| !number.is_multiple_of(3)).count() as u32);
    let seen = joined(system, SEEN).await;
    let differing: Vec<_> = made.iter().filter(|(id, what)| seen.get(*id) != Some(what)).take(5).collect();
    assert!(differing.is_empty(), "{differing:?}");
    assert_eq!(seen.len(), made.len());
    let verified = system.forebay(&["verify", "--full"], b"").await.unwrap();
    assert_eq!(verified.code, Some(0), "{verified:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_is_added_under_load_has_exactly_what_stored_orders_make_with_any_process_killed() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    let lines: String = (0..3000).map(|number| order(number).to_string() + "\n").collect();
    system.replay(&["-"], lines.as_bytes()).await.unwrap();
    system.wait_for_orders(3000).await.unwrap();
    assert_eq!(asked(&system).await.0, 404);
    let load = Load::start(&system, 3000);

    // Without a writer no shard takes the view: the command stands between the map and the backfill, and is killed there.
    system.process(ServiceName::Writer).kill().await;
    killed_once(&system, &ADD, "the map has the view", async || state(&system, "warehouse").await.is_some()).await;
    load.goes_on(200).await;
    eventually("its answers say that it is building", async || {
        let (status, owed) = asked(&system).await;
        (status == 200 && owed.as_ref().is_some_and(|owed| owed.starts_with("building")), (status, owed))
    })
    .await;
    system.process(ServiceName::Writer).restart().await.unwrap();

    // Two at once, one of which is killed while it fills in; and the writer, once more.
    let filled = async || system.sum("select count(*) from control_taken where epoch > 1").await.unwrap() > 0;
    killed_once(&system, &ADD, "a shard has taken it", filled).await;
    system.process(ServiceName::Writer).kill().await;
    system.process(ServiceName::Writer).restart().await.unwrap();
    let (one, two) = tokio::join!(system.forebay(&ADD, b""), system.forebay(&ADD, b""));
    one.unwrap().ok().unwrap();
    two.unwrap().ok().unwrap();
    assert_eq!(state(&system, "warehouse").await.as_deref(), Some("ready"));
    load.goes_on(200).await;
    let orders = load.end().await;
    has_exactly_what_orders_make(&system, orders).await;
    assert_eq!(asked(&system).await, (200, None));
    let other = system.forebay(&["views", "add", "warehouse=depot_id"], b"").await.unwrap();
    assert!(other.code == Some(64) && other.stderr.contains("already"), "{other:?}");
    system.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_that_was_dropped_and_is_added_again_shows_nothing_old() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    system.forebay(&ADD, b"").await.unwrap().ok().unwrap();
    let lines: String = (0..2000).map(|number| order(number).to_string() + "\n").collect();
    system.replay(&["-"], lines.as_bytes()).await.unwrap();
    has_exactly_what_orders_make(&system, 2000).await;
    let load = Load::start(&system, 2000);
    // The command is killed while it waits for the writer, and run to its end then.
    let drop = ["views", "drop", "warehouse"];
    system.process(ServiceName::Writer).kill().await;
    let is_dropping = async || state(&system, "warehouse").await.as_deref() == Some("dropping");
    killed_once(&system, &drop, "the map drops the view", is_dropping).await;
    eventually("nobody reads it", async || (asked(&system).await.0 == 404, "")).await;
    let early = system.forebay(&ADD, b"").await.unwrap();
    assert!(early.code == Some(64) && early.stderr.contains("being dropped"), "{early:?}");
    system.process(ServiceName::Writer).restart().await.unwrap();
    system.forebay(&drop, b"").await.unwrap().ok().unwrap();
    let rows = system.sum("select count(*) from order_views where view <> 1").await.unwrap();
    assert_eq!((state(&system, "warehouse").await, rows), (None, 0));
    load.goes_on(100).await;
    assert_eq!(system.forebay(&drop, b"").await.unwrap().code, Some(64), "there is none any more");

    // Something old that nobody has deleted, as a restored shard may have it.
    let ghost = "insert into order_views select 0, '', 2, 'W1', ordered_at, order_id, customer_id, kind, currency, 1, 0, items from orders limit 1";
    system.stack.sql(0, ghost).await.unwrap();
    system.forebay(&ADD, b"").await.unwrap().ok().unwrap();
    let orders = load.end().await;
    system.stack.sql(0, "delete from order_views where view = 2").await.unwrap();
    has_exactly_what_orders_make(&system, orders).await;
    let ids = system.sum("select max(view) from order_views").await.unwrap();
    assert_eq!(ids, 3 + 3, "on both shards, rows of the new one have another id");
    system.stop().await.unwrap();
}
