//! Shards come, go elsewhere, and leave, while everything runs: no process is told of it but by the map.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use clap::Parser;
use forebay_admin::members::{self, NewMember, Step};
use forebay_admin::moves::{Mover, MoverSettings};
use forebay_admin::system::System;
use forebay_log::{Log, LogArgs, LogError, LogSettings};
use forebay_model::ownership::Unit;
use forebay_model::{Bucket, CustomerId, ShardId, StreamId, StreamKind, Tenant};
use forebay_shard::{PoolSettings, ShardArgs};
use forebay_stack::{Durability, Server, Stack, shared};
use forebay_testkit::command::Finished;
use forebay_testkit::proxy::port_of;
use forebay_testkit::service::{Served, http_client};
use forebay_testkit::{Proxy, eventually};
use futures::FutureExt;
use serde_json::{Value, json};
use sqlx::Connection;
use tokio::task::JoinSet;

use crate::forebay::Forebay;

const CUSTOMERS: u32 = 60;
/// A letter that nobody has decided about.
const DEAD_LETTER: &str = "insert into dead_letter (lane, incarnation, stream_seq, row_in_frame, rows, reason, detail, tuple, epoch) \
    values ('orders', 1, 1, 0, 1, 'refused', 'by hand', '', 1)";

/// Servers of its own, which promise what a shard has to, and a system on the first of them.
struct Growing {
    stack: Stack,
    forebay: Forebay,
    prefix: String,
}

impl Growing {
    async fn new(servers: usize, begun: usize) -> Self {
        let stack = Stack::temporary(servers, Durability::Real).await.unwrap();
        let growing = Self { stack, forebay: Forebay::new(), prefix: "growing".to_owned() };
        let shards: Vec<String> = (0..begun).map(|shard| growing.stack.postgres_url(shard)).collect();
        let migrated = growing.run(&["migrate", "--stream-bytes-max", "64MiB", "--shards", &shards.join(",")]).await;
        assert_eq!(migrated.code, Some(0), "{migrated:?}");
        growing
    }

    /// Runs the command, which is told of no shard but by the map.
    async fn run(&self, command: &[&str]) -> Finished {
        let nats = self.stack.nats_url();
        self.forebay.run(&[command, &["--nats", &nats, "--log-prefix", &self.prefix]].concat()).await
    }

    /// It ends with 1, in one line that says this, and nothing has changed.
    async fn refuses(&self, command: &[&str], why: &[&str]) {
        let before = self.map().await;
        let ran = self.run(command).await;
        let line = ran.stderr.trim_end();
        assert!(ran.code == Some(1) && line.lines().count() == 1, "{ran:?}");
        assert!(why.iter().all(|part| line.contains(part)), "{why:?}: {line}");
        assert_eq!(self.map().await, before);
    }

    async fn log(&self) -> Log {
        Log::connect(LogSettings::new(self.stack.nats_url(), self.prefix.parse().unwrap())).await.unwrap()
    }

    async fn map(&self) -> Value {
        serde_json::to_value(&*self.log().await.read_map().await.unwrap()).unwrap()
    }

    async fn system(&self) -> System {
        let log =
            LogArgs { nats: self.stack.nats_url(), log_prefix: self.prefix.parse().unwrap(), ..LogArgs::default() };
        System::find(log, &ShardArgs::default()).await.unwrap()
    }

    /// A database of that name on a server, and its address.
    async fn database(&self, server: usize, name: &str, how: &str) -> String {
        self.stack.sql(server, &format!("create database {name} {how}")).await.unwrap();
        let url = self.stack.postgres_url(server);
        format!("{}/{name}", url.rsplit_once('/').unwrap().0)
    }

    fn flags(&self, service: &str) -> Vec<String> {
        let nats = self.stack.nats_url();
        [service, "--nats", &nats, "--log-prefix", &self.prefix].map(str::to_owned).into()
    }

    async fn services(&self) -> Services {
        let flags = self.flags("forebay-writer");
        let mut writer = forebay_writer::Settings::try_parse_from(flags).unwrap();
        // The variable may be there, for other tests.
        writer.shards = ShardArgs::default();
        let writer = Served::start(&writer.service, |service| forebay_writer::start(&writer, service).unwrap()).await;
        let flags = self.flags("forebay-ingest");
        let ingest = forebay_ingest::Settings::try_parse_from(flags).unwrap();
        let ingest = Served::start(&ingest.service, |service| forebay_ingest::start(&ingest, service).unwrap()).await;
        let flags = [self.flags("forebay-query"), vec!["--redis".to_owned(), "none".to_owned()]].concat();
        let mut query = forebay_query::Settings::try_parse_from(flags).unwrap();
        query.shards = ShardArgs::default();
        let query = Served::start(&query.service, |service| forebay_query::start(&query, service).unwrap()).await;
        for served in [&writer, &ingest, &query] {
            served.ready_without(&[]).await;
        }
        Services { writer, ingest, query }
    }
}

/// The three services in this process.
struct Services {
    writer: Served,
    ingest: Served,
    query: Served,
}

impl Services {
    /// Waits until a shard is drained and read.
    async fn have(&self, shard: u16) {
        eventually(&format!("shard {shard} is drained"), async || {
            let streams = self.writer.get("/v1/streams").await.ok()["streams"].as_array().unwrap().clone();
            let drained = streams.iter().filter(|of| of["shard"] == shard && of["state"] == "draining").count();
            (drained == 2, streams)
        })
        .await;
        eventually(&format!("shard {shard} is read"), async || {
            let ready = self.query.get("/readyz").await.ok();
            (ready["dependencies"][format!("shard {shard}")]["state"] == "up", ready)
        })
        .await;
    }

    async fn stop(self) {
        for served in [self.ingest, self.query, self.writer] {
            served.stop().await;
        }
    }
}

/// Orders that are posted and read, until it is told to stop. Whatever is no 2xx is kept.
struct Load {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU32>,
    running: JoinSet<Vec<String>>,
}

impl Load {
    fn start(services: &Services) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let mut running = JoinSet::new();
        let (orders, lists) = (services.ingest.url("/v1/orders"), services.query.url("/v1"));
        for _ in 0..2 {
            let (stop, sent, orders) = (Arc::clone(&stop), Arc::clone(&sent), orders.clone());
            running.spawn(async move {
                let (http, mut bad) = (http_client(), Vec::new());
                while !stop.load(Ordering::SeqCst) {
                    let number = sent.fetch_add(1, Ordering::SeqCst);
                    note(http.post(&orders).json(&order(number)), &mut bad).await;
                }
                bad
            });
        }
        let stopped = Arc::clone(&stop);
        running.spawn(async move {
            let (http, mut bad) = (http_client(), Vec::new());
            for number in (0..CUSTOMERS).cycle() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                for path in [
                    format!("customers/C{number}/orders"),
                    format!("sellers/S{}/orders", number % 8),
                    "orders".to_owned(),
                ] {
                    note(http.get(format!("{lists}/{path}?limit=20")), &mut bad).await;
                }
            }
            bad
        });
        Self { stop, sent, running }
    }

    /// How many orders were sent. Every answer was a 2xx.
    async fn stop(self) -> u32 {
        self.stop.store(true, Ordering::SeqCst);
        let bad = self.running.join_all().await.concat();
        assert!(bad.is_empty(), "{} answers: {:#?}", bad.len(), &bad[..bad.len().min(5)]);
        self.sent.load(Ordering::SeqCst)
    }
}

async fn note(request: reqwest::RequestBuilder, bad: &mut Vec<String>) {
    match request.send().await {
        Ok(answer) if answer.status().is_success() => drop(answer.bytes().await),
        Ok(answer) => bad.push(format!("{} {}: {:?}", answer.status(), answer.url().clone(), answer.text().await)),
        Err(error) => bad.push(error.to_string()),
    }
}

fn order(number: u32) -> Value {
    json!({
        "customer_id": format!("C{}", number % CUSTOMERS), "order_id": format!("ORD{number}"),
        "timestamp": format!("2025-06-{:02}T12:30:00Z", number % 28 + 1),
        "items": [{"sku": "A", "quantity": 1, "price": 100, "seller_id": format!("S{}", number % 8)}]
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_shard_comes_and_goes_elsewhere_under_load_and_nobody_is_told_but_by_the_map() {
    let growing = Growing::new(4, 3).await;
    let services = growing.services().await;
    let load = Load::start(&services);
    let direct = growing.stack.postgres_url(3);
    let [first, second] = [Proxy::to(port_of(&direct)).await.unwrap(), Proxy::to(port_of(&direct)).await.unwrap()];
    let url = first.url(&direct);

    let add = ["shards", "add", &url, "--label", "region=eu"];
    let shown = growing.run(&add).await;
    assert_eq!(shown.code, Some(1), "{shown:?}");
    assert!(shown.stdout.contains("Shard 3: ") && shown.stdout.contains("To be done"), "{shown:?}");
    assert!(shown.stderr.contains("nothing was changed; --yes does it"), "{shown:?}");
    assert_eq!(growing.run(&[&add[..], &["--dry-run"]].concat()).await.code, Some(0));
    assert!(growing.map().await["shards"]["3"].is_null());
    let added = growing.run(&[&add[..], &["--yes", "--json"]].concat()).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let plan = added.json().unwrap();
    assert_eq!((&plan["shard"], &plan["left"], &plan["buckets"]), (&json!(3), &json!([]), &json!(0)), "{plan}");
    let member = json!({"addresses": [&url], "labels": {"region": "eu"}});
    assert_eq!(growing.map().await["shards"]["3"], member);
    services.have(3).await;
    eventually("every shard derives for it, and owes it nothing of before", async || {
        let mut begun = Vec::new();
        for shard in 0..4 {
            let note = "select count(*), coalesce(min(stream_seq), 0) > 0 from derived_through where target = 3";
            begun.push(growing.stack.sql(shard, note).await.unwrap().trim().to_owned());
        }
        (begun[..3].iter().all(|note| note == "1|t") && begun[3].starts_with("1|"), begun)
    })
    .await;
    // Once more is nothing.
    assert_eq!(growing.run(&[&add[..], &["--yes"]].concat()).await.code, Some(0));

    // Customers and sellers of the first shard go there, with what follows from their orders.
    let log = growing.log().await;
    let map = log.read_map().await.unwrap();
    let of_customer = |number| map.bucket_of(Tenant::none(), &CustomerId::new(format!("C{number}")).unwrap());
    let of_seller = |number: u32| Bucket::of_key(Tenant::none(), &format!("S{number}"));
    let units = (0..CUSTOMERS).map(|number| Unit::of(StreamKind::Logged, of_customer(number)));
    let units = units.chain((0..8).map(|number| Unit::of(StreamKind::Derived, of_seller(number))));
    let units: BTreeSet<Unit> =
        units.filter(|unit| map.shard(unit.stream(), unit.bucket()) == ShardId(0)).take(12).collect();
    let units: Vec<Unit> = units.into_iter().collect();
    let system = growing.system().await;
    let pools = system.pools(None, &PoolSettings::default()).unwrap();
    let mut mover = Mover::new(&log, &pools, MoverSettings::default());
    mover.begin(&units, ShardId(3)).await.unwrap();
    mover.run(&|_| ()).await.unwrap();
    let now = log.read_map().await.unwrap();
    assert!(units.iter().all(|unit| now.shard(unit.stream(), unit.bucket()) == ShardId(3)));
    let rows =
        async || growing.stack.sql(3, "select count(*) from orders").await.unwrap().trim().parse::<u32>().unwrap();
    let before = rows().await;
    assert!(before > 0);
    eventually("new orders are stored there", async || {
        let now = rows().await;
        (now > before, now)
    })
    .await;

    // Its address changes: everything new goes there, before what was there before ends.
    let elsewhere = second.url(&direct);
    let set = growing.run(&["shards", "set", "3", "--address", &elsewhere, "--label", "region=us"]).await;
    assert_eq!(set.code, Some(0), "{set:?}");
    eventually("its drain and its readers are there", async || (second.open() >= 3, second.open())).await;
    drop(first);
    let before = rows().await;
    eventually("new orders are stored there", async || {
        let now = rows().await;
        (now > before, now)
    })
    .await;
    let other = growing.stack.postgres_url(1);
    growing.refuses(&["shards", "set", "3", "--address", &other], &["it is shard 1"]).await;

    let sent = load.stop().await;
    eventually("every order is stored once, and everything derived", async || {
        let (mut orders, mut views) = (0, 0);
        for shard in 0..4 {
            let count = async |table: &str| {
                let count = growing.stack.sql(shard, &format!("select count(*) from {table}")).await.unwrap();
                count.trim().parse::<u32>().unwrap()
            };
            orders += count("orders").await;
            views += count("order_views").await;
        }
        ((orders, views) == (sent, sent), (orders, views, sent))
    })
    .await;
    // A new order is found on the fourth shard, with its receipt.
    let moved = units.iter().find(|unit| unit.stream() == StreamKind::Logged).unwrap().bucket();
    let customer = (0..CUSTOMERS).find(|&number| of_customer(number) == moved).unwrap();
    let posted =
        services.ingest.post("/v1/orders", "application/json", order(customer + CUSTOMERS * 100_000).to_string());
    let posted: Value = posted.send().await.unwrap().json().await.unwrap();
    assert_eq!(posted["shard"], 3, "{posted}");
    let path =
        format!("/v1/orders/ORD{}?after={}", customer + CUSTOMERS * 100_000, posted["receipt"].as_str().unwrap());
    assert_eq!(services.query.get(&path).await.ok()["customer_id"], format!("C{customer}"));
    let audit = growing.run(&["audit", "--json"]).await;
    assert!(audit.stdout.contains("shards add") && audit.stdout.contains("shards set"), "{audit:?}");
    services.stop().await;
}

/// A command that is cut off behind any step is run once more, and it is one shard.
#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_was_half_added_is_added_by_the_same_command() {
    let growing = Growing::new(2, 1).await;
    let steps = [Step::Streams, Step::TakeIn, Step::Map];
    for (place, &crash) in steps.iter().enumerate() {
        let url = growing.database(1, &format!("half_{place}"), "").await;
        let wanted = NewMember { addresses: url.parse().unwrap(), labels: Vec::new() };
        let system = growing.system().await;
        // Behind that step nothing more is asked of anybody, as by a process that dies.
        let tell = |step| assert!(step != crash, "the process dies");
        let died = AssertUnwindSafe(members::add(&system, &wanted, &tell)).catch_unwind().await;
        assert!(died.is_err(), "it came to its end: {died:?}");
        let plan = members::plan(&system, &wanted).await.unwrap();
        assert_eq!((plan.shard.0 as usize, &plan.left[..]), (1 + place, &steps[place + 1..]), "behind {crash:?}");
        let added = members::add(&system, &wanted, &|_| ()).await.unwrap();
        assert!(added.is_done() && added.shard == plan.shard, "{added:?}");
        assert_eq!(growing.log().await.read_map().await.unwrap().shards().len(), 2 + place);
    }
}

/// Of two that are to be the same number one is; the other says what happened, and comes with a database that was made anew.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_shards_that_come_at_once_one_is_first_and_the_other_is_told() {
    let growing = Growing::new(2, 1).await;
    let [one, other] = [growing.database(1, "one", "").await, growing.database(1, "other", "").await];
    let wanted = |url: &str| NewMember { addresses: url.parse().unwrap(), labels: Vec::new() };
    // The first has its tables and its number, and is held before the map has it.
    let (go_on, held) = std::sync::mpsc::channel::<()>();
    let (held, there) = (std::sync::Mutex::new(held), Arc::new(tokio::sync::Notify::new()));
    let (system, of_one, is_there) = (growing.system().await, wanted(&one), Arc::clone(&there));
    let late = tokio::spawn(async move {
        let tell = |step| {
            if step == Step::TakeIn {
                is_there.notify_one();
                tokio::task::block_in_place(|| held.lock().unwrap().recv().unwrap());
            }
        };
        members::add(&system, &of_one, &tell).await
    });
    there.notified().await;
    let won = members::add(&growing.system().await, &wanted(&other), &|_| ()).await.unwrap();
    assert!(won.is_done() && won.shard == ShardId(1), "{won:?}");
    go_on.send(()).unwrap();
    let lost = late.await.unwrap().unwrap_err().to_string();
    assert!(lost.contains("another shard 1 came meanwhile, at ") && lost.contains("/other"), "{lost}");
    assert!(lost.contains("make that database anew"), "{lost}");
    let addresses = |map: &Value, shard: &str| map["shards"][shard]["addresses"][0].clone();
    assert_eq!(addresses(&growing.map().await, "1"), other.as_str());
    // What it left behind is refused, too, until it is made anew.
    growing.refuses(&["shards", "add", &one, "--yes"], &["it is shard 1 of this system already", "/other"]).await;
    growing.stack.sql(1, "drop database one").await.unwrap();
    let one = growing.database(1, "one", "").await;
    assert_eq!(growing.run(&["shards", "add", &one, "--yes"]).await.code, Some(0));
    assert_eq!(addresses(&growing.map().await, "2"), one.as_str());

    // The same as commands: each that ends well has made a shard, and no other has.
    let urls = [growing.database(1, "third", "").await, growing.database(1, "fourth", "").await];
    let add = async |url: &str| growing.run(&["shards", "add", url, "--yes"]).await;
    let (third, fourth) = tokio::join!(add(&urls[0]), add(&urls[1]));
    let map = growing.map().await;
    let shards: Vec<&Value> = map["shards"].as_object().unwrap().values().map(|at| &at["addresses"][0]).collect();
    for (ran, url) in [(&third, &urls[0]), (&fourth, &urls[1])] {
        let is_told = ran.code == Some(1) && ran.stderr.contains("came meanwhile");
        assert!(ran.code == Some(0) || is_told, "{ran:?}");
        assert_eq!(shards.contains(&&json!(url)), ran.code == Some(0), "{ran:?}");
    }
    assert!(third.code == Some(0) || fourth.code == Some(0), "{third:?} {fourth:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_a_shard_is_refused_before_anything_is_changed() {
    let growing = Growing::new(2, 1).await;
    let add = async |url: &str, why: &[&str]| growing.refuses(&["shards", "add", url, "--yes"], why).await;
    let own = growing.stack.postgres_url(0).replace("127.0.0.1", "localhost");
    add(&own, &["it is shard 0 of this system already", "forebay shards set 0 --address"]).await;
    let gone = forebay_stack::free_ports(1)[0];
    add(&format!("postgres://forebay@127.0.0.1:{gone}/forebay"), &["cannot become a shard", &gone.to_string()]).await;
    let foreign = growing.database(1, "theirs", "").await;
    let theirs = ["migrate", "--stream-bytes-max", "64MiB", "--shards", &foreign, "--log-prefix", "theirs"];
    let nats = growing.stack.nats_url();
    assert_eq!(growing.forebay.run(&[&theirs[..], &["--nats", &nats]].concat()).await.code, Some(0));
    add(&foreign, &["it is shard 0 of another system"]).await;
    let used = growing.database(1, "used", "").await;
    let mut connection = sqlx::PgConnection::connect(&used).await.unwrap();
    sqlx::raw_sql("create table invoices (id int)").execute(&mut connection).await.unwrap();
    add(&used, &["it has a table already, invoices"]).await;
    let ascii = growing.database(1, "ascii", "encoding 'SQL_ASCII' template template0").await;
    add(&ascii, &["encoding", "SQL_ASCII"]).await;
    // Servers of tests promise nothing of a commit.
    let careless = shared().await.create_databases(1, "careless").await.remove(0);
    add(&careless, &["durability", "fsync = off"]).await;
    let bad = growing.run(&["shards", "add", "mysql://x", "--yes"]).await;
    assert_eq!(bad.code, Some(64), "{bad:?}");
    growing.refuses(&["shards", "set", "0", "--address", &used], &["is not shard 0"]).await;
    let none = growing.run(&["shards", "set", "7", "--label", "a=b"]).await;
    assert!(none.code == Some(64) && none.stderr.contains("there is no shard 7 in the map"), "{none:?}");
    // A process that is told of more shards than there are says so.
    let shards = format!("{},{used}", growing.stack.postgres_url(0));
    let more = growing.run(&["shards", "--shards", &shards]).await;
    assert!(
        more.code == Some(64) && more.stderr.contains("--shards names 2 shards, and this system has 1"),
        "{more:?}"
    );
}

/// What `GET /v1/changes` gives from a position on, to its end: the ids of the orders, and where to go on.
async fn feed(query: &Served, since: &str) -> (Vec<String>, String) {
    let (mut ids, mut since) = (Vec::new(), since.to_owned());
    loop {
        let page = query.get(&format!("/v1/changes?since={since}&limit=1000")).await.ok();
        let orders = page["data"].as_array().unwrap().iter();
        ids.extend(orders.map(|fact| fact["order"]["order_id"].as_str().unwrap().to_owned()));
        page["next"].as_str().unwrap().clone_into(&mut since);
        if page["has_more"] == false {
            ids.sort_unstable();
            return (ids, since);
        }
    }
}

/// Shard 2 is drained, and leaves neither before that nor with anything that nobody has decided about.
async fn refused_until_it_has_nothing(growing: &Growing) {
    let remove = ["shards", "remove", "2"];
    let refused = growing.run(&[&remove[..], &["--yes"]].concat()).await;
    assert!(
        refused.code == Some(1) && refused.stderr.contains("`forebay shards drain 2` moves them away"),
        "{refused:?}"
    );
    let kept = growing.run(&["shards", "drain", "2", "--yes", "--keep-s", "3600"]).await;
    assert_eq!(kept.code, Some(0), "{kept:?}");
    let refused = growing.run(&[&remove[..], &["--yes", "--json"]].concat()).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("`forebay shards resume --keep-s 0`"), "{refused:?}");
    assert_eq!(growing.run(&["shards", "resume", "--keep-s", "0"]).await.code, Some(0));
    eventually("nothing of it is kept", async || {
        let moves = growing.log().await.read_map().await.unwrap().moves().len();
        (moves == 0, moves)
    })
    .await;
    growing.stack.sql(2, DEAD_LETTER).await.unwrap();
    let refused = growing.run(&[&remove[..], &["--yes"]].concat()).await;
    assert!(refused.code == Some(1) && refused.stderr.contains("shard 2 has 1 dead letters"), "{refused:?}");
    growing.stack.sql(2, "delete from dead_letter").await.unwrap();
    let before = growing.map().await;
    let shown = growing.run(&[&remove[..], &["--dry-run"]].concat()).await;
    assert!(shown.code == Some(0) && shown.stdout.contains("seal its streams"), "{shown:?}");
    assert_eq!(growing.run(&remove).await.code, Some(1));
    assert_eq!(growing.map().await, before);
}

/// Nobody has anything of shard 2 any more.
async fn is_gone(growing: &Growing, services: &Services) {
    let log = growing.log().await;
    let map = log.read_map().await.unwrap();
    assert_eq!(map.shards().collect::<Vec<_>>(), [ShardId(0), ShardId(1)]);
    let end = map.gone(ShardId(2)).unwrap().logged;
    assert!(end.seq > 0);
    for stream in StreamId::all_of(ShardId(2)) {
        assert!(matches!(log.stream_state(stream).await, Err(LogError::NoStream(_))));
    }
    for served in [&services.writer, &services.query] {
        eventually("nobody speaks of it any more", async || {
            let ready = served.get("/readyz").await.ok();
            let names: Vec<&String> = ready["dependencies"].as_object().unwrap().keys().collect();
            (names.iter().all(|name| !name.ends_with("shard 2") && !name.ends_with("logged-2")), ready.clone())
        })
        .await;
    }
    let streams = services.writer.get("/v1/streams").await.ok()["streams"].as_array().unwrap().clone();
    assert!(streams.iter().all(|of| of["shard"] != 2), "{streams:?}");
    assert!(streams.iter().flat_map(|of| of["derived"].as_array().into_iter().flatten()).all(|of| of["target"] != 2));
}

/// A shard of which everything has moved away leaves under load, and everybody follows the map; what was given before names it, and is answered all the
/// same. Its database comes again only as another shard.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes, and more than four beside other tests"]
async fn a_shard_is_drained_and_leaves_under_load_and_comes_again_as_another() {
    let growing = Growing::new(3, 2).await;
    let services = growing.services().await;
    let url = growing.stack.postgres_url(2);
    let added = growing.run(&["shards", "add", &url, "--yes"]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    services.have(2).await;
    let load = Load::start(&services);
    // It gets the customers and sellers of the first one.
    let map = growing.log().await.read_map().await.unwrap();
    let of_customer = |number: u32| map.bucket_of(Tenant::none(), &CustomerId::new(format!("C{number}")).unwrap());
    let of_seller = |number: u32| Bucket::of_key(Tenant::none(), &format!("S{number}"));
    let is_first = |bucket: &Bucket| map.shard(StreamKind::Logged, *bucket) == ShardId(0);
    let buckets: BTreeSet<Bucket> =
        (0..CUSTOMERS).map(of_customer).chain((0..8).map(of_seller)).filter(is_first).collect();
    let list = buckets.iter().map(|bucket| format!("{bucket},")).collect::<Vec<_>>().concat();
    let moving = ["shards", "move", "--buckets", &list, "--from", "0", "--to", "2", "--yes", "--keep-s", "0"];
    let moved = growing.run(&moving).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let mine = (0..CUSTOMERS).find(|&number| buckets.contains(&of_customer(number))).unwrap();
    let number = mine + CUSTOMERS * 100_000;
    let posted = services.ingest.post("/v1/orders", "application/json", order(number).to_string());
    let posted: Value = posted.send().await.unwrap().json().await.unwrap();
    let receipt = posted["receipt"].as_str().unwrap().to_owned();
    assert!(receipt.contains("~l2."), "{receipt}");
    eventually("it is stored, and all that follows", async || {
        let fate = services.query.get(&format!("/v1/receipts/{receipt}")).await.ok();
        (fate["state"] == "stored" && fate["derived"] == true, fate)
    })
    .await;
    let (seen, since) = feed(&services.query, "0").await;

    refused_until_it_has_nothing(&growing).await;
    let remove = ["shards", "remove", "2", "--yes"];
    let removed = growing.run(&remove).await;
    assert_eq!(removed.code, Some(0), "{removed:?}");
    is_gone(&growing, &services).await;
    // Done is done.
    assert_eq!(growing.run(&remove).await.code, Some(0));

    // The server may go, and nobody notices.
    growing.stack.process(Server::Postgres(2)).kill().await;
    let (sent, begun) = (load.sent.load(Ordering::SeqCst), load.sent.clone());
    eventually("orders go on", async || {
        let now = begun.load(Ordering::SeqCst);
        (now > sent + 50, now)
    })
    .await;
    let sent = load.stop().await + 1;
    // What was given before it left: a receipt, a position of the feed, and what they lead to.
    for path in [
        format!("/v1/orders/ORD{number}?after={receipt}"),
        format!("/v1/customers/C{mine}/orders/ORD{number}?after={receipt}"),
        format!("/v1/sellers/S{}/orders?after={receipt}&limit=1", number % 8),
        format!("/v1/orders?after={receipt}&limit=1"),
    ] {
        services.query.get(&path).await.ok();
    }
    let fate = services.query.get(&format!("/v1/receipts/{receipt}")).await;
    assert!(fate.problem(410, "receipt_gone").contains("logged on shard 2, which was removed"), "{fate:?}");
    eventually("the feed has everything once, from the beginning and from where somebody was", async || {
        let (all, _) = feed(&services.query, "0").await;
        let (more, _) = feed(&services.query, &since).await;
        let mut both = [seen.clone(), more].concat();
        both.sort_unstable();
        let count = all.iter().collect::<BTreeSet<_>>().len();
        let is_whole = all.len() == sent as usize && count == all.len() && both == all;
        (is_whole, (all.len(), count, both.len(), sent))
    })
    .await;
    let stats = services.query.get("/v1/stats?wait_ms=30000").await.ok();
    assert_eq!(stats["orders"].as_u64(), Some(u64::from(sent)), "those that were stored there first, too: {stats}");
    let verified = growing.run(&["verify", "--full"]).await;
    assert_eq!(verified.code, Some(0), "{verified:?}");
    let audit = growing.run(&["audit", "--json"]).await;
    assert!(audit.stdout.contains("shards remove"), "{audit:?}");

    // Its database was that shard, and is not any more; made anew, it is another one.
    growing.stack.process(Server::Postgres(2)).ensure_started().await.unwrap();
    growing.refuses(&["shards", "add", &url, "--yes"], &["it was shard 2 of this system, which was removed"]).await;
    let url = growing.database(2, "anew", "").await;
    let added = growing.run(&["shards", "add", &url, "--yes", "--json"]).await;
    assert_eq!(added.json().unwrap()["shard"], 3, "{added:?}");
    services.have(3).await;
    // What went back to the first two goes there.
    let now = growing.log().await.read_map().await.unwrap();
    let (first, bucket) = (now.shard(StreamKind::Logged, of_customer(mine)), of_customer(mine));
    let (list, from) = (format!("{bucket},"), first.to_string());
    let moving = ["shards", "move", "--buckets", &list, "--from", &from, "--to", "3", "--yes", "--keep-s", "0"];
    let moved = growing.run(&moving).await;
    assert_eq!(moved.code, Some(0), "{moved:?}");
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    let rows: i64 = sqlx::query_scalar("select count(*) from orders").fetch_one(&mut connection).await.unwrap();
    assert!(rows > 0);
    services.stop().await;
}
