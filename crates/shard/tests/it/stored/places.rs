//! Every row keeps the place where it was first stored, nobody sees it, and it leads to the rows of a stretch.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::{Incarnation, Lane, Position, ShardId};
use forebay_shard::read::stored_order::OrderReader;
use forebay_shard::read::stretch::{self, PlacedOrders, Stretch, StretchPart};
use forebay_shard::{Comparison, IndexedFrame};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::facts::{fact, frame, overflowing};
use crate::scene::Scene;

/// A row of a frame: which order, at which price. Price 0 is refused.
type Row = (u8, u8);

fn any_frames() -> impl Strategy<Value = Vec<(Vec<Row>, usize)>> {
    // Many orders that come once, so that some batches go straight. Behind some frames another log begins.
    let row = (prop_oneof![Just(0u8), any::<u8>()], prop_oneof![20 => Just(1u8), 2 => Just(2), 1 => Just(0)]);
    prop::collection::vec((prop::collection::vec(row, 1..6), 1usize..4), 1..12)
}

fn indexed(seq: u64, case: u32, rows: &[Row]) -> IndexedFrame {
    let tuple = |&(order, price): &Row| {
        let fact = fact(format!("{case}-{order}"));
        if price == 0 { overflowing(&fact) } else { fact.price(price.into()).order() }
    };
    frame(seq, &rows.iter().map(tuple).collect::<Vec<_>>()).indexed(Lane::Orders)
}

#[tokio::test]
async fn every_row_keeps_the_place_where_it_was_first_stored() {
    let scene = Scene::new("places").await;
    let mut runner = TestRunner::default();
    let (mut straight, mut staged, mut incarnation) = (0, 0, 7);
    // Twelve, and as many more as it takes until both ways into the table were gone.
    for case in 0..200u32 {
        let frames = any_frames().new_tree(&mut runner).unwrap().current();
        let what = format!("case {case}: {frames:?}");
        let mut first: BTreeMap<String, String> = BTreeMap::new();
        let mut rest = &frames[..];
        while !rest.is_empty() {
            // Each log is read from its beginning, with the numbers of the one before.
            let mut writer = scene.writer(Lane::Orders).await;
            let (log, behind) = rest.split_at(rest.len().min(rest[0].1 * 2));
            incarnation += 1;
            let after = Position { incarnation: Incarnation::new(incarnation), seq: 0 };
            assert!(writer.store.accept_loss(writer.position, after, "").await.unwrap());
            writer.position = after;
            for (seq, batch) in (1u64..).zip(log.chunks(2)) {
                let numbered = (seq * 2 - 1..).zip(batch);
                let batch: Vec<_> = numbered.clone().map(|(seq, (rows, _))| indexed(seq, case, rows)).collect();
                let committed = writer.commit_all(&batch).await.unwrap();
                *(if committed.was_staged { &mut staged } else { &mut straight }) += 1;
                for (seq, (rows, _)) in numbered {
                    for (order, _) in rows.iter().filter(|(_, price)| *price > 0) {
                        first.entry(format!("{case}-{order}")).or_insert(format!("0|{incarnation}|{seq}"));
                    }
                }
            }
            rest = behind;
        }
        let stored = scene
            .sql(&format!(
                "select order_id, shard, incarnation, place_seq from orders join place_log on number = place_log \
                 where order_id like '{case}-%' order by order_id"
            ))
            .await;
        let expected: Vec<_> = first.iter().map(|(order, place)| format!("{order}|{place}")).collect();
        assert_eq!(stored, expected.join("\n"), "{what}");
        if case >= 11 && straight > 0 && staged > 0 {
            break;
        }
    }
    assert!(straight > 0 && staged > 0, "{straight} {staged}");
    let ascending = "select bool_and(number = place) from \
        (select number, row_number() over (order by incarnation) as place from place_log) as logs";
    assert_eq!(scene.sql(ascending).await, "t", "later logs have larger numbers");
}

#[tokio::test]
async fn nothing_that_is_told_of_a_row_has_its_place() {
    let scene = Scene::new("hidden").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let other = fact("A").price(7).order();
    // The same fact at another place is a duplicate, and another fact a conflict.
    let frames =
        [frame(1, &[fact("A").order()]), frame(2, &[fact("A").order()]), frame(3, std::slice::from_ref(&other))];
    let stored = writer.commit(&frames).await.unwrap();
    assert_eq!((stored.rows.stored, stored.rows.duplicate, stored.rows.dead), (1, 1, 1));
    let letter = scene.sql("select content, stored from dead_letter").await;
    assert!(letter.contains("\"total\": 7") && letter.contains("\"total\": 100"), "{letter}");
    assert!(!letter.contains("place"), "{letter}");
    let mut comparison = Comparison::new(&scene.addresses(), Lane::Orders);
    let told = format!("{:?}", comparison.differences(&[Bytes::from(other)]).await.unwrap());
    assert!(told.contains("total") && !told.contains("place"), "{told}");
}

/// Orders of a hundred days: `days` of them from one on, in frames of a day each.
async fn days(scene: &Scene, from: u64, days: u64) {
    let mut writer = scene.writer(Lane::Orders).await;
    let mut frames = Vec::new();
    for day in from..from + days {
        let at = format!("2025-{:02}-{:02}T12:00:00Z", day % 4 + 1, day / 4 % 25 + 1);
        let tuples: Vec<_> = (0..3).map(|row| fact(format!("{day}-{row}")).at(&at).order()).collect();
        frames.push(frame(writer.position.seq + 1 + frames.len() as u64, &tuples));
    }
    writer.commit(&frames).await.unwrap();
}

#[tokio::test]
async fn a_stretch_is_its_rows_in_their_order_whatever_their_time() {
    let scene = Scene::new("stretch").await;
    days(&scene, 0, 150).await;
    let upto = scene.writer(Lane::Orders).await.position;
    let reader = OrderReader::new(ShardId(0), &scene.addresses(), "test".to_owned());
    let (logs, windows) = reader.places(upto).await.unwrap().unwrap();
    assert_eq!((logs.len(), windows.len()), (1, 4), "{windows:?}");
    let ahead = Position { seq: upto.seq + 1, ..upto };
    assert_eq!(reader.places(ahead).await.unwrap(), None);

    let whole = Stretch { log: logs[0], behind: 40, upto: 90 };
    assert_eq!(reader.stretch(ahead, &whole, &StretchPart::Events, 10).await.unwrap(), None);
    let mut found = Vec::new();
    for window in &windows {
        let mut stretch = whole;
        loop {
            let part = StretchPart::Orders(*window);
            let PlacedOrders { orders: page, read_to, is_all } =
                reader.stretch(upto, &stretch, &part, 4).await.unwrap().unwrap();
            assert!(page.is_sorted_by_key(|placed| placed.seq));
            assert!(page.len() % 3 == 0, "the last frame is whole");
            let last = page.last().map(|last| last.seq);
            assert_eq!(last.unwrap_or(stretch.behind), read_to);
            assert_eq!(is_all, page.len() < 4);
            if last.is_none() {
                break;
            }
            stretch.behind = read_to;
            found.extend(page.into_iter().map(|placed| (placed.seq, placed.order.key.order_id)));
        }
    }
    found.sort_unstable();
    let expected = (41..=90u64).flat_map(|seq| (0..3).map(move |row| (seq, format!("{}-{row}", seq - 1))));
    assert_eq!(found, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stretch_is_a_walk_along_the_index_of_places_over_few_partitions() {
    let scene = Scene::new("stretchplan").await;
    days(&scene, 0, 100).await;
    scene.sql("analyze orders_20250103; analyze orders_20250204").await;
    let explain = format!(
        "set enable_seqscan = off; set enable_bitmapscan = off; set plan_cache_mode = force_custom_plan; \
         prepare read (int2, int8, int8, timestamptz, timestamptz, int8) as {}; \
         explain (costs off) execute read (1::int2, 40, 90, '2025-01-01Z', '2025-02-01Z', 2000)",
        stretch::text()
    );
    let plan = scene.sql(&explain).await;
    // Behind that stands what is read of each order that has events.
    let walk = plan.split("SubPlan").next().unwrap();
    let scans: Vec<_> = walk.lines().filter(|line| line.contains(" Scan ") && !line.contains("order_events")).collect();
    assert_eq!(scans.len(), 25, "{plan}");
    assert!(scans.iter().all(|scan| scan.contains("Index Scan using") && scan.contains("_place_")), "{plan}");
    assert!(walk.contains("Merge Append"), "{plan}");
    assert_eq!(walk.lines().filter(|line| line.trim_end().ends_with("->  Sort")).count(), 0, "{plan}");
}
