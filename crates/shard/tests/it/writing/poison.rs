//! Rows and frames that cannot be stored become dead letters, and their neighbours are stored.

use bytes::Bytes;
use forebay_model::Lane;
use forebay_shard::{LogFrame, Reason, SentOn};
use forebay_testkit::order::patched;

use crate::facts::{fact, frame, frames, indexed, overflowing};
use crate::scene::{Scene, tally};

async fn letters(scene: &Scene) -> String {
    scene
        .sql("select stream_seq, row_in_frame, rows, reason, coalesce(sqlstate, '-') from dead_letter order by 1, 2")
        .await
}

#[tokio::test]
async fn a_refused_row_is_found_and_its_neighbours_are_stored() {
    let scene = Scene::new("refused").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let mut batch = frames(1, 8);
    let bad = overflowing(&fact("BAD"));
    let not_utf8 = patched(fact("XXXX").order(), b"XXXX", b"X\xff\0X");
    batch[5] = frame(6, &[fact("P").order(), bad.clone(), fact("Q").order(), not_utf8, fact("R").order()]);
    let committed = writer.commit(&batch).await.unwrap();
    assert_eq!((committed.frames, committed.rows), (8, tally(73, 0, 2)));
    assert_eq!(committed.dead, [(Reason::Refused, 2)]);
    assert_eq!(letters(&scene).await, "6|1|1|refused|22003\n6|3|1|refused|22021");
    assert_eq!(scene.sql("select string_agg(order_id, '' order by order_id) from orders where order_id < 'Z' and length(order_id) = 1").await, "PQR");
    let letter = scene
        .sql(
            "select detail, order_id, content ->> 'attributes', stored is null from dead_letter where row_in_frame = 1",
        )
        .await;
    assert_eq!(letter, "value overflows numeric format|BAD|{\"note\":1e9999999}|t");
    let letter = scene.sql("select order_id, content ->> 'customer_id' from dead_letter where row_in_frame = 3").await;
    assert_eq!(letter, "X\u{fffd}\u{fffd}X|CUST1");
    assert_eq!(writer.stored_tally().await.unwrap(), tally(73, 0, 2));
}

#[tokio::test]
async fn what_is_no_currency_or_no_kind_is_refused() {
    let scene = Scene::new("nocurrency").await;
    for (lane, tuple) in [(Lane::Orders, fact("A").order()), (Lane::Views, fact("A").view())] {
        let mut writer = scene.writer(lane).await;
        let mut wrong = [b"eur", b"E1R", b"   "].map(|text| patched(tuple.clone(), b"EUR", text)).to_vec();
        wrong.push(patched(tuple.clone(), b"\x04sale", b"\x04gift"));
        let committed = writer.commit(&[frame(1, &[&wrong[..], &[tuple]].concat())]).await.unwrap();
        assert_eq!((committed.rows, committed.dead), (tally(1, 0, 4), vec![(Reason::Refused, 4)]), "{lane}");
    }
    assert_eq!(scene.sql("select distinct sqlstate from dead_letter").await, "23514");
}

#[tokio::test]
async fn frames_before_the_poison_go_first() {
    let scene = Scene::new("before").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let mut batch = frames(1, 16);
    batch[9] = frame(10, &[overflowing(&fact("BAD"))]);
    // However long the search takes, and however often it is interrupted, there is progress.
    let committed = writer.store.commit(&indexed(&batch), writer.position, &[], &SentOn::new()).await.unwrap();
    assert_eq!((committed.frames, committed.rows[Lane::Orders]), (8, tally(80, 0, 0)));
    writer.position = committed.position;
    assert_eq!(writer.commit(&batch[8..]).await.unwrap().rows, tally(70, 0, 1));
}

#[tokio::test]
async fn a_frame_of_nothing_but_poison_ends() {
    let scene = Scene::new("allpoison").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let tuples: Vec<_> = (0..40).map(|n| overflowing(&fact(format!("BAD{n}")))).collect();
    let committed = writer.commit(&[frame(1, &tuples), frame(2, &[fact("A").order()])]).await.unwrap();
    assert_eq!(committed.rows, tally(1, 0, 40));
}

#[tokio::test]
async fn poison_among_duplicates_and_conflicts_is_told_apart() {
    let scene = Scene::new("mixed").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &[fact("A").order(), fact("B").order()])]).await.unwrap();
    let tuples = [
        fact("A").order(),
        overflowing(&fact("C")),
        fact("B").price(9).order(),
        fact("D").order(),
        patched(fact("E").order(), b"\0\0\0\x08\0\x02", b"\0\0\0\x08\0\x7f"),
    ];
    let committed = writer.commit(&[frame(2, &tuples)]).await.unwrap();
    assert_eq!(committed.rows, tally(1, 1, 3));
    assert_eq!(letters(&scene).await, "2|1|1|refused|22003\n2|2|1|conflict|-\n2|4|1|out_of_range|-");
}

#[tokio::test]
async fn a_torn_frame_keeps_what_stands_before_the_tear() {
    let scene = Scene::new("torn").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let mut torn = frame(1, &[fact("A").order(), fact("B").order(), fact("C").order()]);
    let cut = fact("A").order().len() + 20;
    torn.payload = torn.payload.slice(..cut);
    let committed = writer.commit(&[torn, frame(2, &[fact("D").order()])]).await.unwrap();
    assert_eq!((committed.rows, committed.dead), (tally(2, 0, 2), vec![(Reason::TornTuple, 2)]));
    assert_eq!(letters(&scene).await, "1|1|2|torn_tuple|-");
    assert_eq!(scene.sql("select length(tuple), content is null from dead_letter").await, "20|t");
    assert_eq!(scene.sql("select string_agg(order_id, '' order by order_id) from orders").await, "AD");
}

#[tokio::test]
async fn a_tuple_with_a_wrong_field_is_buried_alone() {
    let scene = Scene::new("badtuple").await;
    let mut writer = scene.writer(Lane::Orders).await;
    // The version byte in front of a jsonb.
    let wrong_version = patched(fact("B").order(), b"\x01{\"note\"", b"\x07{\"note\"");
    let committed = writer.commit(&[frame(1, &[fact("A").order(), wrong_version, fact("C").order()])]).await.unwrap();
    assert_eq!(committed.rows, tally(2, 0, 1));
    assert_eq!(letters(&scene).await, "1|1|1|bad_tuple|-");
}

#[tokio::test]
async fn a_frame_that_miscounts_or_is_no_frame_is_one_letter() {
    let scene = Scene::new("miscount").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let miscounted = LogFrame { rows: 5, ..frame(1, &[fact("A").order()]) };
    let foreign = LogFrame {
        seq: 2,
        id: String::new(),
        rows: 1,
        payload: Bytes::from_static(b"\0hello"),
        fault: Some("no frame\0".to_owned()),
        ..frame(2, &[])
    };
    let index_tuples = frame(3, &[fact("A").index()]);
    let committed = writer.commit(&[miscounted, foreign, index_tuples, frame(4, &[fact("A").order()])]).await.unwrap();
    assert_eq!(committed.rows, tally(1, 0, 7));
    assert_eq!(letters(&scene).await, "1|0|5|row_count|-\n2|0|1|bad_frame|-\n3|0|1|torn_tuple|-");
    assert_eq!(writer.position.seq, 4);
}

#[tokio::test]
async fn a_time_that_no_order_can_have_makes_no_partition() {
    let scene = Scene::new("endoftime").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let at = |us: i64| {
        let real = fact("A").order();
        let bytes: [u8; 8] = (804_601_800_000_000i64).to_be_bytes();
        patched(real, &bytes, &us.to_be_bytes())
    };
    let tuples = [at(i64::MAX), at(i64::MIN), at(9_000_000_000_000_000_000), at(-1), fact("B").order()];
    let committed = writer.commit(&[frame(1, &tuples)]).await.unwrap();
    assert_eq!(committed.rows, tally(1, 0, 4));
    assert_eq!(scene.sql("select count(*) from pg_inherits where inhparent = 'orders'::regclass").await, "1");
}
