//! A shard's primary is lost for good, and its replica takes its place.

use forebay_stack::{Durability, Server, Stack};
use forebay_testkit::eventually;

use crate::scene::Scene;

const PRIMARY: Server = Server::Postgres(0);
const REPLICA: Server = Server::Replica(0);

async fn replica_has(stack: &Stack, orders: u64) {
    eventually("the replica has the orders", async || {
        let count = stack.replica_sql(0, "select count(*) from orders").await;
        (count.as_ref().is_ok_and(|count| count.trim() == orders.to_string()), format!("{count:?}"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_that_missed_commits_is_caught_up_from_the_log() {
    let mut stack = Stack::temporary(1, Durability::Real).await.unwrap();
    stack.add_replica(0).await.unwrap();
    let (primary, replica) = (stack.postgres_url(0), stack.replica_url(0));
    let mut scene = Scene::new("promoted", 1).await;
    // The one that only follows stands first: what a server is, it says itself.
    scene.shards.urls = vec![format!("{replica}|{primary}")];
    let writer = scene.writer(&["--batch-rows", "100"]).await;
    writer.has("draining", 2).await;
    scene.shards.urls = vec![primary];
    let mut rows = scene.log_orders(0..1000).await;
    scene.stored(1000).await;
    replica_has(&stack, 1000).await;
    stack.stop_server(REPLICA).await;
    rows += scene.log_orders(1000..2000).await;
    scene.stored(2000).await;
    rows += scene.log_orders(2000..6000).await;
    eventually("some more orders are stored", async || {
        let orders = scene.orders().await;
        (orders > 2000, format!("{orders}"))
    })
    .await;
    stack.kill(PRIMARY).await;
    stack.restart(REPLICA).await.unwrap();
    replica_has(&stack, 1000).await;
    writer.has("retrying", 2).await;
    rows += scene.log_orders(6000..6500).await;
    stack.replica_sql(0, "select pg_promote()").await.unwrap();
    scene.shards.urls = vec![replica];
    scene.stored(6500).await;
    scene.assert_sums(rows).await;
    assert_eq!(scene.shards.sum("select sum(rows_stored) from lane_tally where lane = 'orders'").await, rows);
    assert_eq!(scene.shards.sum("select count(*) from dead_letter").await, 0);
    writer.has("draining", 2).await;
    writer.stop().await;
}
