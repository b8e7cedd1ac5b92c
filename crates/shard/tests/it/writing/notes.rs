//! How far facts are derived is noted only where the position and the notes are what their writer has read.

use forebay_model::{Incarnation, Lane, Position, ShardId};
use forebay_shard::{CommitError, Derived, DerivedNote, Published, SentOn};
use sqlx::{Connection, PgConnection};

use crate::facts::{fact, frame, frames, indexed};
use crate::scene::{Scene, Writer, tally};

/// What is noted of a target: derived up to that frame, and as many frames published there.
fn noted(target: u16, seq: u64) -> Derived {
    let at = |incarnation, seq| Position { incarnation: Incarnation::new(incarnation), seq };
    let frame_id = if seq == 0 { String::new() } else { format!("published-{target}-{seq}") };
    let published = Published { position: at(100 + u64::from(target), seq), frame_id };
    Derived { target: ShardId(target), through: at(7, seq), published }
}

fn moved(target: u16, from: u64, to: u64) -> DerivedNote {
    DerivedNote { before: noted(target, from), after: noted(target, to) }
}

/// A writer of orders that has begun to derive for two shards.
async fn writer(scene: &Scene) -> Writer {
    let mut writer = scene.writer(Lane::Orders).await;
    writer.store.begin_derived(&[noted(0, 0), noted(1, 0)]).await.unwrap();
    writer
}

async fn notes(scene: &Scene) -> Vec<Derived> {
    Derived::all(&mut PgConnection::connect(&scene.url).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn what_is_noted_already_stays_where_another_begins() {
    let scene = Scene::new("begin").await;
    let mut one = writer(&scene).await;
    one.store.note_derived(one.position, &[moved(1, 0, 3)]).await.unwrap();
    let mut other = scene.writer(Lane::Orders).await;
    let begun = other.store.begin_derived(&[noted(2, 9), noted(1, 8), noted(0, 7)]).await.unwrap();
    assert_eq!(begun, [noted(0, 0), noted(1, 3), noted(2, 9)]);
    assert_eq!(other.store.begin_derived(&[]).await.unwrap(), begun);
    assert_eq!(notes(&scene).await, begun);
}

/// As a leader is that was frozen in the middle of a commit: its transaction, and so its locks, stay.
#[tokio::test]
async fn notes_that_a_transaction_holds_keep_nobody_from_beginning() {
    let scene = Scene::new("held").await;
    let _one = writer(&scene).await;
    let mut frozen = PgConnection::connect(&scene.url).await.unwrap();
    let mut held = frozen.begin().await.unwrap();
    sqlx::query("update derived_through set stream_seq = 5").execute(&mut *held).await.unwrap();
    let mut other = scene.writer(Lane::Orders).await;
    assert_eq!(other.store.begin_derived(&[noted(0, 0), noted(1, 0)]).await.unwrap(), [noted(0, 0), noted(1, 0)]);
}

#[tokio::test]
async fn notes_move_with_a_commit_and_alone() {
    let scene = Scene::new("moved").await;
    let mut writer = writer(&scene).await;
    writer.commit(&frames(1, 2)).await.unwrap();
    let both = [moved(0, 0, 2), moved(1, 0, 1)];
    let committed = writer.store.commit(&indexed(&frames(3, 1)), writer.position, &both, &SentOn::new()).await.unwrap();
    writer.position = committed.position;
    assert_eq!((writer.position.seq, notes(&scene).await), (3, vec![noted(0, 2), noted(1, 1)]));
    let one_transaction = "select count(distinct x) from (select xmin::text x from derived_through union all select xmin::text from stream_position) t";
    assert_eq!(scene.sql(one_transaction).await, "1");
    // The other one stays where it is.
    writer.store.note_derived(writer.position, &[moved(1, 1, 3)]).await.unwrap();
    assert_eq!(notes(&scene).await, [noted(0, 2), noted(1, 3)]);
    writer.store.note_derived(writer.position, &[]).await.unwrap();
    let committed = writer.store.commit(&[], writer.position, &[moved(1, 3, 4)], &SentOn::new()).await.unwrap();
    assert_eq!((committed.frames, committed.position), (0, writer.position));
    assert_eq!(notes(&scene).await, [noted(0, 2), noted(1, 4)]);
    // They move through staging, and when rows are refused, too.
    let duplicates =
        frames(1, 1).into_iter().map(|frame| forebay_shard::LogFrame { seq: 4, ..frame }).collect::<Vec<_>>();
    let committed =
        writer.store.commit(&indexed(&duplicates), writer.position, &[moved(0, 2, 3)], &SentOn::new()).await.unwrap();
    writer.position = committed.position;
    let bad = frame(5, &[crate::facts::overflowing(&fact("BAD")), fact("A").order()]);
    let committed =
        writer.store.commit(&indexed(&[bad]), writer.position, &[moved(0, 3, 4)], &SentOn::new()).await.unwrap();
    assert_eq!(committed.rows[Lane::Orders], tally(1, 0, 1));
    assert_eq!(notes(&scene).await, [noted(0, 4), noted(1, 4)]);
}

#[tokio::test]
async fn where_the_first_half_of_a_batch_goes_first_so_do_its_notes_and_only_once() {
    let scene = Scene::new("halves").await;
    let mut writer = writer(&scene).await;
    let mut batch = frames(1, 4);
    batch[3] = frame(4, &[crate::facts::overflowing(&fact("BAD"))]);
    let committed =
        writer.store.commit(&indexed(&batch), writer.position, &[moved(0, 0, 0), moved(1, 0, 1)], &SentOn::new()).await;
    let committed = committed.unwrap();
    assert_eq!((committed.frames, notes(&scene).await), (2, vec![noted(0, 0), noted(1, 1)]));
}

#[tokio::test]
async fn a_note_that_is_another_fences_the_commit_and_nothing_is_stored_or_noted() {
    let scene = Scene::new("othernote").await;
    let (mut one, mut other) = (writer(&scene).await, writer(&scene).await);
    one.store.note_derived(one.position, &[moved(1, 0, 5)]).await.unwrap();
    let batch = indexed(&frames(1, 2));
    for notes in [&[moved(0, 0, 1), moved(1, 0, 1)][..], &[moved(1, 4, 6)], &[moved(2, 0, 1)]] {
        let refused = other.store.commit(&batch, other.position, notes, &SentOn::new()).await.unwrap_err();
        assert!(matches!(refused, CommitError::Fenced), "{refused}");
    }
    // Every part of a note counts.
    let mut strange = [(); 4].map(|()| moved(1, 5, 6));
    strange[0].before.through.incarnation = Incarnation::new(8);
    strange[1].before.published.position.incarnation = Incarnation::new(8);
    strange[2].before.published.position.seq = 6;
    strange[3].before.published.frame_id.push('x');
    for note in strange {
        let refused = other.store.commit(&batch, other.position, &[note], &SentOn::new()).await.unwrap_err();
        assert!(matches!(refused, CommitError::Fenced), "{refused}");
    }
    assert_eq!(scene.count("orders").await, 0);
    assert_eq!(other.store.position().await.unwrap().unwrap().position, other.position);
    assert_eq!(notes(&scene).await, [noted(0, 0), noted(1, 5)]);
    other.store.commit(&batch, other.position, &[moved(0, 0, 1), moved(1, 5, 6)], &SentOn::new()).await.unwrap();
    assert_eq!(notes(&scene).await, [noted(0, 1), noted(1, 6)]);
}

#[tokio::test]
async fn a_writer_that_another_has_overtaken_notes_nothing() {
    let scene = Scene::new("overtaken").await;
    let (mut one, mut other) = (writer(&scene).await, writer(&scene).await);
    one.commit(&frames(1, 1)).await.unwrap();
    // The note is as it was read; the position is not.
    let refused = other.store.note_derived(other.position, &[moved(0, 0, 1)]).await.unwrap_err();
    assert!(matches!(refused, CommitError::Fenced), "{refused}");
    let renewed = Position { incarnation: Incarnation::new(8), ..one.position };
    assert!(matches!(one.store.note_derived(renewed, &[moved(0, 0, 1)]).await, Err(CommitError::Fenced)));
    let late = other.store.commit(&indexed(&frames(1, 1)), other.position, &[moved(0, 0, 1)], &SentOn::new()).await;
    assert!(matches!(late, Err(CommitError::Fenced)), "{late:?}");
    assert_eq!(notes(&scene).await, [noted(0, 0), noted(1, 0)]);
    // The position is as it was read; one of the notes is not.
    one.store.note_derived(one.position, &[moved(1, 0, 1)]).await.unwrap();
    other.position = one.position;
    let refused = other.store.note_derived(other.position, &[moved(0, 0, 1), moved(1, 0, 1)]).await.unwrap_err();
    assert!(matches!(refused, CommitError::Fenced), "{refused}");
    assert_eq!(notes(&scene).await, [noted(0, 0), noted(1, 1)]);
    // After that its sessions are as good as before.
    other.store.note_derived(other.position, &[moved(0, 0, 1)]).await.unwrap();
    assert_eq!(notes(&scene).await, [noted(0, 1), noted(1, 1)]);
}

#[tokio::test]
async fn writers_that_race_move_each_note_once() {
    let scene = Scene::new("noterace").await;
    drop(writer(&scene).await);
    let moves = (0..4).map(|_| async {
        let mut writer = scene.writer(Lane::Orders).await;
        let mut moves = 0;
        loop {
            let position = writer.store.position().await.unwrap().unwrap().position;
            let at = writer.store.begin_derived(&[]).await.unwrap()[0].through.seq;
            if position.seq >= 30 {
                return moves;
            }
            let note = [moved(0, at, at + 1)];
            let done = if (at + position.seq) % 2 == 0 {
                writer.store.note_derived(position, &note).await
            } else {
                writer
                    .store
                    .commit(&indexed(&frames(position.seq + 1, 1)), position, &note, &SentOn::new())
                    .await
                    .map(drop)
            };
            match done {
                Ok(()) => moves += 1,
                Err(CommitError::Fenced) => {}
                Err(error) => panic!("{error}"),
            }
        }
    });
    let moves: u64 = futures::future::join_all(moves).await.into_iter().sum();
    assert_eq!(notes(&scene).await[0], noted(0, moves));
    assert_eq!(scene.count("orders").await, 300);
}
