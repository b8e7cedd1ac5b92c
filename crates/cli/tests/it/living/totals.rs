//! Totals follow amendments, whatever comes when, and `verify` proves it.

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use serde_json::json;

use super::history::{History, send};
use crate::replaying::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn totals_are_of_orders_as_they_are_now_whatever_comes_when() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let mut system = System::new("living").await;
    let history = History::by_chance(random, 150);
    let posts = history.posts(random);
    let (before, behind) = posts.split_at(random.random_range(0..posts.len()));
    send(&system, before).await;
    // A view that comes in the middle takes in what was before it.
    let added = system.operated.run(&["views", "add", "warehouse=warehouse_id"]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    for chunk in behind.chunks(150) {
        send(&system, chunk).await;
        system.operated.stop_writer().await;
        system.operated.start_writer().await;
    }
    system.operated.drained().await;
    history.check(&system, random).await;
    let report = system.operated.json(&["verify", "--full"], 0).await;
    assert_eq!((&report["differences"], &report["explained"]), (&json!(0), &json!(0)), "{report}");

    // Once more all of it: nothing is counted twice.
    send(&system, &history.posts(random)).await;
    system.operated.drained().await;
    history.check(&system, random).await;
    system.operated.json(&["verify", "--full"], 0).await;

    // A change of what is kept is found out, of orders and of views.
    let shards = &system.operated.shards;
    for (change, back, named) in [
        (
            "update view_sums set total = total + 1 where key = 'S1'",
            "update view_sums set total = total - 1 where key = 'S1'",
            "that S1 of view 1 sees are said to come to",
        ),
        (
            "update orders set amended = amended + 1",
            "update orders set amended = amended - 1",
            "and by what happened to it is amended to",
        ),
        (
            "update order_views set has_items = not has_items where view = 2",
            "update order_views set has_items = not has_items where view = 2",
            "is noted as without items",
        ),
    ] {
        shards.sql_everywhere(change).await;
        let ran = system.operated.run(&["verify", "--full"]).await;
        assert!(ran.code == Some(1) && ran.stdout.contains(named), "{named}: {ran:?}");
        shards.sql_everywhere(back).await;
    }
    let dropped = system.operated.run(&["views", "drop", "warehouse"]).await;
    assert_eq!(dropped.code, Some(0), "{dropped:?}");
    assert_eq!(system.operated.shards.sum("select count(*) from view_sums where view = 2").await, 0);
    assert_ne!(system.operated.shards.sum("select count(*) from view_sums").await, 0);
}
