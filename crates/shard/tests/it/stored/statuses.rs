//! What rows keep of what happened to their orders.

use forebay_model::Lane;
use forebay_shard::read::status::{RowKey, key_columns, standings};
use forebay_shard::{StatusIndexes, StoreSettings};
use forebay_testkit::eventually;
use sqlx::{Connection, PgConnection};

use crate::facts::{fact, frame};
use crate::scene::Scene;

#[tokio::test]
async fn no_order_is_looked_up_by_the_indexes_by_status() {
    let scene = Scene::new("statuslook").await;
    let mut writer = scene.writer_with(Lane::Orders, StoreSettings::default()).await;
    let orders: Vec<Vec<u8>> = (0..500).map(|n| fact(format!("O{n}")).order()).collect();
    writer.commit(&[frame(1, &orders)]).await.unwrap();
    let happened = "insert into order_events \
        select bucket, tenant, order_id, customer_id, 'E', 'shipped', now(), 1, 1, '{}' from orders";
    scene.sql(happened).await;
    let address = scene.addresses().iter().next().unwrap().clone();
    eventually("the indexes by status are made", async || {
        let made = StatusIndexes::make(&address, Lane::Orders).await.unwrap();
        (matches!(made, StatusIndexes::Made(_)), made)
    })
    .await;
    // Of all indexes only those are left that would go through every order of the customer.
    let others = "update pg_index set indisvalid = false \
        where indrelid = 'orders_20250630'::regclass and indexrelid::regclass::text not like '%status%'";
    scene.sql(others).await;

    let mut connection = PgConnection::connect(&scene.url).await.unwrap();
    let select = format!("select {} from orders", key_columns(Lane::Orders));
    let rows = sqlx::query(sqlx::AssertSqlSafe(select)).fetch_all(&mut connection).await.unwrap();
    let keys: Vec<RowKey> = rows.iter().map(|row| RowKey::from_row(row).unwrap()).collect();
    sqlx::query("set enable_seqscan = off").execute(&mut connection).await.unwrap();
    let found = standings(&mut connection, Lane::Orders, &keys.iter().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(found.iter().filter(|standing| standing.stored != standing.follows).count(), 500);
    connection.close().await.unwrap();
    let scans = async |of: &str| -> u64 {
        scene.sql(&format!("{of} where relname = 'orders_20250630'")).await.parse().unwrap()
    };
    eventually("the server has counted its looks", async || {
        let of_table = scans("select seq_scan from pg_stat_user_tables").await;
        let of_indexes = scans("select coalesce(sum(idx_scan), 0) from pg_stat_user_indexes").await;
        (of_table + of_indexes >= 500, (of_table, of_indexes))
    })
    .await;
    assert_eq!(scans("select coalesce(sum(idx_scan), 0) from pg_stat_user_indexes").await, 0);
}
