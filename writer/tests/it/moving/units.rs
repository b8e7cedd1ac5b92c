//! Rows in the log of a shard that their unit is not of, and units that change hands: each row ends in one place, once.

use std::collections::BTreeSet;

use forebay_log::Frame;
use forebay_model::ownership::{
    Act, Change, Compared, MoveEntry, Ownership, Phase, Scene as MoveScene, Side, State, Sums, Unit, Wishes,
};
use forebay_model::{
    Bucket, Control, CustomerId, Decision, Epoch, Lane, ShardId, ShardMap, StreamId, StreamKind, Tenant,
};
use forebay_testkit::eventually;
use forebay_testkit::log::{even_map, facts, publish};
use forebay_testkit::order::numbered;
use serde_json::{Value, json};

use crate::scene::{Scene, WriterProcess};

/// Orders of that many numbers, all of them in the log of shard 0, as an ingest logs them whose map is of a time when there was no other.
async fn log_by_an_old_map(scene: &Scene, orders: impl IntoIterator<Item = String>) {
    let orders: Vec<String> = orders.into_iter().collect();
    for chunk in orders.chunks(40) {
        for part in facts(chunk, &even_map(1)) {
            scene.log_frame(part.lane, ShardId(0), part.rows, part.tuples).await;
        }
    }
}

/// How many orders lie on a shard that their bucket is not of.
async fn astray(scene: &Scene) -> u64 {
    let mut rows = 0;
    for shard in 0..2 {
        let astray = format!("select count(*) from orders where bucket % 2 <> {shard}");
        rows += scene.shards.sql(shard, &astray).await.parse::<u64>().unwrap();
    }
    rows
}

async fn counted(scene: &Scene, column: &str) -> u64 {
    scene.shards.sum(&format!("select sum(rows_{column}) from lane_tally where lane = 'orders'")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_in_another_shards_log_end_where_their_bucket_is() {
    let scene = Scene::new("astray", 2).await;
    scene.prepare_log().await;
    log_by_an_old_map(&scene, (0..300).map(numbered)).await;
    let writer = scene.writer(&[]).await;
    scene.stored(300).await;
    assert_eq!(astray(&scene).await, 0);
    let there = scene.shards.sql(1, "select count(*) from orders").await.parse::<u64>().unwrap();
    assert!(there > 100, "{there}");
    assert_eq!((counted(&scene, "sent_on").await, counted(&scene, "stored").await), (there, 300));
    // Once more, and each with another price: what was first stays, wherever it was logged.
    log_by_an_old_map(&scene, (0..300).map(numbered)).await;
    let other = |number: u32| {
        let mut order: Value = numbered(number).parse().unwrap();
        order["items"][0]["price"] = json!(number + 1);
        order.to_string()
    };
    log_by_an_old_map(&scene, (0..300).map(other)).await;
    eventually("all of it is decided", async || {
        let found = (counted(&scene, "duplicate").await, counted(&scene, "dead").await);
        (found == (300, 300), found)
    })
    .await;
    scene.stored(300).await;
    writer.stop().await;
}

/// A writer that dies between the publish and the commit sends the rows once more.
async fn a_writer_that_dies_at(point: &str) {
    let scene = Scene::new("astraydies", 2).await;
    scene.prepare_log().await;
    log_by_an_old_map(&scene, (0..200).map(numbered)).await;
    for _ in 0..3 {
        let doomed = WriterProcess::start(&scene, &["--batch-rows", "60", "--failpoints", &format!("{point}=abort")]);
        assert_eq!(doomed.wait(), None, "it ends by itself");
    }
    let writer = scene.writer(&[]).await;
    scene.stored(200).await;
    assert_eq!(astray(&scene).await, 0);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_sent_on_and_not_committed_are_not_doubled() {
    a_writer_that_dies_at("before-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_were_sent_on_and_committed_unheard_are_not_lost() {
    a_writer_that_dies_at("after-commit").await;
}

fn bucket_of(map: &ShardMap, number: u32) -> Bucket {
    let order: Value = numbered(number).parse().unwrap();
    let customer = CustomerId::new(order["customer_id"].as_str().unwrap().to_owned()).unwrap();
    map.bucket_of(Tenant::none(), &customer)
}

/// A bucket of shard 0's, and the numbers of some orders of it.
fn a_bucket(map: &ShardMap) -> (Bucket, Vec<u32>) {
    let first =
        (0..1000).map(|number| bucket_of(map, number)).find(|&bucket| map.founder(bucket) == ShardId(0)).unwrap();
    (first, (0..1000).filter(|&number| bucket_of(map, number) == first).take(6).collect())
}

/// What a shard says of a unit, and whether nothing of it is there.
async fn side(scene: &Scene, map: &ShardMap, unit: Unit, shard: ShardId) -> (Ownership, bool) {
    let (stream, bucket, place) = (unit.stream(), unit.bucket().number(), usize::from(shard.0));
    let said = format!("select said from unit_owner where stream = '{stream}' and bucket = {bucket}");
    let said = scene.shards.sql(place, &said).await;
    let ownership = if !said.is_empty() {
        serde_json::from_str(&said).unwrap()
    } else if map.founder(unit.bucket()) == shard {
        let incarnation = scene.log.stream_state(stream.on(shard)).await.unwrap().incarnation;
        Ownership::first(Epoch(1), forebay_model::Position { incarnation, seq: 0 })
    } else {
        Ownership::default()
    };
    let tables: Vec<&str> = stream.lanes().map(Lane::table).chain(["parked"]).collect();
    let is_any = tables.iter().map(|table| format!("exists (select from {table} where bucket = {bucket})"));
    let is_any = scene.shards.sql(place, &format!("select {}", is_any.collect::<Vec<_>>().join(" or "))).await;
    (ownership, is_any == "f")
}

/// Moves a unit by the rules, as a mover does that knows nothing but what the map and the shards say; `copy` copies what is missing, and
/// `between` is called before each act.
async fn move_unit(scene: &Scene, unit: Unit, to: ShardId, mut between: impl AsyncFnMut(&Act)) -> ShardMap {
    let begun = scene.log.read_map().await.unwrap().decided(&[Decision::Begin(unit, to)]).unwrap();
    scene.log.update_map(&begun).await.unwrap();
    let mut logged: BTreeSet<(ShardId, Epoch)> = BTreeSet::new();
    let mut compared = None;
    loop {
        let map = scene.log.read_map().await.unwrap();
        let Some(entry) = map.moving(unit).cloned() else { return (*map).clone() };
        let (source, source_is_empty) = side(scene, &map, unit, entry.from).await;
        let (target, target_is_empty) = side(scene, &map, unit, entry.to).await;
        let view = MoveScene {
            entry: &entry,
            source: Side { ownership: &source, is_empty: source_is_empty },
            target: Side { ownership: &target, is_empty: target_is_empty },
            compared: compared.as_ref(),
            logged: &logged,
        };
        let next = view.next(Wishes { turn_back: false, may_release: true, may_clean: true });
        between(&next.act).await;
        match next.act {
            Act::Append(shard, change) => {
                logged.insert((shard, change.epoch));
                publish(&scene.log, shard, &Frame::of_control(&Control::Owner(change))).await;
            }
            Act::Decide(phase) => decide(scene, &map, &entry, phase).await,
            // Nothing was there before it moved, and nothing came since.
            Act::Compare => compared = Some(Compared::Equal(Sums::default())),
            Act::Finish => {
                let done = map.decided(&[Decision::Finish(unit, entry.of)]).unwrap();
                scene.log.update_map(&done).await.unwrap();
            }
            Act::Copy => panic!("there is nothing to copy"),
            Act::Wait(shard) => {
                let before = (source.clone(), target.clone(), source_is_empty, target_is_empty);
                eventually(&format!("shard {shard} says something else"), async || {
                    let (source, source_is_empty) = side(scene, &map, unit, entry.from).await;
                    let (target, target_is_empty) = side(scene, &map, unit, entry.to).await;
                    let now = (source, target, source_is_empty, target_is_empty);
                    (now != before, format!("{now:?}"))
                })
                .await;
            }
        }
    }
}

async fn decide(scene: &Scene, map: &ShardMap, entry: &MoveEntry, phase: Phase) {
    let next = map.decided(&[Decision::Next(entry.unit, entry.of, phase)]).unwrap();
    scene.log.update_map(&next).await.unwrap();
}

/// A bucket changes hands while its orders come by both logs, some twice, and some with another price: each ends at its new owner, once. What
/// follows from them does, too.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_changes_hands_while_its_orders_come_by_both_logs() {
    let scene = Scene::new("hands", 2).await;
    scene.prepare_log().await;
    let writer = scene.writer(&["--moves-at-once", "0"]).await;
    let map = scene.log.read_map().await.unwrap();
    let (bucket, numbers) = a_bucket(&map);
    let unit = Unit::of(StreamKind::Logged, bucket);
    let others: Vec<u32> = (30_000..).filter(|&number| bucket_of(&map, number) != bucket).take(100).collect();
    scene.log_json(others.into_iter().map(|number| numbered(number).parse().unwrap())).await;
    scene.stored(100).await;
    let mut rest = numbers.clone().into_iter();
    let moved = move_unit(&scene, unit, ShardId(1), async |act| {
        // From when the source's log has said that it releases it.
        if !matches!(act, Act::Decide(Phase::Routed) | Act::Compare | Act::Wait(_)) {
            return;
        }
        let state = scene.log.read_map().await.unwrap();
        if !matches!(state.moving(unit).unwrap().phase, Phase::Releasing | Phase::Routed) {
            return;
        }
        let Some(number) = rest.next() else { return };
        for shard in [0, 1, 0].map(ShardId) {
            let part = facts([numbered(number)], &even_map(1)).remove(0);
            publish(&scene.log, shard, &forebay_testkit::log::frame(part.lane, part.rows, part.tuples)).await;
        }
    })
    .await;
    assert_eq!(moved.shard(StreamKind::Logged, bucket), ShardId(1));
    log_by_an_old_map(&scene, numbers.iter().copied().map(numbered)).await;
    scene.stored(100 + numbers.len() as u64).await;
    let here = format!("select count(*) from orders where bucket = {}", bucket.number());
    assert_eq!(scene.shards.sql(0, &here).await, "0");
    assert_eq!(scene.shards.sql(1, &here).await, numbers.len().to_string());
    let (said, _) = side(&scene, &moved, unit, ShardId(1)).await;
    let (left, is_empty) = side(&scene, &moved, unit, ShardId(0)).await;
    assert_eq!((said.state, left.state, is_empty), (State::Owned, State::Cleaned { to: ShardId(1) }, true));
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_frame_of_another_kind_of_stream_is_not_passed_over() {
    let scene = Scene::new("wrongstream", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    let unit = Unit::of(StreamKind::Derived, Bucket::new(1).unwrap());
    let change: Change = MoveEntry::begin(unit, Epoch(2), ShardId(0), ShardId(1)).to_source().unwrap();
    let derived = Frame::of_control(&Control::Owner(change));
    let kind = forebay_log::FrameKind::Control(StreamKind::Logged);
    publish(&scene.log, ShardId(0), &Frame { kind, ..derived }).await;
    writer.has("halted", 1).await;
    let stream: StreamId = StreamKind::Logged.on(ShardId(0));
    assert_eq!(writer.stream(stream.kind, 0).await["state"], "halted");
    writer.stop().await;
}
