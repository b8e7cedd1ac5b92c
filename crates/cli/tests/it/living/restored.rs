//! A shard is restored from an older copy, and the log catches it up: what is told of orders is what it was.

use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;

use super::history::{History, send};
use crate::replaying::system::System;

#[tokio::test(flavor = "multi_thread")]
async fn statuses_and_totals_of_a_restored_shard_are_those_of_its_log() {
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let random = &mut StdRng::seed_from_u64(seed);
    let mut system = System::new("restoredlife").await;
    let added = system.operated.run(&["views", "add", "warehouse=warehouse_id"]).await;
    assert_eq!(added.code, Some(0), "{added:?}");
    let history = History::by_chance(random, 120);
    let posts = history.posts(random);
    let (before, behind) = posts.split_at(posts.len() / 2);
    send(&system, before).await;
    system.operated.drained().await;
    system.operated.stop_writer().await;
    system.operated.shards.keep_copy(0).await;
    let then = system.operated.shards.sql(0, "select sum(stream_seq) from stream_position").await;
    system.operated.start_writer().await;
    send(&system, behind).await;
    system.operated.drained().await;
    history.check(&system, random).await;

    system.operated.stop_writer().await;
    system.operated.shards.put_copy_back(0).await;
    let now = system.operated.shards.sql(0, "select sum(stream_seq) from stream_position").await;
    assert_eq!(now, then, "it is the older one");
    system.operated.start_writer().await;
    system.operated.drained().await;
    history.check(&system, random).await;
    let report = system.operated.json(&["verify", "--full"], 0).await;
    assert_eq!((&report["differences"], &report["explained"]), (&json!(0), &json!(0)), "{report}");
}
