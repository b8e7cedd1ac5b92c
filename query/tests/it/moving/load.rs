//! Units move while orders come, by maps of now and of before, and somebody reads all the time.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_admin::moves::{Mover, MoverSettings};
use forebay_model::ShardId;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::ledger::{Known, check, exported, ids};
use super::scene::{A, Scene};

const FIRST: u64 = 240;
/// A list of all of them is one page.
const ORDERS_MAX: u64 = 900;

/// What was logged, and of that what was seen: it must be seen from then on.
#[derive(Default)]
struct Shared {
    logged: Mutex<Vec<Known>>,
    /// By list: everybody's, and customers' and sellers'.
    seen: Mutex<BTreeSet<(String, String)>>,
    is_over: AtomicBool,
    reads: std::sync::atomic::AtomicU64,
}

impl Shared {
    fn one(&self, random: &mut StdRng) -> Known {
        self.logged.lock().unwrap().choose(random).unwrap().clone()
    }

    fn seen(&self, list: &str) -> BTreeSet<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter().filter(|(of, _)| of == list).map(|(_, id)| id.clone()).collect()
    }

    /// What was seen before is there, and `must`; from now on all of it is known to have been seen.
    fn saw(&self, how: &str, list: &str, before: &BTreeSet<String>, now: BTreeSet<String>, must: Option<&str>) {
        let gone: Vec<_> = before.difference(&now).collect();
        assert!(gone.is_empty(), "{list}, {how}: {gone:?} were readable before");
        assert!(must.is_none_or(|id| now.contains(id)), "{list}: {must:?} is not there, of whose receipt it is");
        self.seen.lock().unwrap().extend(now.into_iter().map(|id| (list.to_owned(), id)));
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
                let page = scene.query.get(&format!("{list}?limit=1000{after}")).await.ok();
                let ids = ids(&page);
                if page["has_more"] == json!(false) {
                    shared.saw(&format!("page of {} {after}", ids.len()), &list, &before, ids, must);
                }
            }
            2 => {
                let export = scene.query.request(&format!("{list}?{after}")).header("accept", "application/x-ndjson");
                shared.saw(&format!("export {after}"), &list, &before, exported(export).await, must);
            }
            3 => {
                let of = if list == "/v1/orders" { &*list } else { list.trim_end_matches("/orders") };
                let totals = scene.query.get(&format!("{of}/totals?{after}")).await.ok();
                let count = totals["data"].as_array().unwrap().first().map_or(0, |row| row["count"].as_u64().unwrap());
                let logged = shared.logged.lock().unwrap().len() as u64 + 5;
                assert!(
                    (before.len() as u64..=logged).contains(&count),
                    "{list}: {count} of {} that were seen",
                    before.len()
                );
            }
            _ => {
                let was_seen = shared.seen("/v1/orders").contains(&one.id);
                for path in
                    [format!("/v1/orders/{}", one.id), format!("/v1/customers/{}/orders/{}", one.customer(), one.id)]
                {
                    let found = scene.query.get(&format!("{path}?{}", after.trim_start_matches('&'))).await;
                    if with_receipt || was_seen {
                        assert_eq!(found.ok()["order_id"], json!(one.id));
                    }
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
    println!("{} orders, {} reads", logged.len(), shared.reads.load(Ordering::SeqCst));
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
