//! Units move while orders come, by maps of now and of before, and somebody reads all the time.
//!
//! An answer from a cache is what was there as far as commits were told of, which they are a moment after they are to be seen; and what leads from an id to its order is derived
//! behind the order. From a shard that has what is asked for, nothing that anybody saw before is missing.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_admin::moves::{Mover, MoverSettings};
use forebay_model::ShardId;
use forebay_testkit::service::{Answer, Served};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::ledger::{Known, check, exported, ids};
use super::scene::{A, Scene};

const FIRST: u64 = 240;
/// A list of all of them is one page.
const ORDERS_MAX: u64 = 900;
/// So long, on a busy machine, a commit needs to be told of.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

/// What was logged, and of that what was seen: it must be seen from then on.
#[derive(Default)]
struct Shared {
    logged: Mutex<Vec<Known>>,
    /// By list: everybody's, and customers' and sellers'.
    seen: Mutex<BTreeSet<(String, String)>>,
    is_over: AtomicBool,
    reads: AtomicU64,
    /// Answers that were asked for again.
    repeats: AtomicU64,
}

impl Shared {
    fn one(&self, random: &mut StdRng) -> Known {
        self.logged.lock().unwrap().choose(random).unwrap().clone()
    }

    fn seen(&self, list: &str) -> BTreeSet<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(of, _)| of == list).map(|(_, id)| id.clone()).collect()
    }

    /// All of this is known to have been seen from now on.
    fn saw(&self, list: &str, now: BTreeSet<String>) {
        self.seen.lock().unwrap().extend(now.into_iter().map(|id| (list.to_owned(), id)));
    }

    /// Asks until there is nothing to say against the answer. There may be for as long as a commit needs to be told of, where the answer is from a cache or `may_lag`.
    async fn ask<T>(
        &self,
        query: &Served,
        path: &str,
        may_lag: bool,
        check: impl Fn(Answer) -> Result<T, String>,
    ) -> T {
        let until = Instant::now() + TOLD_WITHIN;
        loop {
            let answer = query.get(path).await;
            let (from, at) = (answer.header("forebay-cache").to_owned(), answer.header("forebay-position").to_owned());
            assert!(answer.status == 200 || answer.status == 404, "{path}: {} {}", answer.status, answer.body);
            match check(answer) {
                Ok(found) => return found,
                Err(wrong) => {
                    let may_lag = may_lag || matches!(&*from, "l1" | "redis");
                    assert!(may_lag && Instant::now() < until, "{path}, {from:?} at {at}: {wrong}");
                }
            }
            self.repeats.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

/// What was seen before is there, and `must`.
fn has_all(now: &BTreeSet<String>, before: &BTreeSet<String>, must: Option<&str>) -> Result<(), String> {
    let gone: Vec<_> = before.difference(now).collect();
    match must.filter(|&id| !now.contains(id)) {
        _ if !gone.is_empty() => Err(format!("{gone:?} of {} were readable before", before.len())),
        Some(id) => Err(format!("{id} is not there, of whose receipt it is")),
        None => Ok(()),
    }
}

async fn logs(scene: Arc<Scene>, shared: Arc<Shared>, seed: u64) {
    let random = &mut StdRng::seed_from_u64(seed);
    let mut next = FIRST;
    while !shared.is_over.load(Ordering::SeqCst) {
        let now = scene.log.map().borrow().clone().unwrap();
        let map = if random.random_bool(0.3) { &scene.first } else { &*now };
        let behind = ORDERS_MAX.min(next + random.random_range(1..5));
        let known = scene.log(map, next..behind).await;
        shared.logged.lock().unwrap().extend(known);
        next = behind;
        tokio::time::sleep(Duration::from_millis(80)).await;
    }
}

async fn reads(scene: Arc<Scene>, shared: Arc<Shared>, seed: u64) {
    let random = &mut StdRng::seed_from_u64(seed);
    while !shared.is_over.load(Ordering::SeqCst) {
        let one = shared.one(random);
        let with_receipt = random.random_bool(0.5);
        let after = if with_receipt { format!("&after={}&wait_ms=30000", one.receipt) } else { String::new() };
        let must = with_receipt.then_some(&*one.id);
        let list = match random.random_range(0..3) {
            0 => format!("/v1/customers/{}/orders", one.customer()),
            1 => format!("/v1/sellers/{}/orders", one.seller()),
            _ => "/v1/orders".to_owned(),
        };
        let before = shared.seen(&list);
        match random.random_range(0..5) {
            0 | 1 => {
                let path = format!("{list}?limit=1000{after}");
                let page = shared.ask(&scene.query, &path, false, |answer| {
                    let page = answer.ok();
                    let ids = ids(&page);
                    if page["has_more"] == json!(true) {
                        return Ok(ids);
                    }
                    has_all(&ids, &before, must).map(|()| ids)
                });
                let page = page.await;
                shared.saw(&list, page);
            }
            2 => {
                let export = scene.query.request(&format!("{list}?{after}")).header("accept", "application/x-ndjson");
                let ids = exported(export).await;
                has_all(&ids, &before, must).unwrap_or_else(|wrong| panic!("export of {list}?{after}: {wrong}"));
                shared.saw(&list, ids);
            }
            3 => {
                let of = if list == "/v1/orders" { &*list } else { list.trim_end_matches("/orders") };
                let path = format!("{of}/totals?{after}");
                let totals = shared.ask(&scene.query, &path, false, |answer| {
                    let totals = answer.ok();
                    let rows = totals["data"].as_array().unwrap();
                    let count = rows.first().map_or(0, |row| row["count"].as_u64().unwrap());
                    let logged = shared.logged.lock().unwrap().len() as u64 + 5;
                    let is_right = (before.len() as u64..=logged).contains(&count);
                    is_right.then_some(()).ok_or_else(|| format!("{count} of {} that were seen", before.len()))
                });
                totals.await;
            }
            _ => {
                let was_seen = shared.seen("/v1/orders").contains(&one.id);
                let by_id = format!("/v1/orders/{}", one.id);
                let of_customer = format!("/v1/customers/{}/orders/{}", one.customer(), one.id);
                for (path, is_by_index) in [(by_id, true), (of_customer, false)] {
                    let path = format!("{path}?{}", after.trim_start_matches('&'));
                    let found = shared.ask(&scene.query, &path, is_by_index && !with_receipt, |answer| {
                        let is_found = answer.status == 200;
                        let wrong = || format!("{}, after {after:?}, and was seen: {was_seen}", answer.status);
                        (is_found || !with_receipt && !was_seen).then_some(is_found).ok_or_else(wrong)
                    });
                    found.await;
                }
            }
        }
        shared.reads.fetch_add(1, Ordering::SeqCst);
    }
}

async fn readers_see_all_while_units_move(name: &str, flags: &[&str]) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let scene = Arc::new(Scene::start(name, flags).await);
    let first = scene.log(&scene.first, 0..FIRST).await;
    scene.is_stored(first.len()).await;
    let shared = Arc::new(Shared { logged: Mutex::new(first), ..Shared::default() });
    let mut running = tokio::task::JoinSet::new();
    running.spawn(logs(Arc::clone(&scene), Arc::clone(&shared), seed));
    for reader in 1..4 {
        running.spawn(reads(Arc::clone(&scene), Arc::clone(&shared), seed.wrapping_add(reader)));
    }
    let units = scene.units(A, FIRST);
    let moved = async {
        let mut mover = Mover::new(&scene.log, &scene.pools, MoverSettings::default());
        for to in [ShardId(1), ShardId(2), A] {
            mover.begin(&units, to).await.unwrap();
            mover.run(&|_| ()).await.unwrap();
        }
    };
    tokio::select! {
        () = moved => {}
        Some(ended) = running.join_next() => panic!("{ended:?}"),
    }
    shared.is_over.store(true, Ordering::SeqCst);
    while let Some(ended) = running.join_next().await {
        ended.unwrap();
    }
    let logged = shared.logged.lock().unwrap().clone();
    let count = |of: &AtomicU64| of.load(Ordering::SeqCst);
    println!("{} orders, {} reads, {} repeats", logged.len(), count(&shared.reads), count(&shared.repeats));
    scene.is_stored(logged.len()).await;
    let random = &mut StdRng::seed_from_u64(seed);
    for _ in 0..10 {
        check(&scene.query, &logged, true, random).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_see_all_that_was_readable_while_units_move_under_load() {
    readers_see_all_while_units_move("load", &[]).await;
}
