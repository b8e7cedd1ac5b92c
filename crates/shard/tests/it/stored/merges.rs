//! Partitions of a part that is over become one, and not a row is lost by it, while others write and read.

use forebay_model::{Lane, Position, Timestamp};
use forebay_shard::{Build, Granularity, Merger, StatusIndexes, StoreSettings, Swap, Touch};
use forebay_testkit::eventually;
use sqlx::{Connection, Executor, PgConnection};

use crate::facts::{Fact, fact, frame};
use crate::scene::{Scene, tally};

const LATER: &str = "2025-07-03T00:00:00Z";

/// The last session may take a moment to end.
async fn merger(scene: &Scene, lane: Lane) -> Merger {
    let address = scene.addresses().iter().next().unwrap().clone();
    let mut merger = None;
    eventually("nobody else merges", async || {
        merger = Merger::open(&address, lane).await.unwrap();
        (merger.is_some(), ())
    })
    .await;
    merger.unwrap()
}

/// Fills the table for the first part.
async fn build(merger: &mut Merger) -> Build {
    let part = merger.periods(Timestamp::parse(LATER).unwrap()).await.unwrap().remove(0);
    let mut build = merger.begin(part).await.unwrap();
    while merger.step(&mut build).await.unwrap() {}
    build
}

/// Merges until nothing is left to merge, and gives how often.
async fn merge_all(merger: &mut Merger) -> usize {
    let mut merges = 0;
    while !merger.periods(Timestamp::parse(LATER).unwrap()).await.unwrap().is_empty() {
        let mut build = build(merger).await;
        swapped(merger, &mut build, Swap::Done).await;
        merges += 1;
    }
    merges
}

/// Maintenance may hold a lock for a moment, so being busy is nothing unusual.
async fn swapped(merger: &mut Merger, build: &mut Build, expected: Swap) {
    for _ in 0..200 {
        let swap = merger.swap(build, |_| Touch::No).await.unwrap();
        if !matches!(swap, Swap::Busy | Swap::Early) {
            assert_eq!(swap, expected);
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it stayed busy");
}

async fn partitions(scene: &Scene, table: &str) -> String {
    let sql = format!(
        "select string_agg(inhrelid::regclass::text, ' ' order by inhrelid::regclass::text) from pg_inherits \
         where inhparent = '{table}'::regclass"
    );
    scene.sql(&sql).await
}

/// A digest of every row.
async fn content(scene: &Scene, lane: Lane) -> String {
    let (table, identity) = (lane.table(), lane.identity().join(", "));
    scene.sql(&format!("select count(*), md5(string_agg(r::text, ';' order by {identity})) from {table} r")).await
}

fn write(lane: Lane, fact: &Fact) -> Vec<u8> {
    if lane == Lane::Views { fact.view() } else { fact.order() }
}

/// Orders of some days of June 2025.
fn june(days: std::ops::RangeInclusive<u32>) -> Vec<Fact> {
    days.map(|day| fact(format!("O{day}")).at(format!("2025-06-{day:02}T12:00:00Z"))).collect()
}

fn orders(facts: &[Fact]) -> Vec<Vec<u8>> {
    facts.iter().map(Fact::order).collect()
}

/// A small generator of numbers, so that a failure can be had again from its seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 20) % bound
    }
}

#[tokio::test]
async fn every_row_of_random_orders_is_there_after_merging() {
    let seed = u64::from(std::process::id());
    println!("seed {seed}");
    let mut numbers = Numbers(seed);
    let scene = Scene::new("merged").await;
    let start = Timestamp::parse("2023-11-15T00:00:00Z").unwrap();
    let facts: Vec<Fact> = (0..1500)
        .map(|n| {
            let at = start.plus_us(numbers.below(120 * 86_400_000_000) as i64);
            let mut fact = fact(n).at(at).price(numbers.below(1000) as u32);
            fact.customer = format!("C{}", numbers.below(40));
            fact
        })
        .collect();
    for (lane, granularity) in [(Lane::Orders, Granularity::Day), (Lane::Views, Granularity::Hour)] {
        let settings = StoreSettings { granularity, partitions_ahead: 0, ..StoreSettings::default() };
        let mut writer = scene.writer_with(lane, settings).await;
        let facts = &facts[..if granularity == Granularity::Hour { 300 } else { 1500 }];
        let frames: Vec<_> = (1..)
            .zip(facts.chunks(100))
            .map(|(seq, facts)| frame(seq, &facts.iter().map(|fact| write(lane, fact)).collect::<Vec<_>>()))
            .collect();
        writer.commit(&frames).await.unwrap();
        let before = content(&scene, lane).await;
        assert!(merge_all(&mut merger(&scene, lane).await).await > 0);
        assert_eq!(content(&scene, lane).await, before, "{lane}");
        let table = lane.table();
        assert_eq!(partitions(&scene, table).await, format!("{table}_2023 {table}_2024"));
        let inside = if lane == Lane::Orders { "status items attributes" } else { "status items" };
        assert_eq!(scene.unanalyzed(&format!("{table}_2023")).await, inside);
        // All of them are there, and known as duplicates.
        let again: Vec<_> = frames
            .iter()
            .cloned()
            .map(|mut frame| {
                frame.seq += frames.len() as u64;
                frame
            })
            .collect();
        assert_eq!(writer.commit(&again).await.unwrap().rows, tally(0, facts.len() as u64, 0));
    }
}

#[tokio::test]
async fn an_order_of_a_merged_month_goes_into_it_and_its_identities_are_known() {
    let scene = Scene::new("into").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let facts = june(3..=20);
    writer.commit(&[frame(1, &orders(&facts))]).await.unwrap();
    assert_eq!(merge_all(&mut merger(&scene, Lane::Orders).await).await, 1);
    assert_eq!(partitions(&scene, "orders").await, "orders_202506");
    // One that is there, one that is there with other content, one of a day that had a partition, one of a day without.
    let late = |day: u32| fact(format!("late{day}")).at(format!("2025-06-{day:02}T13:00:00Z")).order();
    let tuples = [facts[0].order(), facts[1].clone().price(7).order(), late(5), late(28)];
    assert_eq!(writer.commit(&[frame(2, &tuples)]).await.unwrap().rows, tally(2, 1, 1));
    assert_eq!(scene.sql("select reason from dead_letter").await, "conflict");
    let mut anew = scene.writer(Lane::Orders).await;
    assert_eq!(anew.commit(&[frame(3, &[late(28), late(29)])]).await.unwrap().rows, tally(1, 1, 0));
    assert_eq!(partitions(&scene, "orders").await, "orders_202506");
    assert_eq!(scene.count("only orders_202506").await, 21);
}

#[tokio::test]
async fn what_was_written_since_the_copying_began_makes_it_stale() {
    let scene = Scene::new("stale").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &orders(&june(3..=20)))]).await.unwrap();
    let days = partitions(&scene, "orders").await;
    let mut merger = merger(&scene, Lane::Orders).await;
    let mut built = build(&mut merger).await;
    // The position tells of a commit by any writer.
    writer.commit(&[frame(2, &orders(&june(3..=4)))]).await.unwrap();
    let seen = std::cell::Cell::new(None);
    let swap = merger.swap(&mut built, |position| {
        seen.set(position);
        Touch::Yes
    });
    assert_eq!(swap.await.unwrap(), Swap::Stale);
    assert_eq!(seen.get(), Some(Position { seq: 2, ..writer.position }));
    assert_eq!((partitions(&scene, "orders").await, scene.count("orders").await), (days, 18));
    // A partition that came meanwhile tells of it too, whatever the position says.
    writer.commit(&[frame(3, &orders(&june(25..=25)))]).await.unwrap();
    swapped(&mut merger, &mut built, Swap::Stale).await;
    merger.discard().await.unwrap();
    assert_eq!(scene.sql("select to_regclass('orders_merging') is null").await, "t");
    assert_eq!(merge_all(&mut merger).await, 1);
    assert_eq!(scene.count("only orders_202506").await, 19);
}

#[tokio::test]
async fn a_lock_that_is_not_free_in_time_is_given_up_and_tried_again() {
    let scene = Scene::new("busy").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &orders(&june(3..=20)))]).await.unwrap();
    let mut merger = merger(&scene, Lane::Orders).await;
    let mut built = build(&mut merger).await;
    let mut reader = PgConnection::connect(&scene.url).await.unwrap();
    for held in ["select count(*) from orders", "lock table only orders_20250604 in share update exclusive mode"] {
        reader.execute("begin").await.unwrap();
        reader.execute(held).await.unwrap();
        let before = std::time::Instant::now();
        let mut swap = Swap::Early;
        while swap == Swap::Early {
            swap = merger.swap(&mut built, |_| Touch::No).await.unwrap();
        }
        assert_eq!(swap, Swap::Busy, "{held}");
        assert!(before.elapsed() < std::time::Duration::from_secs(3), "waited {:?}", before.elapsed());
        // Nothing of the attempt is left in the way of others.
        assert_eq!(
            writer.commit(&[frame(writer.position.seq + 1, &orders(&june(3..=3)))]).await.unwrap().rows,
            tally(0, 1, 0)
        );
        reader.execute("rollback").await.unwrap();
    }
    swapped(&mut merger, &mut built, Swap::Done).await;
    assert_eq!(scene.count("only orders_202506").await, 18);
}

#[tokio::test]
async fn a_reader_with_an_older_snapshot_is_waited_for() {
    let scene = Scene::new("snapshot").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &orders(&june(3..=20)))]).await.unwrap();
    let mut reader = PgConnection::connect(&scene.url).await.unwrap();
    reader.execute("begin isolation level repeatable read").await.unwrap();
    // It has a snapshot, and no lock on the table.
    reader.execute("select stream_seq from stream_position").await.unwrap();
    let mut merger = merger(&scene, Lane::Orders).await;
    let mut built = build(&mut merger).await;
    assert_eq!(merger.swap(&mut built, |_| Touch::No).await.unwrap(), Swap::Early);
    let seen: i64 = sqlx::query_scalar("select count(*) from orders").fetch_one(&mut reader).await.unwrap();
    assert_eq!(seen, 18);
    reader.execute("rollback").await.unwrap();
    swapped(&mut merger, &mut built, Swap::Done).await;
}

#[tokio::test]
async fn what_a_crash_left_is_dropped_and_what_somebody_detached_is_not() {
    let scene = Scene::new("leftover").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &orders(&june(3..=20)))]).await.unwrap();
    // Somebody keeps a month elsewhere; an index and a column are his own too.
    scene.sql("create table orders_202506 (kept int); insert into orders_202506 values (1)").await;
    scene
        .sql("create index mine on orders (total) where total > 5; alter table orders add column mine int default 3")
        .await;
    let mut first = merger(&scene, Lane::Orders).await;
    let part = first.periods(Timestamp::parse(LATER).unwrap()).await.unwrap().remove(0);
    let mut left = first.begin(part).await.unwrap();
    assert!(first.step(&mut left).await.unwrap());
    assert_eq!(scene.count("orders_merging").await, 1);
    let address = scene.addresses().iter().next().unwrap().clone();
    assert!(Merger::open(&address, Lane::Views).await.unwrap().is_none(), "two merge at once");
    drop(first);
    let mut again = merger(&scene, Lane::Orders).await;
    assert_eq!(scene.sql("select to_regclass('orders_merging') is null").await, "t");
    assert_eq!(merge_all(&mut again).await, 1);
    assert_eq!(partitions(&scene, "orders").await, "orders_202506_2");
    assert_eq!(scene.sql("select sum(mine), count(*) from orders").await, "54|18");
    assert_eq!(scene.count("orders_202506").await, 1);
    let indexes =
        "select string_agg(indexname, ' ' order by indexname) from pg_indexes where tablename = 'orders_202506_2'";
    assert_eq!(
        scene.sql(indexes).await,
        "orders_202506_2_by_place orders_202506_2_by_time orders_202506_2_mine orders_202506_2_pkey \
         orders_202506_2_returns_by_customer orders_202506_2_returns_by_time"
    );
}

#[tokio::test]
async fn a_default_partition_keeps_everything_as_it_is() {
    let scene = Scene::new("rest").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &orders(&june(3..=20)))]).await.unwrap();
    scene.sql("create table rest partition of orders default").await;
    assert_eq!(merge_all(&mut merger(&scene, Lane::Orders).await).await, 0);
}

#[tokio::test]
async fn a_merged_partition_has_the_status_of_its_orders_and_the_indexes_by_it() {
    let scene = Scene::new("mergedstatus").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &orders(&june(1..=20)))]).await.unwrap();
    let happened = "insert into order_events values (0, '', 'O1', 'CUST1', 'E', 'shipped', now(), 1, 1, '{}'); \
        update orders set status = 3 where order_id in ('O1', 'O20')";
    scene.sql(happened).await;
    let address = scene.addresses().iter().next().unwrap().clone();
    let mut merger = merger(&scene, Lane::Orders).await;
    assert_eq!(StatusIndexes::make(&address, Lane::Orders).await.unwrap(), StatusIndexes::Busy);
    drop(merger);
    let days: usize =
        scene.sql("select count(*) from pg_inherits where inhparent = 'orders'::regclass").await.parse().unwrap();
    let mut made = None;
    eventually("nobody merges any more", async || {
        made = Some(StatusIndexes::make(&address, Lane::Orders).await.unwrap());
        (made != Some(StatusIndexes::Busy), ())
    })
    .await;
    assert_eq!(made, Some(StatusIndexes::Made(2 * days)));
    merger = self::merger(&scene, Lane::Orders).await;
    assert_eq!(merge_all(&mut merger).await, 1);
    // A day that comes now has them, too.
    writer.commit(&[frame(2, &[fact("new").at("2025-09-01T12:00:00Z").order()])]).await.unwrap();
    let lacking = "select count(*) from pg_inherits t where t.inhparent = 'orders'::regclass and (select count(*) from pg_index x \
        join pg_inherits i on i.inhrelid = x.indexrelid join pg_class p on p.oid = i.inhparent \
        where x.indrelid = t.inhrelid and x.indisvalid and p.relname in ('orders_status', 'orders_customer_status')) <> 2";
    assert_eq!(scene.sql(lacking).await, "0");
    let shipped = "select string_agg(order_id, ' ' order by order_id) from only orders_202506 where status = 3";
    assert_eq!(scene.sql(shipped).await, "O1 O20");
}
