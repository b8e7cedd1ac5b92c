//! Tenants use the same ids, and nothing of one is taken for another's.

use forebay_model::Lane;
use forebay_shard::Reason;

use crate::facts::{Fact, fact, frame};
use crate::scene::{Scene, tally};

const LATER: &str = "2025-07-01T00:00:00Z";

#[tokio::test]
async fn an_id_of_two_tenants_is_two_orders_and_of_one_a_conflict() {
    let scene = Scene::new("tenants").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let batch = [fact("A"), fact("A").of("T1"), fact("A").of("T2").at(LATER).price(7)].map(|fact| fact.order());
    let committed = writer.commit(&[frame(1, &batch)]).await.unwrap();
    assert_eq!((committed.rows, committed.was_staged), (tally(3, 0, 0), false));
    // Through staging, too.
    assert_eq!(writer.commit(&[frame(2, &batch)]).await.unwrap().rows, tally(0, 3, 0));
    assert_eq!(scene.sql("select count(distinct bucket) from orders").await, "3");
    assert_eq!(scene.sql("select tenant, total from order_time join orders using (bucket, tenant, order_id, customer_id, ordered_at) order by 1").await, "|100\nT1|100\nT2|7");

    let committed = writer.commit(&[frame(3, &[fact("A").of("T1").at(LATER).order()])]).await.unwrap();
    assert_eq!((committed.rows, committed.dead), (tally(0, 0, 1), vec![(Reason::Conflict, 1)]));
    let letter = "select tenant, order_id, stored ->> 'tenant', stored ->> 'ordered_at' from dead_letter";
    assert_eq!(scene.sql(letter).await, "T1|A|T1|2025-06-30T12:30:00+00:00");
}

#[tokio::test]
async fn index_and_views_of_two_tenants_stand_beside_each_other() {
    let scene = Scene::new("tenantviews").await;
    let facts = [fact("A"), fact("A").of("T1").price(7)];
    // Both lanes are in one stream.
    for (seq, lane, table, tuples) in [
        (1, Lane::Index, "order_index", facts.each_ref().map(Fact::index)),
        (3, Lane::Views, "order_views", facts.each_ref().map(Fact::view)),
    ] {
        let mut writer = scene.writer(lane).await;
        assert_eq!(writer.commit(&[frame(seq, &tuples)]).await.unwrap().rows, tally(2, 0, 0), "{lane}");
        assert_eq!(writer.commit(&[frame(seq + 1, &tuples)]).await.unwrap().rows, tally(0, 2, 0), "{lane}");
        assert_eq!(scene.sql(&format!("select tenant, order_id from {table} order by 1")).await, "|A\nT1|A", "{lane}");
    }
}
