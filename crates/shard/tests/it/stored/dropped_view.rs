//! The rows of a dropped view go piece by piece, and nobody else's.

use forebay_model::{Lane, ViewId};
use forebay_shard::dropped_view::{delete_dropped, rows_dropped};
use forebay_shard::{Merger, ShardAddresses};
use sqlx::{Connection, PgConnection};

use crate::facts::{fact, frame};
use crate::scene::Scene;

#[tokio::test]
async fn all_rows_of_a_view_go_and_are_counted_once() {
    let scene = Scene::new("dropped").await;
    let mut writer = scene.writer(Lane::Views).await;
    let facts: Vec<_> = (0..500).map(|number| fact(format!("O{number}")).view()).collect();
    writer.commit(&[frame(1, &facts)]).await.unwrap();
    // Further days, and further blocks than one piece has, most of them of another view.
    scene.sql("create table more partition of order_views for values from ('2030-01-01') to ('2030-02-01')").await;
    scene
        .sql(
            "insert into order_views select bucket, tenant, case n % 4 when 0 then 1 else 2 end, key || n, '2030-01-05', \
                order_id, customer_id, kind, currency, subtotal, 0, jsonb_build_array(repeat('x', 900), n) \
                from order_views cross join generate_series(1, 40) n",
        )
        .await;
    scene.sql("update lane_tally set rows_stored = rows_stored + 20000 where lane = 'views'").await;
    scene.sql("call forebay_sum_anew()").await;
    assert_eq!(scene.sql("select view, sum(orders) from view_sums group by 1 order by 1").await, "1|5500\n2|15000");
    assert_eq!(scene.sql("select pg_relation_size('more') > 2 * 1024 * 8192").await, "t", "more than two pieces");
    let mut connection = PgConnection::connect(&scene.url).await.unwrap();
    let view = ViewId::new(1).unwrap();
    assert_eq!(delete_dropped(&mut connection, view).await.unwrap(), 5500);
    assert_eq!(scene.sql("select view, count(*) from order_views group by 1").await, "2|15000");
    assert_eq!(scene.sql("select view, sum(orders) from view_sums group by 1").await, "2|15000");
    assert_eq!(delete_dropped(&mut connection, view).await.unwrap(), 5500, "again, it finds nothing");
    assert_eq!(rows_dropped(&mut connection, Lane::Views).await.unwrap(), 5500);
    let sum = "select rows_stored - (select count(*) from order_views) - (select sum(rows) from view_dropped) \
        from lane_tally where lane = 'views'";
    assert_eq!(scene.sql(sum).await, "0");
}

#[tokio::test]
async fn nothing_is_deleted_while_partitions_are_merged() {
    let scene = Scene::new("mergedrop").await;
    let mut writer = scene.writer(Lane::Views).await;
    writer.commit(&[frame(1, &[fact("O").view()])]).await.unwrap();
    let addresses: ShardAddresses = scene.addresses();
    let merger = Merger::open(addresses.iter().next().unwrap(), Lane::Orders).await.unwrap().unwrap();
    let mut connection = PgConnection::connect(&scene.url).await.unwrap();
    let deleting = tokio::spawn(async move { delete_dropped(&mut connection, ViewId::new(1).unwrap()).await });
    let tries = "select count(*) from pg_stat_activity where datname = current_database() and query ilike '%rollback%' \
        and application_name = ''";
    forebay_testkit::eventually("it has tried", async || {
        let tried = scene.sql(tries).await;
        (tried != "0", tried)
    })
    .await;
    assert!(!deleting.is_finished());
    assert_eq!(scene.count("order_views").await, 1);
    drop(merger);
    assert_eq!(deleting.await.unwrap().unwrap(), 1);
    assert_eq!(scene.count("order_views").await, 0);
}
