//! Partitions that are no longer written to become one, beside everything else that goes on.

use std::time::{Duration, Instant};

use forebay_testkit::eventually;

use crate::scene::{Scene, Writer};

/// Every partition of a table that begins in 2025; none is made ahead there.
async fn partitions(scene: &Scene, table: &str) -> String {
    let names = format!(
        "select string_agg(inhrelid::regclass::text, ' ' order by inhrelid::regclass::text) from pg_inherits \
         where inhparent = '{table}'::regclass and inhrelid::regclass::text like '{table}_2025%'"
    );
    scene.shards.sql(0, &names).await
}

async fn becomes_one(scene: &Scene, table: &str) {
    eventually(&format!("the partitions of {table} become one"), async || {
        let names = partitions(scene, table).await;
        (names == format!("{table}_2025"), names)
    })
    .await;
}

async fn merges(writer: &Writer, outcome: &str) -> bool {
    let sought = format!("forebay_writer_merges_total{{lane=\"orders\",shard=\"0\",outcome=\"{outcome}\"}}");
    writer.served.metrics().await.contains(&sought)
}

/// Runs a block of PL/pgSQL in a transaction of its own: it waits until a condition holds, and then does something.
fn transaction(scene: &Scene, first: &str, until: &str, then: &str) -> tokio::task::JoinHandle<String> {
    let sql = format!(
        "do $$ begin {first} \
            for attempt in 1..3000 loop exit when {until}; perform pg_sleep(0.01); end loop; \
            if not ({until}) then raise 'waited in vain'; end if; \
            {then} \
        end $$"
    );
    let (stack, url) = (scene.shards.stack, scene.shards.urls[0].clone());
    tokio::spawn(async move { stack.sql(&url, &sql).await.unwrap() })
}

/// Waits until a statement gives something other than 0.
async fn until(scene: &Scene, what: &str, statement: &str) {
    eventually(what, async || {
        let seen = scene.shards.sql(0, statement).await;
        (seen != "0", seen)
    })
    .await;
}

/// Stores some orders, and keeps what is made of their partitions from taking their place, by a transaction that is older, until
/// there is a table `go`.
async fn filled(scene: &Scene) -> (Writer, tokio::task::JoinHandle<String>) {
    scene.prepare_log().await;
    let writer = scene.writer(&["--merge-idle-s", "1"]).await;
    writer.has("draining", 2).await;
    // Views stay as they are: in each shard one merge at a time is done.
    scene.shards.sql(0, "create table rest partition of order_views default").await;
    let older = transaction(scene, "", "exists (select from pg_class where relname = 'go')", "");
    until(scene, "the older transaction runs", "select count(*) from pg_stat_activity where query like 'do %'").await;
    scene.log_orders(0..28).await;
    scene.stored(28).await;
    // This is what it asks when everything is copied.
    let asks = "select count(*) from pg_stat_activity where application_name = 'forebay-writer orders merge' \
                and datname = current_database() and state = 'idle' and query like '%virtualxid%'";
    until(scene, "the copy is filled", asks).await;
    assert_eq!(scene.shards.sql(0, "select count(*) from orders_merging").await, "28");
    (writer, older)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_over_becomes_one_partition_and_takes_late_orders() {
    let scene = Scene::new("one", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&["--merge-idle-s", "1"]).await;
    let mut rows = scene.log_orders(0..500).await;
    scene.stored(500).await;
    for table in ["orders", "order_views"] {
        becomes_one(&scene, table).await;
    }
    assert!(merges(&writer, "merged").await);
    // Some that are there, some that are not.
    rows += scene.log_orders(300..700).await;
    scene.stored(700).await;
    scene.assert_sums(rows).await;
    assert_eq!(scene.shards.sum("select sum(rows_duplicate) from lane_tally where lane = 'orders'").await, 200);
    for table in ["orders", "order_views"] {
        assert_eq!(partitions(&scene, table).await, format!("{table}_2025"));
    }
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_merged_while_it_is_written_to() {
    let scene = Scene::new("written", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&["--merge-idle-s", "2"]).await;
    scene.log_orders(0..28).await;
    scene.stored(28).await;
    let (begun, mut orders) = (Instant::now(), 28);
    // Only one of its days is: that is enough.
    while begun.elapsed() < Duration::from_secs(7) {
        scene.log_orders(orders..orders + 1).await;
        orders += 28;
        let stored = u64::from(orders / 28 + 27);
        eventually("the order is stored", async || (scene.orders().await == stored, String::new())).await;
    }
    assert_eq!(partitions(&scene, "orders").await.split(' ').count(), 28);
    becomes_one(&scene, "orders").await;
    assert_eq!(scene.orders().await, u64::from(orders / 28 + 27));
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_between_copying_and_taking_the_place_is_kept() {
    let scene = Scene::new("between", 1).await;
    let (writer, older) = filled(&scene).await;
    scene.log_orders(28..29).await;
    scene.stored(29).await;
    scene.shards.sql(0, "create table go ()").await;
    older.await.unwrap();
    eventually("it is noticed", async || (merges(&writer, "touched").await, String::new())).await;
    becomes_one(&scene, "orders").await;
    scene.stored(29).await;
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_that_another_writer_stored_meanwhile_is_kept() {
    let scene = Scene::new("foreign", 1).await;
    let (writer, older) = filled(&scene).await;
    // It is committed in the moment in which the lock is waited for, so nobody but who gets the lock can notice.
    let waits = "exists (select from pg_locks where relation = 'orders'::regclass \
        and mode = 'AccessExclusiveLock' and not granted)";
    let store = "insert into orders select bucket, tenant, customer_id, ordered_at, 'another', kind, currency, total, place_seq, place_log, status, items, attributes \
            from orders limit 1; \
        update stream_position set stream_seq = stream_seq + 1 where stream = 'logged';";
    let another = transaction(&scene, "perform count(*) from orders;", waits, store);
    let holds = "select count(*) from pg_locks join pg_stat_activity using (pid) \
        where relation = 'orders'::regclass and mode = 'AccessShareLock' and query like 'do %'";
    until(&scene, "the other writer is there", holds).await;
    scene.shards.sql(0, "create table go ()").await;
    older.await.unwrap();
    another.await.unwrap();
    eventually("it is noticed", async || {
        let lane = writer.stream(forebay_model::StreamKind::Logged, 0).await;
        (lane["state"] == "halted", lane.to_string())
    })
    .await;
    assert_eq!(scene.orders().await, 29);
    assert_eq!(partitions(&scene, "orders").await.split(' ').count(), 28);
    writer.stop().await;
}

/// What a move leaves behind is deleted, and a DELETE alone gives nothing back to the disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_which_much_was_deleted_gives_its_disk_back() {
    let scene = Scene::new("hollow", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&["--merge-idle-s", "1"]).await;
    scene.log_orders(0..6000).await;
    scene.stored(6000).await;
    becomes_one(&scene, "orders").await;
    let bytes = async || {
        let bytes = "select sum(pg_total_relation_size(relid)) from pg_partition_tree('orders')";
        scene.shards.sql(0, bytes).await.parse::<u64>().unwrap()
    };
    let before = bytes().await;
    scene.shards.sql(0, "delete from orders where bucket % 2 = 0").await;
    let rows = scene.shards.sql(0, "select count(*) from orders").await;
    eventually("the disk has most of it back", async || {
        let now = bytes().await;
        (now < before * 7 / 10, format!("{now} of {before}"))
    })
    .await;
    assert_eq!(scene.shards.sql(0, "select count(*) from orders").await, rows);
    writer.stop().await;
}
