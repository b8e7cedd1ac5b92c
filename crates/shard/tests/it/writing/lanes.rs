//! The lanes of a stream go together: one transaction and one position, and each lane's trouble is its own.

use bytes::Bytes;
use forebay_model::{Lane, PerLane, StreamKind};
use forebay_shard::{CommitError, DeadRows, IndexedFrame, LogFrame, Reason, StreamPosition, Tally};
use sqlx::{Connection, PgConnection};

use crate::facts::{Fact, fact, frame, frames, not_utf8, overflowing_view};
use crate::scene::{Scene, tally};

fn index(seq: u64, facts: &[Fact]) -> IndexedFrame {
    frame(seq, &facts.iter().map(Fact::index).collect::<Vec<_>>()).indexed(Lane::Index)
}

fn views(seq: u64, facts: &[Fact]) -> IndexedFrame {
    frame(seq, &facts.iter().map(Fact::view).collect::<Vec<_>>()).indexed(Lane::Views)
}

fn of_both(index: Tally, views: Tally) -> PerLane<Tally> {
    let mut tallies = PerLane::default();
    (tallies[Lane::Index], tallies[Lane::Views]) = (index, views);
    tallies
}

#[tokio::test]
async fn all_lanes_of_a_batch_are_one_transaction_with_one_position() {
    let scene = Scene::new("together").await;
    let mut writer = scene.writer(Lane::Index).await;
    let (first, last) = ([fact("A"), fact("B")], [fact("C")]);
    let batch = [index(1, &first), views(2, &first), views(3, &last), index(4, &last)];
    let committed = writer.commit_all(&batch).await.unwrap();
    let rows = of_both(tally(3, 0, 0), tally(3, 0, 0));
    assert_eq!((committed.frames, committed.rows, committed.was_staged), (4, rows, false));
    let stored = writer.store.position().await.unwrap().unwrap();
    assert_eq!((stored.position, stored.frame_id.as_str(), stored.rows), (committed.position, "frame-4", rows));
    assert_eq!(stored.position.seq, 4);
    let transactions = "select count(distinct x), count(*) from (select xmin::text x from order_index union all \
        select xmin::text from order_views union all select xmin::text from lane_tally union all \
        select xmin::text from stream_position) t";
    assert_eq!(scene.sql(transactions).await, "2|10", "the tally of a lane that had no rows is as it was begun");
}

#[tokio::test]
async fn a_duplicate_in_one_lane_sends_only_that_lane_through_staging() {
    let scene = Scene::new("onestaged").await;
    let mut writer = scene.writer(Lane::Index).await;
    let (known, new) = ([fact("A"), fact("B")], fact("N"));
    writer.commit_all(&[index(1, &known), views(2, &known)]).await.unwrap();
    let batch = [index(3, &[known[0].clone(), new.clone()]), views(4, &[new])];
    let committed = writer.commit_all(&batch).await.unwrap();
    assert_eq!((committed.rows, committed.was_staged), (of_both(tally(1, 1, 0), tally(1, 0, 0)), true));
    let staging = "select string_agg(relname, ' ' order by relname) from pg_class \
        where relpersistence = 't' and relkind = 'r' and relname like 'staged%'";
    assert_eq!(scene.sql(staging).await, "staged_index");
    // The other lane has had no trouble.
    assert!(!writer.commit_all(&[views(5, &[fact("O")])]).await.unwrap().was_staged);
    assert!(writer.commit_all(&[index(6, &[fact("O")])]).await.unwrap().was_staged);
    assert_eq!(writer.stored_tallies().await.unwrap(), of_both(tally(4, 1, 0), tally(4, 0, 0)));
    // Both at once.
    let committed = writer.commit_all(&[views(7, &known), index(8, &known)]).await.unwrap();
    assert_eq!(committed.rows, of_both(tally(0, 2, 0), tally(0, 2, 0)));
}

#[tokio::test]
async fn a_refused_row_of_one_lane_is_found_and_all_others_are_stored() {
    let scene = Scene::new("onerefused").await;
    let mut writer = scene.writer(Lane::Views).await;
    let all = [fact("P"), fact("Q"), fact("R")];
    let bad = frame(2, &[all[0].view(), overflowing_view("BAD"), all[1].view()]).indexed(Lane::Views);
    let batch = [index(1, &all), bad, index(3, &[fact("S")]), views(4, &all[2..])];
    let committed = writer.commit_all(&batch).await.unwrap();
    assert_eq!((committed.frames, committed.rows), (4, of_both(tally(4, 0, 0), tally(3, 0, 1))));
    assert_eq!(committed.dead, [(Lane::Views, Reason::Refused, 1)]);
    assert_eq!(committed.dead_rows, [DeadRows { seq: 2, row: 1, rows: 1 }]);
    let letter = scene.sql("select lane, stream_seq, row_in_frame, reason, order_id from dead_letter").await;
    assert_eq!(letter, "views|2|1|refused|BAD");
    assert_eq!(scene.sql("select string_agg(order_id, '' order by order_id) from order_index").await, "PQRS");
    assert_eq!(scene.sql("select string_agg(order_id, '' order by order_id) from order_views").await, "PQR");
    assert_eq!(writer.stored_tallies().await.unwrap(), committed.rows);
}

#[tokio::test]
async fn which_rows_have_died_is_told_whatever_they_died_of() {
    let scene = Scene::new("deadrows").await;
    let mut writer = scene.writer(Lane::Views).await;
    let known = [fact("A"), fact("B")];
    writer.commit_all(&[index(1, &known), views(2, &known)]).await.unwrap();
    let later = fact("A").at("2025-07-01T00:00:00Z");
    let dearer = fact("B").price(7);
    let broken = LogFrame { rows: 3, fault: Some("no frame".to_owned()), ..frame(5, &[fact("X").view()]) };
    let mut torn = frame(6, &[fact("C").index(), fact("D").index(), fact("E").index()]);
    torn.payload = Bytes::from(torn.payload[..fact("C").index().len() + 20].to_vec());
    let batch = [
        frame(3, &[fact("N").index(), later.index(), fact("A").index()]).indexed(Lane::Index),
        frame(4, &[dearer.view(), overflowing_view("BAD"), fact("N").view(), dearer.view()]).indexed(Lane::Views),
        broken.indexed(Lane::Views),
        torn.indexed(Lane::Index),
        frame(7, &[not_utf8(&fact("XXXX")), fact("O").index()]).indexed(Lane::Index),
    ];
    let committed = writer.commit_all(&batch).await.unwrap();
    assert_eq!(committed.rows, of_both(tally(3, 1, 4), tally(1, 0, 6)));
    let dead = |seq, row, rows| DeadRows { seq, row, rows };
    let all = [dead(3, 1, 1), dead(4, 0, 1), dead(4, 1, 1), dead(4, 3, 1), dead(5, 0, 3), dead(6, 1, 2), dead(7, 0, 1)];
    assert_eq!(committed.dead_rows, all);
    let letters = scene.sql("select stream_seq, row_in_frame, rows from dead_letter order by 1, 2").await;
    let told: Vec<_> = all.iter().map(|dead| format!("{}|{}|{}", dead.seq, dead.row, dead.rows)).collect();
    assert_eq!(letters, told.join("\n"));
}

#[tokio::test]
async fn an_order_that_conflicts_by_its_time_is_told_as_dead() {
    let scene = Scene::new("deadtime").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let tuples = [fact("A").order(), fact("A").at("2025-07-01T00:00:00Z").order(), fact("B").order()];
    let committed = writer.commit(&[frame(1, &tuples)]).await.unwrap();
    assert_eq!((committed.rows, committed.dead_rows), (tally(2, 0, 1), vec![DeadRows { seq: 1, row: 1, rows: 1 }]));
}

#[tokio::test]
async fn frames_of_another_stream_are_not_committed() {
    let scene = Scene::new("otherstream").await;
    let mut writer = scene.writer(Lane::Index).await;
    let orders = frame(2, &[fact("A").order()]).indexed(Lane::Orders);
    let refused = writer.commit_all(&[index(1, &[fact("A")]), orders]).await.unwrap_err();
    assert!(matches!(refused, CommitError::Violated(_)), "{refused}");
    assert_eq!(scene.count("order_index").await + scene.count("orders").await, 0);
}

#[tokio::test]
async fn the_streams_of_a_shard_have_positions_and_tallies_of_their_own() {
    let scene = Scene::new("ownpositions").await;
    let mut logged = scene.writer(Lane::Orders).await;
    let mut derived = scene.writer(Lane::Views).await;
    logged.commit(&frames(1, 3)).await.unwrap();
    derived.commit_all(&[views(1, &[fact("A")]), index(2, &[fact("A"), fact("B")])]).await.unwrap();
    let mut connection = PgConnection::connect(&scene.url).await.unwrap();
    let all = StreamPosition::all(&mut connection).await.unwrap();
    let seen: Vec<_> = all.iter().map(|of| (of.stream, of.position.seq, of.rows)).collect();
    let mut orders = PerLane::default();
    orders[Lane::Orders] = tally(30, 0, 0);
    let derived = of_both(tally(2, 0, 0), tally(1, 0, 0));
    let wanted = [(StreamKind::Derived, 2, derived), (StreamKind::Logged, 3, orders)];
    assert_eq!(seen, wanted);
    // A stream and a lane of a later version are nobody's here.
    scene.sql("insert into lane_tally values ('gifts', 'logged', 5, 5, 5), ('x', 'other', 1, 1, 1)").await;
    scene.sql("insert into stream_position values ('other', 1, 1, '', now(), 1)").await;
    assert_eq!(StreamPosition::all(&mut connection).await.unwrap(), all);
}
