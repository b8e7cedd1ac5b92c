//! Units move one step at a time, several of them in different phases, back and forth; after each step every kind of read says the same.

use forebay_admin::moves::{Mover, MoverSettings};
use forebay_model::ShardId;
use forebay_model::ownership::Unit;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use std::cell::Cell;

use super::ledger::{Follower, Walk, check, of};
use super::scene::{A, Scene};

const ORDERS: u64 = 240;

/// Moves of some units each, begun and turned back at random, until each has been somewhere else.
async fn every_read_is_right_after_each_step(name: &str, flags: &[&str]) {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let scene = Scene::start(name, flags).await;
    let mut orders = Vec::new();
    for first in (0..ORDERS).step_by(12) {
        orders.extend(scene.log(&scene.first, first..first + 12).await);
    }
    scene.is_stored(orders.len()).await;
    check(&scene.query, &orders, true, random).await;
    let mut rest = scene.units(A, ORDERS);
    rest.shuffle(random);
    let mut mover = Mover::new(&scene.log, &scene.pools, MoverSettings::default());
    let (mut walk, mut steps, mut turned) = (Walk::default(), 0, 0);
    let mut slow = Follower::new();
    loop {
        let map = scene.log.read_map().await.unwrap();
        if map.moves().len() < 6 && !rest.is_empty() {
            let some = rest.split_off(rest.len() - random.random_range(1..=rest.len().min(4)));
            mover.begin(&some, ShardId(random.random_range(1..3))).await.unwrap();
        }
        let moving: Vec<Unit> = map.moves().iter().map(|entry| entry.unit).collect();
        if turned < 2
            && steps > 5
            && random.random_bool(0.1)
            && let Some(unit) = moving.choose(random)
        {
            turned += mover.turn_back(&[*unit]).await.unwrap();
        }
        let mut goes_on = mover.go_on(&|_| ()).await.unwrap();
        check(&scene.query, &orders, false, random).await;
        // Who presents a receipt may have to wait for the mover, but for no more than that.
        let is_checked = Cell::new(false);
        let checked = async {
            check(&scene.query, &orders, true, random).await;
            is_checked.set(true);
        };
        let moves_on = async {
            while !is_checked.get() {
                goes_on = mover.go_on(&|_| ()).await.unwrap();
            }
        };
        tokio::join!(checked, moves_on);
        walk.go_on(&scene.query, &orders, random).await;
        slow.go_on(&scene.query, 3).await;
        if steps % 20 == 0 {
            let mut fast = Follower::new();
            for _ in 0..10 {
                fast.go_on(&scene.query, 60).await;
            }
            assert_eq!(fast.seen, of(&orders, |_| true), "what the feed tells");
        }
        steps += 1;
        if !goes_on && rest.is_empty() {
            break;
        }
    }
    for _ in 0..ORDERS {
        slow.go_on(&scene.query, 3).await;
    }
    assert_eq!(slow.seen, of(&orders, |_| true), "what the feed has told");
    println!("{steps} steps, {} walks, {turned} turned back", walk.walked);
    scene.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_read_is_right_after_each_step_of_moves() {
    every_read_is_right_after_each_step("steps", &[]).await;
}
