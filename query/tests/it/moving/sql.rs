//! What SQL says of orders on all shards, while two have the rows of the same units.

use std::time::Duration;

use forebay_admin::moves::{Mover, MoverSettings};
use forebay_model::ShardId;

use super::scene::{A, CUSTOMERS, Scene};

const ORDERS: u64 = 120;

/// That there is each order once, by all that SQL can be asked.
async fn each_order_is_counted_once(scene: &Scene, when: &str) {
    let counts = [
        "select count(*) from order_items".to_owned(),
        "select coalesce(sum(orders), 0) from revenue_by_day".to_owned(),
        "select (coalesce(sum(gross), 0) / 100)::int8 from revenue_by_day".to_owned(),
        "select coalesce(sum(orders), 0) from order_sums".to_owned(),
        format!("select count(*) from generate_series(0, {CUSTOMERS} - 1) as n, forebay_orders_of('C' || n)"),
    ];
    for count in &counts {
        assert_eq!(scene.shards.sum(count).await, ORDERS, "{when}: {count}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_is_counted_once_while_two_shards_have_it() {
    let scene = Scene::start("sqlmoves", &[]).await;
    let logged = scene.log(&scene.first, 0..ORDERS).await;
    scene.is_stored(logged.len()).await;
    each_order_is_counted_once(&scene, "before").await;

    // The source keeps what another shard owns.
    let settings = MoverSettings { keep: Duration::from_hours(1), ..MoverSettings::default() };
    let mut mover = Mover::new(&scene.log, &scene.pools, settings);
    let units = scene.units(A, ORDERS);
    mover.begin(&units, ShardId(1)).await.unwrap();
    while !scene.log.read_map().await.unwrap().moves().iter().all(|entry| entry.phase.is_owned()) {
        mover.go_on(&|event| println!("{event:?}")).await.unwrap();
    }
    assert!(scene.shards.sum("select count(*) from orders").await > ORDERS, "the source has kept nothing");
    each_order_is_counted_once(&scene, "while the source keeps its rows").await;
    scene.shards.sql_everywhere("call forebay_sum_anew()").await;
    each_order_is_counted_once(&scene, "after the sums were made anew").await;
    scene.stop().await;
}
