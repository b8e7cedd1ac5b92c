//! Partitions come when they are needed, whatever is there already, while others read.

use std::time::Duration;

use forebay_model::{Lane, Timestamp};
use forebay_shard::{CommitError, ErrorClass, Granularity, StoreSettings};
use sqlx::{Connection, Executor, PgConnection};

use crate::facts::{fact, frame};
use crate::scene::{Scene, tally};

fn by(granularity: Granularity) -> StoreSettings {
    StoreSettings { granularity, partitions_ahead: 2, ..StoreSettings::default() }
}

async fn names(scene: &Scene, table: &str) -> String {
    let sql = format!(
        "select string_agg(inhrelid::regclass::text, ' ' order by inhrelid::regclass::text) from pg_inherits \
         where inhparent = '{table}'::regclass"
    );
    scene.sql(&sql).await
}

#[tokio::test]
async fn partitions_are_made_ahead_and_on_demand() {
    let scene = Scene::new("ahead").await;
    let mut writer = scene.writer_with(Lane::Orders, by(Granularity::Month)).await;
    let now = Timestamp::parse("2025-11-30T23:00:00Z").unwrap();
    assert_eq!(writer.store.make_partitions_ahead(now).await.unwrap(), 3);
    assert_eq!(writer.store.make_partitions_ahead(now).await.unwrap(), 0);
    assert_eq!(names(&scene, "orders").await, "orders_202511 orders_202512 orders_202601");
    let tuples = [fact("A").at("2011-12-09T12:50:00Z").order(), fact("B").at("2025-11-01T00:00:00Z").order()];
    writer.commit(&[frame(1, &tuples)]).await.unwrap();
    assert_eq!(names(&scene, "orders").await, "orders_201112 orders_202511 orders_202512 orders_202601");
    assert_eq!(scene.sql("select order_id from only orders_201112").await, "A");
    assert_eq!(scene.unanalyzed("orders_201112").await, "status items attributes");
    // Of the other stream's lanes the index has none.
    let mut derived = scene.writer_with(Lane::Index, by(Granularity::Month)).await;
    assert_eq!(derived.store.make_partitions_ahead(now).await.unwrap(), 3);
    assert_eq!(names(&scene, "order_views").await, "order_views_202511 order_views_202512 order_views_202601");
}

#[tokio::test]
async fn facts_of_two_years_in_one_batch_get_their_days() {
    let scene = Scene::new("years").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let start = Timestamp::parse("2023-01-01T05:00:00Z").unwrap();
    let tuples: Vec<_> = (0..730).map(|day| fact(day).at(start.plus_us(day * 86_400_000_000)).order()).collect();
    assert_eq!(writer.commit(&[frame(1, &tuples)]).await.unwrap().rows, tally(730, 0, 0));
    assert_eq!(scene.sql("select count(*) from pg_inherits where inhparent = 'orders'::regclass").await, "730");
    // Another writer finds them in the catalogue.
    let mut again = scene.writer(Lane::Orders).await;
    assert_eq!(again.commit(&[frame(2, &tuples)]).await.unwrap().rows, tally(0, 730, 0));
}

#[tokio::test]
async fn a_changed_granularity_fills_gaps_and_overlaps_nothing() {
    let scene = Scene::new("granularity").await;
    let mut hours = scene.writer_with(Lane::Orders, by(Granularity::Hour)).await;
    let at = |hour: u32| fact(hour).at(format!("2025-06-30T{hour:02}:10:00Z")).order();
    hours.commit(&[frame(1, &[at(0), at(5)])]).await.unwrap();
    let mut days = scene.writer_with(Lane::Orders, by(Granularity::Day)).await;
    days.commit(&[frame(2, &[at(3), at(5), at(23)])]).await.unwrap();
    let mut months = scene.writer_with(Lane::Orders, by(Granularity::Month)).await;
    let other_day = fact("X").at("2025-06-02T00:00:00Z").order();
    assert_eq!(months.commit(&[frame(3, &[at(7), other_day])]).await.unwrap().rows, tally(2, 0, 0));
    assert_eq!(scene.count("orders").await, 6);
    assert_eq!(
        names(&scene, "orders").await,
        "orders_20250601000000_20250630000000 orders_20250630010000_20250630050000 \
         orders_20250630060000_20250701000000 orders_20250630_00 orders_20250630_05"
    );
}

#[tokio::test]
async fn a_partition_is_made_while_a_reader_holds_a_long_transaction() {
    let scene = Scene::new("reader").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &[fact("A").order()])]).await.unwrap();
    let mut reader = PgConnection::connect(&scene.url).await.unwrap();
    reader.execute("begin isolation level repeatable read").await.unwrap();
    reader.execute("select count(*) from orders").await.unwrap();
    let other_day = fact("B").at("2025-08-01T00:00:00Z").order();
    assert_eq!(writer.commit(&[frame(2, &[other_day])]).await.unwrap().rows, tally(1, 0, 0));
    let seen: i64 = sqlx::query_scalar("select count(*) from orders").fetch_one(&mut reader).await.unwrap();
    assert_eq!(seen, 1);
}

#[tokio::test]
async fn a_locked_table_holds_up_its_lane_only_as_long_as_it_is_locked() {
    let scene = Scene::new("locked").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let mut operator = PgConnection::connect(&scene.url).await.unwrap();
    operator.execute("begin; lock table orders in share update exclusive mode").await.unwrap();
    let batch = [frame(1, &[fact("A").order()])];
    let before = std::time::Instant::now();
    let error = writer.commit(&batch).await.unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(8), "waited {:?} for a lock", before.elapsed());
    assert!(matches!(&error, CommitError::Store(error) if error.class() == ErrorClass::Contention), "{error}");
    operator.execute("rollback").await.unwrap();
    let mut again = scene.writer(Lane::Orders).await;
    assert_eq!(again.commit(&batch).await.unwrap().rows, tally(1, 0, 0));
}

#[tokio::test]
async fn a_partition_that_somebody_detached_is_made_again_under_another_name() {
    let scene = Scene::new("detached").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &[fact("A").order()])]).await.unwrap();
    scene.sql("alter table orders detach partition orders_20250630").await;
    let committed = writer.commit(&[frame(2, &[fact("A").order(), fact("B").order()])]).await.unwrap();
    assert_eq!(committed.rows, tally(2, 0, 0));
    assert_eq!(names(&scene, "orders").await, "orders_20250630_2");
}

#[tokio::test]
async fn a_default_partition_takes_everything() {
    let scene = Scene::new("default").await;
    scene.sql("create table rest partition of orders default").await;
    let mut writer = scene.writer(Lane::Orders).await;
    assert_eq!(writer.store.make_partitions_ahead(Timestamp::now()).await.unwrap(), 0);
    writer.commit(&[frame(1, &[fact("A").order()])]).await.unwrap();
    assert_eq!(names(&scene, "orders").await, "rest");
}
