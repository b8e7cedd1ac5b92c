//! Connections that die. Nothing is half stored, nothing dies of it, and no later query reads a wrong answer.

use forebay_model::{Lane, ShardId, StreamKind};
use forebay_shard::{CommitError, ErrorClass, SentOn, StoreSettings, StreamStore};
use forebay_testkit::eventually;
use sqlx::{Connection, Executor, PgConnection};

use crate::facts::{Fact, fact, frame, frames, indexed};
use crate::scene::{Scene, tally};

const TERMINATE: &str = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
    where datname = current_database() and application_name like 'forebay-writer%commit'";

#[tokio::test]
async fn a_session_that_is_killed_within_a_copy_stores_nothing_and_kills_nothing() {
    let scene = Scene::new("killed").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&frames(1, 1)).await.unwrap();
    // Somebody's uncommitted row of the same identity makes the COPY wait in the middle.
    let mut blocker = PgConnection::connect(&scene.url).await.unwrap();
    blocker.execute("begin; create temp table t as select * from orders limit 1; update t set order_id = 'O2-5'; insert into orders select * from t").await.unwrap();
    let batch = frames(2, 1);
    let position = writer.position;
    let commit = tokio::spawn(async move { (writer.commit(&batch).await, writer) });
    let waiting =
        "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    eventually("the COPY waits", async || {
        let waiting = scene.sql(waiting).await;
        (waiting == "1", waiting)
    })
    .await;
    scene.sql(TERMINATE).await;
    let (outcome, mut writer) = commit.await.unwrap();
    let Err(CommitError::Store(error)) = outcome else { panic!("{outcome:?}") };
    assert!(matches!(error.class(), ErrorClass::Shutdown | ErrorClass::Connection), "{error}");
    blocker.execute("rollback").await.unwrap();
    assert_eq!(writer.store.position().await.unwrap().unwrap().position, position);
    assert_eq!((scene.count("orders").await, scene.count("dead_letter").await), (10, 0));
    let mut again = scene.writer(Lane::Orders).await;
    assert_eq!(again.commit(&frames(2, 1)).await.unwrap().rows, tally(10, 0, 0));
}

#[tokio::test]
async fn answers_after_a_refused_copy_are_those_of_their_own_questions() {
    let scene = Scene::new("answers").await;
    let mut writer = scene.writer(Lane::Orders).await;
    for seq in 1..=12 {
        // Every other batch has a duplicate in it: refused in the middle, redone through staging.
        let tuples = [fact(seq).order(), fact(seq / 2).order(), fact(1000 + seq).order()];
        writer.commit(&[frame(seq, &tuples)]).await.unwrap();
        let stored = writer.store.position().await.unwrap().unwrap();
        assert_eq!((stored.position, stored.position.seq), (writer.position, seq));
        assert_eq!(stored.rows[Lane::Orders].rows(), seq * 3);
        assert_eq!(stored.rows[Lane::Orders].stored, scene.count("orders").await);
    }
}

#[tokio::test]
async fn a_commit_that_is_dropped_in_the_middle_stores_all_or_nothing() {
    let scene = Scene::new("dropped").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&frames(1, 1)).await.unwrap();
    for wait_us in (0..6000).step_by(300) {
        let first = writer.position.seq + 1;
        let batch = indexed(&frames(first, 20));
        let sent = SentOn::new();
        let commit = writer.store.commit(&batch, writer.position, &[], &sent);
        let _ = tokio::time::timeout(std::time::Duration::from_micros(wait_us), commit).await;
        // The abandoned transaction may still be on its way; the position's row shows when it has ended.
        let mut again = scene.writer(Lane::Orders).await;
        match again.commit(&frames(first, 20)).await {
            Ok(_) => {}
            Err(_) if again.position.seq == first + 19 => {}
            Err(CommitError::Fenced) => again.position = again.store.position().await.unwrap().unwrap().position,
            Err(error) => panic!("{error}"),
        }
        assert_eq!(again.position.seq, first + 19);
        assert_eq!(again.stored_tally().await.unwrap(), tally(scene.count("orders").await, 0, 0));
        assert_eq!(scene.count("orders").await, again.position.seq * 10);
        writer = again;
    }
}

#[tokio::test]
async fn a_server_that_refuses_writes_is_not_written_to() {
    let scene = Scene::new("readonly").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let name = scene.url.rsplit('/').next().unwrap();
    scene.sql(&format!("alter database \"{name}\" set default_transaction_read_only = on")).await;
    let mut writer = {
        writer.store =
            StreamStore::open(&scene.addresses(), StreamKind::Logged.on(ShardId(0)), StoreSettings::default())
                .await
                .unwrap();
        writer
    };
    let Err(CommitError::Store(error)) = writer.commit(&frames(1, 1)).await else { panic!("it was written") };
    assert_eq!(error.class(), ErrorClass::ReadOnly, "{error}");
}

#[tokio::test]
async fn too_many_rows_for_a_statement_go_in_parts() {
    let scene = Scene::new("large").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let large = |n: u64| Fact { note: format!("\"{}\"", "x".repeat(100_000)), ..fact(n) }.order();
    let batch: Vec<_> = (1..=40).map(|seq| frame(seq, &[large(seq)])).collect();
    assert_eq!(writer.commit(&batch).await.unwrap().rows, tally(40, 0, 0));
    let again: Vec<_> = (1..=40).map(|seq| frame(40 + seq, &[large(seq)])).collect();
    assert_eq!(writer.commit(&again).await.unwrap().rows, tally(0, 40, 0));
}
