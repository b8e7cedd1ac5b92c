//! The same fact twice is stored once; another fact of the same identity becomes a dead letter.

use forebay_model::Lane;
use forebay_shard::Reason;
use forebay_testkit::order::patched;

use crate::facts::{Fact, fact, frame, frames};
use crate::scene::{Scene, tally};

#[tokio::test]
async fn a_file_sent_again_is_counted_and_stores_nothing() {
    let scene = Scene::new("again").await;
    let mut writer = scene.writer(Lane::Orders).await;
    assert!(!writer.commit(&frames(1, 5)).await.unwrap().was_staged);
    let mut again = frames(1, 5);
    for frame in &mut again {
        frame.seq += 5;
    }
    let committed = writer.commit(&again).await.unwrap();
    assert_eq!((committed.rows, committed.was_staged), (tally(0, 50, 0), true));
    assert_eq!(scene.count("orders").await, 50);
    assert_eq!(writer.stored_tally().await.unwrap(), tally(50, 50, 0));
    // A batch without duplicates leads back to the straight way.
    assert_eq!(writer.commit(&frames(11, 1)).await.unwrap().rows, tally(10, 0, 0));
    assert!(!writer.commit(&frames(12, 1)).await.unwrap().was_staged);
    assert_eq!(scene.count("dead_letter").await, 0);
}

#[tokio::test]
async fn the_same_fact_twice_in_one_batch_is_stored_once() {
    let scene = Scene::new("within").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let (a, b) = (fact("A").order(), fact("B").order());
    let batch = [frame(1, &[a.clone(), b.clone(), a.clone()]), frame(2, &[b, a])];
    assert_eq!(writer.commit(&batch).await.unwrap().rows, tally(2, 3, 0));
    assert_eq!(scene.count("orders").await, 2);
}

#[tokio::test]
async fn equal_content_written_differently_is_a_duplicate() {
    let scene = Scene::new("equal").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let with = |note: &str| Fact { note: note.to_owned(), ..fact("A") }.order();
    writer.commit(&[frame(1, &[with("{\"x\":1,\"y\":[1.50]}")])]).await.unwrap();
    let committed = writer.commit(&[frame(2, &[with("{ \"y\": [1.5], \"x\": 1.0 }")])]).await.unwrap();
    assert_eq!(committed.rows, tally(0, 1, 0));
}

#[tokio::test]
async fn a_conflict_keeps_the_first_and_buries_the_other_with_both_contents() {
    let scene = Scene::new("conflict").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &[fact("A").order(), fact("B").order()])]).await.unwrap();
    let other = fact("B").price(777).order();
    let batch = [frame(2, &[fact("C").order()]), frame(3, &[fact("A").order(), other.clone(), fact("D").order()])];
    let committed = writer.commit(&batch).await.unwrap();
    assert_eq!((committed.rows, committed.dead), (tally(2, 1, 1), vec![(Reason::Conflict, 1)]));
    assert_eq!(scene.sql("select total from orders where order_id = 'B'").await, "100");
    let letter = scene
        .sql(
            "select lane, incarnation, stream_seq, row_in_frame, rows, reason, order_id, customer_id, \
             ordered_at at time zone 'utc', content ->> 'total', stored ->> 'total', content -> 'items' -> 0 ->> 'price', \
             epoch, enqueued_at = '2000-01-01Z' from dead_letter",
        )
        .await;
    assert_eq!(letter, "orders|7|3|1|1|conflict|B|CUST1|2025-06-30 12:30:00|777|100|777|1|t");
    let hex = other.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat();
    assert_eq!(scene.sql("select encode(tuple, 'hex') from dead_letter").await, hex);
}

#[tokio::test]
async fn of_a_conflict_within_one_batch_the_first_in_the_log_stays() {
    let scene = Scene::new("first").await;
    let mut writer = scene.writer(Lane::Orders).await;
    // Large and small rows in turn, so that their places in the staging table are not their order in the log.
    let large = |n: u32| Fact { note: format!("\"{}\"", "x".repeat(1500)), ..fact(format!("L{n}")) }.order();
    let mut tuples = Vec::new();
    for n in 0..200 {
        tuples.push(large(n));
        tuples.push(fact(format!("S{n}")).price(1).order());
    }
    for n in 0..200 {
        tuples.push(fact(format!("S{n}")).price(2).order());
    }
    let committed = writer.commit(&[frame(1, &tuples)]).await.unwrap();
    assert_eq!(committed.rows, tally(400, 0, 200));
    assert_eq!(scene.sql("select distinct total from orders where order_id like 'S%'").await, "1");
    let letters = scene.sql("select count(*), min(row_in_frame), count(distinct row_in_frame) from dead_letter").await;
    assert_eq!(letters, "200|400|200");
    let mismatched = "select count(*) from dead_letter where row_in_frame - 400 <> substr(order_id, 2)::int4";
    assert_eq!(scene.sql(mismatched).await, "0");
}

#[tokio::test]
async fn an_order_id_of_the_same_customer_at_another_time_conflicts_in_the_index() {
    let scene = Scene::new("index").await;
    let mut writer = scene.writer(Lane::Index).await;
    writer.commit(&[frame(1, &[fact("A").index()])]).await.unwrap();
    let later = fact("A").at("2025-07-01T00:00:00Z").index();
    let committed = writer.commit(&[frame(2, &[fact("A").index(), later, fact("B").index()])]).await.unwrap();
    assert_eq!(committed.rows, tally(1, 1, 1));
    let letter = scene.sql("select reason, order_id, stored ->> 'ordered_at' from dead_letter").await;
    assert_eq!(letter, "conflict|A|2025-06-30T12:30:00+00:00");
}

#[tokio::test]
async fn the_same_sum_in_another_currency_or_of_another_kind_conflicts() {
    let scene = Scene::new("currencies").await;
    for (lane, tuple) in [(Lane::Orders, fact("A").order()), (Lane::Views, fact("A").view())] {
        let mut writer = scene.writer(lane).await;
        let pounds = patched(tuple.clone(), b"EUR", b"GBP");
        let returned = patched(tuple.clone(), b"\x04sale", b"\x06return");
        let committed = writer.commit(&[frame(1, &[tuple.clone(), pounds, tuple, returned])]).await.unwrap();
        assert_eq!(committed.rows, tally(1, 1, 2), "{lane}");
    }
    let letters = "select lane, content ->> 'currency', content ->> 'kind', stored ->> 'currency', stored ->> 'kind' \
        from dead_letter order by id";
    let expected = ["orders", "views"].map(|lane| format!("{lane}|GBP|sale|EUR|sale\n{lane}|EUR|return|EUR|sale"));
    assert_eq!(scene.sql(letters).await, expected.join("\n"));
}

#[tokio::test]
async fn a_view_of_other_content_conflicts_too() {
    let scene = Scene::new("view").await;
    let mut writer = scene.writer(Lane::Views).await;
    writer.commit(&[frame(1, &[fact("A").view()])]).await.unwrap();
    let committed = writer.commit(&[frame(2, &[fact("A").price(7).view(), fact("A").view()])]).await.unwrap();
    assert_eq!(committed.rows, tally(0, 1, 1));
}
