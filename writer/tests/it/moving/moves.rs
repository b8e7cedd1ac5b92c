//! Buckets move from one shard to another while their orders come, with repeats and conflicts, by maps of now and of before: in the end each order is
//! in one place, once, and so is what follows from it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use forebay_admin::moves::{MoveEvent, Mover, MoverSettings};
use forebay_admin::system::System;
use forebay_admin::verify;
use forebay_log::{Log, LogArgs, LogSettings};
use forebay_model::ownership::{Phase, State, Unit};
use forebay_model::{Bucket, CustomerId, Decision, Pace, ShardId, ShardMap, StreamKind, Tenant};
use forebay_shard::{PoolSettings, ShardPool};
use forebay_testkit::eventually;
use forebay_testkit::log::{facts, frame, publish};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use crate::scene::{Scene, WriterProcess};

const A: ShardId = ShardId(0);
const B: ShardId = ShardId(1);
const CUSTOMERS: u32 = 120;
/// The writer leaves moving to the test.
const BY_HAND: &[&str] = &["--moves-at-once", "0"];

fn order(number: u32, price: u32) -> String {
    json!({
        "customer_id": format!("C{}", number % CUSTOMERS), "order_id": format!("ORD{number}"),
        "timestamp": format!("2025-06-{:02}T12:30:00Z", number % 28 + 1),
        "items": [{"sku": "A", "quantity": 1, "price": price, "seller_id": format!("S{}", number % 40)}]
    })
    .to_string()
}

fn pools(scene: &Scene) -> Vec<ShardPool> {
    let settings = PoolSettings::default();
    let pool = |(shard, url): (u16, &String)| ShardPool::new(ShardId(shard), &url.parse().unwrap(), &settings);
    (0..).zip(&scene.shards.urls).map(pool).collect()
}

/// Fifty buckets of shard A, those that customers are of among them, and as many of what follows from orders.
fn fifty(map: &ShardMap) -> Vec<Unit> {
    let of_customer = |number| map.bucket_of(Tenant::none(), &CustomerId::new(format!("C{number}")).unwrap());
    let of_seller = |number: u32| Bucket::of_key(Tenant::none(), &format!("S{number}"));
    let fifty = |stream: StreamKind, first: Vec<Bucket>| {
        let mut buckets: Vec<Bucket> =
            first.into_iter().chain(Bucket::all()).filter(|&bucket| map.shard(stream, bucket) == A).collect();
        let mut seen = BTreeSet::new();
        buckets.retain(|bucket| seen.insert(*bucket));
        buckets.into_iter().take(50).map(move |bucket| Unit::of(stream, bucket)).collect::<Vec<_>>()
    };
    let logged = fifty(StreamKind::Logged, (0..CUSTOMERS).map(of_customer).collect());
    [logged, fifty(StreamKind::Derived, (0..40).map(of_seller).collect())].concat()
}

/// What is logged until it is told to stop: orders that are new, that were there, and that are others of the same name; by the map of now, and by the
/// first one.
struct Load {
    stop: Arc<AtomicBool>,
    next: Arc<AtomicU32>,
    running: tokio::task::JoinHandle<()>,
}

impl Load {
    fn start(log: Log, first: ShardMap, next: u32, seed: u64) -> Self {
        let (stop, next) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(next)));
        let (stopped, numbers) = (Arc::clone(&stop), Arc::clone(&next));
        let running = tokio::spawn(async move {
            let random = &mut StdRng::seed_from_u64(seed);
            while !stopped.load(Ordering::SeqCst) {
                let map = log.map().borrow().clone().unwrap();
                let map = if random.random_bool(0.3) { &first } else { &*map };
                let mut orders = Vec::new();
                for _ in 0..random.random_range(1..6) {
                    let known = numbers.load(Ordering::SeqCst);
                    orders.push(match random.random_range(0..10) {
                        0 | 1 => order(random.random_range(0..known), 100),
                        2 => order(random.random_range(0..known), 77),
                        _ => order(numbers.fetch_add(1, Ordering::SeqCst), 100),
                    });
                }
                for part in facts(orders, map) {
                    publish(&log, part.shard, &frame(part.lane, part.rows, part.tuples)).await;
                }
                // Few enough that a machine which does other things, too, keeps up.
                tokio::time::sleep(Duration::from_millis(25)).await;
            }
        });
        Self { stop, next, running }
    }

    /// How many orders were logged.
    async fn stop(self) -> u32 {
        self.stop.store(true, Ordering::SeqCst);
        self.running.await.unwrap();
        self.next.load(Ordering::SeqCst)
    }
}

/// Each order, and what follows from it, is where the map says, once; the sums are theirs; and every row of every log has one fate.
async fn check(scene: &Scene, orders: u32) {
    eventually("everything is drained, sent on and derived", async || {
        let waiting = scene.shards.sum("select count(*) from parked").await;
        if waiting > 0 {
            return (false, format!("{waiting} rows wait"));
        }
        scene.is_at_rest().await
    })
    .await;
    scene.stored(orders.into()).await;
    let map = scene.log.read_map().await.unwrap();
    assert!(map.moves().is_empty());
    for (stream, table) in [
        (StreamKind::Logged, "orders"),
        (StreamKind::Logged, "order_time"),
        (StreamKind::Derived, "order_index"),
        (StreamKind::Derived, "order_views"),
    ] {
        for shard in [A, B] {
            let buckets = format!("select string_agg(distinct bucket::text, ' ') from {table}");
            let buckets = scene.shards.sql(usize::from(shard.0), &buckets).await;
            let astray = |text: &&str| map.shard(stream, Bucket::new(text.parse().unwrap()).unwrap()) != shard;
            assert_eq!(
                buckets.split(' ').filter(|text| !text.is_empty()).find(astray),
                None,
                "{table} of shard {shard}"
            );
        }
        assert_eq!(scene.shards.sum(&format!("select count(*) from {table}")).await, u64::from(orders), "{table}");
    }
    for (sums, table) in [("order_sums", "orders"), ("view_sums", "order_views")] {
        let total = if table == "orders" { "total" } else { "subtotal" };
        for shard in 0..2 {
            let said = scene
                .shards
                .sql(shard, &format!("select coalesce(sum(orders), 0), coalesce(sum(total), 0) from {sums}"))
                .await;
            let there =
                scene.shards.sql(shard, &format!("select count(*), coalesce(sum({total}), 0) from {table}")).await;
            assert_eq!(said, there, "{sums} of shard {shard}");
        }
    }
    for stream in StreamKind::ALL {
        for shard in [A, B] {
            let counted = "select coalesce(sum(rows_stored + rows_duplicate + rows_dead + rows_sent_on + rows_parked), 0) from lane_tally where stream =";
            let counted = scene.shards.sql(usize::from(shard.0), &format!("{counted} '{stream}'")).await;
            assert_eq!(counted, rows_logged(scene, stream, shard).await.to_string(), "{stream} of shard {shard}");
        }
    }
    verify(scene).await;
}

/// The rows of a log that are to be decided. Nothing of it is trimmed.
async fn rows_logged(scene: &Scene, stream: StreamKind, shard: ShardId) -> u64 {
    let (of, mut rows) = (stream.on(shard), 0);
    for seq in 1..=scene.log.stream_state(of).await.unwrap().last_seq {
        let found = scene.log.frame(of, seq).await.unwrap().unwrap().unwrap();
        rows += found.kind.lane().map_or(0, |_| u64::from(found.rows()));
    }
    rows
}

/// As `forebay verify` looks at it.
async fn verify(scene: &Scene) {
    let LogSettings { url, name, .. } = scene.log.settings();
    let log = LogArgs { nats: url.clone(), log_prefix: name.clone(), ..LogArgs::default() };
    let system = System { log, shards: scene.shards.urls.join(",").parse().unwrap() };
    let settings = verify::Settings { depth: verify::Depth::Full, shard: None, wait: Duration::from_mins(1) };
    let verified = verify::run(&system, &settings, &|_| ()).await.unwrap();
    assert!(verified.unfinished.is_empty(), "{:?}", verified.unfinished);
    assert_eq!(verified.differences, 0, "{:#?}", verified.named);
}

/// A scene with orders, and the first map.
async fn begin(name: &str) -> (Scene, ShardMap) {
    let scene = Scene::new(name, 2).await;
    scene.prepare_log().await;
    let map = (*scene.log.read_map().await.unwrap()).clone();
    for part in facts((0..400).map(|number| order(number, 100)), &map) {
        publish(&scene.log, part.shard, &frame(part.lane, part.rows, part.tuples)).await;
    }
    (scene, map)
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_buckets_move_while_their_orders_come() {
    let (scene, map) = begin("fifty").await;
    let writer = scene.writer(BY_HAND).await;
    scene.stored(400).await;
    let (pools, units) = (pools(&scene), fifty(&map));
    let load = Load::start(scene.log.clone(), map, 400, 1);
    let mut mover = Mover::new(&scene.log, &pools, MoverSettings::default());
    mover.begin(&units, B).await.unwrap();
    assert!(mover.begin(&units[..1], B).await.is_err(), "it is under way");
    mover.run(&|_| ()).await.unwrap();
    let moved = scene.log.read_map().await.unwrap();
    assert!(units.iter().all(|unit| moved.shard(unit.stream(), unit.bucket()) == B));
    let orders = load.stop().await;
    check(&scene, orders).await;
    // And back.
    let load = Load::start(scene.log.clone(), (*moved).clone(), orders, 2);
    mover.begin(&units, A).await.unwrap();
    mover.run(&|_| ()).await.unwrap();
    check(&scene, load.stop().await).await;
    writer.stop().await;
}

/// The writer is killed a dozen times, and the mover forgets all it knows as often.
#[tokio::test(flavor = "multi_thread")]
async fn a_mover_that_dies_in_the_middle_of_a_move_is_followed_by_another() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let (scene, map) = begin("killed").await;
    let writer = scene.writer(BY_HAND).await;
    scene.stored(400).await;
    writer.stop().await;
    let units = fifty(&map);
    let load = Load::start(scene.log.clone(), map, 400, seed);
    Mover::new(&scene.log, &pools(&scene), MoverSettings::default()).begin(&units, B).await.unwrap();
    for _ in 0..12 {
        let writer = WriterProcess::start(&scene, &["--batch-rows", "50", "--moves-at-once", "0"]);
        // Its connections die with it: one that is given up in the middle of a COPY is off by an answer.
        let pools = pools(&scene);
        let mut mover = Mover::new(&scene.log, &pools, MoverSettings::default());
        let time = Duration::from_millis(random.random_range(100..1500));
        let _ = tokio::time::timeout(time, mover.run(&|_| ())).await;
        drop(writer);
    }
    let writer = scene.writer(BY_HAND).await;
    Mover::new(&scene.log, &pools(&scene), MoverSettings::default()).run(&|_| ()).await.unwrap();
    check(&scene, load.stop().await).await;
    writer.stop().await;
}

/// What stands in the map is gone on with by whatever writer there is.
#[tokio::test(flavor = "multi_thread")]
async fn what_waits_in_the_map_is_moved_by_writers_that_are_killed() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let (scene, map) = begin("waits").await;
    let writer = scene.writer(BY_HAND).await;
    scene.stored(400).await;
    writer.stop().await;
    let load = Load::start(scene.log.clone(), map.clone(), 400, seed);
    let waiting: Vec<Decision> = fifty(&map).into_iter().map(|unit| Decision::Wait(unit, B)).collect();
    let queued = map.decided(&waiting).unwrap();
    scene.log.update_map(&queued).await.unwrap();
    scene.log.update_map(&queued.next_with_pace(Pace { keep_s: Some(0), ..Pace::default() })).await.unwrap();
    for _ in 0..12 {
        // Two at once: the second waits for the first to die.
        let writers = [(); 2].map(|()| WriterProcess::start(&scene, &["--batch-rows", "50", "--moves-at-once", "8"]));
        let time = Duration::from_millis(random.random_range(100..1500));
        let is_over = async |map: &ShardMap| map.moves().is_empty() && map.queue().waiting().next().is_none();
        let watched = async {
            while !is_over(&scene.log.read_map().await.unwrap()).await {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let _ = tokio::time::timeout(time, watched).await;
        drop(writers);
    }
    let writer = scene.writer(&[]).await;
    eventually("nothing moves any more", async || {
        let map = scene.log.read_map().await.unwrap();
        let left = (map.moves().len(), map.queue().waiting().count());
        (left == (0, 0), left)
    })
    .await;
    let moved = scene.log.read_map().await.unwrap();
    assert!(fifty(&map).iter().all(|unit| moved.shard(unit.stream(), unit.bucket()) == B));
    check(&scene, load.stop().await).await;
    writer.stop().await;
}

/// Of two writers one moves what leaves a shard. The other asks now and then whether it should, and makes no connection for that.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_by_asks_over_one_connection() {
    let (scene, _) = begin("standsby").await;
    let writers = [scene.writer(&[]).await, scene.writer(&[]).await];
    scene.stored(400).await;
    // It waits, and does not begin.
    let map = scene.log.read_map().await.unwrap();
    let held = map.next_with_pace(Pace { paused: true, ..Pace::default() });
    scene.log.update_map(&held).await.unwrap();
    scene.log.update_map(&held.decided(&[Decision::Wait(fifty(&map)[0], B)]).unwrap()).await.unwrap();
    let mut asked: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    eventually("one session has asked four times", async || {
        let asking = "select coalesce(string_agg(pid || ' ' || extract(epoch from query_start), ','), '') from pg_stat_activity \
            where datname = current_database() and application_name = 'forebay-moves' and query like '%pg_try_advisory_lock%'";
        let rows = scene.shards.sql(0, asking).await;
        for (pid, at) in rows.split(',').filter_map(|row| row.split_once(' ')) {
            asked.entry(pid.to_owned()).or_default().insert(at.to_owned());
        }
        (asked.values().any(|times| times.len() >= 4), asked.clone())
    })
    .await;
    assert!(asked.len() <= 2, "that of the one that leads, and that of the other: {asked:?}");
    for writer in writers {
        writer.stop().await;
    }
}

/// Somebody wants it back in each phase in which that can be.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_turned_back_is_where_it_was() {
    let (scene, map) = begin("back").await;
    let writer = scene.writer(BY_HAND).await;
    scene.stored(400).await;
    let (pools, units) = (pools(&scene), fifty(&map));
    let mut orders = 400;
    for phase in [Phase::Copying, Phase::Releasing, Phase::Routed] {
        let load = Load::start(scene.log.clone(), map.clone(), orders, 3);
        let mut mover = Mover::new(&scene.log, &pools, MoverSettings::default());
        mover.begin(&units, B).await.unwrap();
        let is_there = |map: &ShardMap| map.moves().iter().any(|entry| entry.phase == phase);
        while !is_there(&scene.log.read_map().await.unwrap()) {
            mover.go_on(&|_| ()).await.unwrap();
        }
        assert!(mover.turn_back(&units).await.unwrap() > 0);
        mover.run(&|_| ()).await.unwrap();
        orders = load.stop().await;
        check(&scene, orders).await;
    }
    writer.stop().await;
}

/// A row that somebody changes, drops or adds on the other side is named, and that unit stays where it is.
#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_somebody_changes_is_named_and_its_bucket_stays() {
    let (scene, map) = begin("changed").await;
    let writer = scene.writer(BY_HAND).await;
    scene.stored(400).await;
    let pools = pools(&scene);
    let units: Vec<Unit> = fifty(&map).into_iter().filter(|unit| unit.stream() == StreamKind::Logged).take(3).collect();
    let mut mover = Mover::new(&scene.log, &pools, MoverSettings::default());
    mover.begin(&units, B).await.unwrap();
    let of = |unit: Unit| format!("where bucket = {}", unit.bucket().number());
    // Until something of the first has been copied.
    let copied = format!("select count(*) from orders {}", of(units[0]));
    while scene.shards.sql(1, &copied).await == "0" {
        mover.go_on(&|_| ()).await.unwrap();
    }
    let id = scene.shards.sql(1, &format!("select min(order_id) from orders {}", of(units[0]))).await;
    scene.shards.sql(1, &format!("update orders set total = total + 1 where order_id = '{id}'")).await;
    let named = std::sync::Mutex::new(Vec::new());
    let tell = |event| {
        if let MoveEvent::Differs(unit, rows) = event {
            named.lock().unwrap().push((unit, rows));
        }
    };
    mover.run(&tell).await.unwrap();
    let named = named.into_inner().unwrap();
    assert!(
        named.iter().all(|(unit, rows)| *unit == units[0] && rows.len() == 1 && rows[0].contains(&id)),
        "{named:?}"
    );
    assert!(!named.is_empty());
    let now = scene.log.read_map().await.unwrap();
    let places: Vec<ShardId> = units.iter().map(|unit| now.shard(unit.stream(), unit.bucket())).collect();
    assert_eq!(places, [A, B, B]);
    check(&scene, 400).await;
    let said = scene.shards.sql(0, &format!("select said from unit_owner {}", of(units[0]))).await;
    let said: forebay_model::ownership::Ownership = serde_json::from_str(&said).unwrap();
    assert_eq!(said.state, State::Owned);
    writer.stop().await;
}
