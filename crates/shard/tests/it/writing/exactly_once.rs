//! A batch is applied exactly once, by one of several writers.

use forebay_model::{Lane, Position, ShardId, StreamKind};
use forebay_shard::{CommitError, ErrorClass, StoreSettings, StreamStore};
use forebay_testkit::eventually;

use crate::facts::{Fact, fact, frame, frames};
use crate::scene::{Scene, tally};

#[tokio::test]
async fn a_batch_and_its_position_are_committed_together() {
    let scene = Scene::new("together").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let committed = writer.commit(&frames(1, 3)).await.unwrap();
    assert_eq!((committed.frames, committed.rows), (3, tally(30, 0, 0)));
    let stored = writer.store.position().await.unwrap().unwrap();
    assert_eq!((stored.position, &*stored.frame_id, stored.epoch.0), (committed.position, "frame-3", 1));
    assert_eq!(stored.position.seq, 3);
    assert_eq!(scene.count("orders").await, 30);
    let row = scene.sql("select customer_id, total, items, attributes from orders where order_id = 'O2-7'").await;
    assert_eq!(
        row,
        "CUST1|100|[{\"sku\": \"A\", \"price\": 100, \"quantity\": 1, \"seller_id\": \"S1\"}]|{\"note\": 111111111}"
    );
}

#[tokio::test]
async fn every_lane_takes_its_facts() {
    let scene = Scene::new("lanes").await;
    let facts = [fact("A"), fact("B")];
    let mut index = scene.writer(Lane::Index).await;
    index.commit(&[frame(1, &facts.each_ref().map(Fact::index))]).await.unwrap();
    let mut views = scene.writer(Lane::Views).await;
    views.commit(&[frame(2, &facts.each_ref().map(Fact::view))]).await.unwrap();
    assert_eq!(scene.sql("select order_id from order_index order by 1").await, "A\nB");
    assert_eq!(scene.sql("select view, key, subtotal from order_views").await, "1|S1|100\n1|S1|100");
}

#[tokio::test]
async fn of_two_writers_one_is_fenced_and_nothing_is_stored_twice() {
    let scene = Scene::new("fenced").await;
    let mut one = scene.writer(Lane::Orders).await;
    let mut other = scene.writer(Lane::Orders).await;
    one.commit(&frames(1, 2)).await.unwrap();
    // Other facts of the same place in the log: were it not for the position, they would be stored.
    let refused = other.commit(&[frame(1, &[fact("X").order()])]).await.unwrap_err();
    assert!(matches!(refused, CommitError::Fenced), "{refused}");
    assert_eq!(scene.count("orders").await, 20);
    other.position = other.store.position().await.unwrap().unwrap().position;
    other.commit(&frames(3, 1)).await.unwrap();
    assert!(matches!(one.commit(&frames(3, 1)).await, Err(CommitError::Fenced)));
    assert_eq!(other.stored_tally().await.unwrap(), tally(30, 0, 0));
}

#[tokio::test]
async fn writers_that_race_for_the_same_frames_store_them_once() {
    let scene = Scene::new("race").await;
    let race = (0..4).map(|_| async {
        let mut writer = scene.writer(Lane::Orders).await;
        while writer.position.seq < 20 {
            match writer.commit(&frames(writer.position.seq + 1, 2)).await {
                Ok(_) => {}
                Err(CommitError::Fenced) => {
                    writer.position = writer.store.position().await.unwrap().unwrap().position;
                }
                Err(error) => panic!("{error}"),
            }
        }
    });
    futures::future::join_all(race).await;
    let mut writer = scene.writer(Lane::Orders).await;
    assert_eq!((writer.position.seq, writer.stored_tally().await.unwrap()), (20, tally(200, 0, 0)));
    assert_eq!(scene.count("orders").await, 200);
}

#[tokio::test]
async fn frames_that_do_not_follow_the_position_are_not_committed() {
    let scene = Scene::new("follow").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&frames(1, 2)).await.unwrap();
    writer.commit(&frames(2, 2)).await.unwrap_err();
    writer.commit(&[frames(3, 1), frames(3, 1)].concat()).await.unwrap_err();
    // A hole would be skipped for ever.
    writer.commit(&frames(4, 1)).await.unwrap_err();
    writer.commit(&[frames(3, 1), frames(5, 1)].concat()).await.unwrap_err();
    assert_eq!(writer.stored_tally().await.unwrap(), tally(20, 0, 0));
}

#[tokio::test]
async fn a_position_of_another_incarnation_is_fenced() {
    let scene = Scene::new("incarnation").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.position = Position { incarnation: forebay_model::Incarnation::new(8), seq: 0 };
    assert!(matches!(writer.commit(&frames(1, 1)).await, Err(CommitError::Fenced)));
}

#[tokio::test]
async fn only_one_store_leads_and_its_end_frees_the_lead() {
    let scene = Scene::new("lead").await;
    let mut leader = scene.writer(Lane::Orders).await.store;
    let mut standby = scene.writer(Lane::Orders).await.store;
    let mut other_stream = scene.writer(Lane::Views).await.store;
    assert!(leader.try_lead().await.unwrap() && other_stream.try_lead().await.unwrap());
    assert!(!standby.try_lead().await.unwrap());
    // A refused COPY costs a connection, but not the lead.
    let position = leader.position().await.unwrap().unwrap().position;
    let mut writer = crate::scene::Writer { lane: Lane::Orders, position, store: leader };
    let twice = [frame(1, &[fact("A").order(), fact("A").order()])];
    assert_eq!(writer.commit(&twice).await.unwrap().rows, tally(1, 1, 0));
    assert!(!standby.try_lead().await.unwrap());
    drop(writer);
    eventually("the lead is free", async || (standby.try_lead().await.unwrap(), ())).await;
}

#[tokio::test]
async fn a_shard_without_tables_or_without_a_primary_says_so() {
    let scene = Scene::empty("bare").await;
    let error = StreamStore::open(&scene.addresses(), StreamKind::Logged.on(ShardId(0)), StoreSettings::default())
        .await
        .unwrap_err();
    assert_eq!(error.class(), ErrorClass::Schema, "{error}");
    let wrong = format!("{}x", scene.url).parse().unwrap();
    let error =
        StreamStore::open(&wrong, StreamKind::Logged.on(ShardId(0)), StoreSettings::default()).await.unwrap_err();
    assert_eq!(error.class(), ErrorClass::Schema, "{error}");
    assert!(error.to_string().contains("does not exist"), "{error}");
}

#[tokio::test]
async fn a_small_commit_does_not_wait_for_a_delayed_acknowledgement() {
    let scene = Scene::new("nagle").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let mut took = Vec::new();
    for seq in 1..=15 {
        let begun = std::time::Instant::now();
        writer.commit(&[frame(seq, &[fact(seq).order()])]).await.unwrap();
        took.push(begun.elapsed());
    }
    took.sort();
    // Without TCP_NODELAY it is 40 ms, always.
    assert!(took[7] < std::time::Duration::from_millis(25), "half of the commits took longer than {:?}", took[7]);
}
