//! What control frames say is taken in the transaction of the position, and only where it is newer.

use bytes::Bytes;
use forebay_model::{Control, Epoch, Incarnation, Lane, Position, ShardId, StreamKind, ViewSet};
use forebay_shard::{AcceptedLoss, IndexedFrame, LogFrame, SentOn, StoreSettings, StreamStore, ViewsInForce};
use proptest::prelude::*;
use sqlx::{Connection, PgConnection};

use crate::facts::{fact, frame};
use crate::scene::{Scene, tally};

/// Some of five views, by their numbers.
fn views(numbers: &[u8]) -> ViewSet {
    let view =
        |number: &u8| serde_json::json!({"id": number, "name": format!("v{number}"), "path": format!("f{number}")});
    serde_json::from_value(numbers.iter().map(view).collect()).unwrap()
}

fn said(epoch: u64, numbers: &[u8]) -> ViewsInForce {
    ViewsInForce { epoch: Epoch(epoch), views: views(numbers) }
}

/// A control frame that says it.
fn control(seq: u64, said: &ViewsInForce) -> IndexedFrame {
    let frame = LogFrame { rows: 0, payload: Bytes::new(), ..frame(seq, &[]) };
    frame.saying(Control::Views { epoch: said.epoch, in_force: said.views.clone() })
}

async fn taken(scene: &Scene) -> Option<ViewsInForce> {
    ViewsInForce::read(&mut PgConnection::connect(&scene.url).await.unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_control_frame_twice_or_of_a_lower_epoch_does_nothing() {
    let scene = Scene::new("control").await;
    let mut writer = scene.writer(Lane::Orders).await;
    assert_eq!(taken(&scene).await, None);
    let cases =
        [(3, vec![1, 2], true), (3, vec![4], false), (2, vec![5], false), (9, vec![2, 3], true), (4, vec![1], false)];
    let mut expected = None;
    for (seq, (epoch, numbers, is_newer)) in (1..).zip(cases) {
        let said = said(epoch, &numbers);
        let committed = writer.commit_all(&[control(seq, &said)]).await.unwrap();
        assert_eq!((committed.frames, committed.views), (1, is_newer.then(|| said.views.clone())), "frame {seq}");
        if is_newer {
            expected = Some((seq, said));
        }
        let (at, in_force) = expected.clone().unwrap();
        assert_eq!(taken(&scene).await, Some(in_force));
        let place = "select incarnation || '.' || stream_seq from control_taken where kind = 'views'";
        assert_eq!(scene.sql(place).await, format!("7.{at}"));
    }
    assert_eq!(writer.stored_tally().await.unwrap(), tally(0, 0, 0), "control frames have no rows");
}

#[tokio::test]
async fn a_batch_has_control_frames_among_its_rows_and_a_part_of_it_takes_only_its_own() {
    let scene = Scene::new("among").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let orders = |seq, ids: &[&str]| {
        frame(seq, &ids.iter().map(|id| fact(id).order()).collect::<Vec<_>>()).indexed(Lane::Orders)
    };
    let batch = [orders(1, &["A"]), control(2, &said(2, &[1])), orders(3, &["B", "A"]), control(4, &said(3, &[1, 2]))];
    let committed = writer.commit_all(&batch).await.unwrap();
    assert_eq!((committed.rows[Lane::Orders], committed.views), (tally(2, 1, 0), Some(views(&[1, 2]))));
    // The frame that is refused is committed apart from what is behind it.
    let refused = frame(6, &[crate::facts::overflowing(&fact("BAD"))]).indexed(Lane::Orders);
    let batch = [control(5, &said(5, &[3])), refused, control(7, &said(6, &[4]))];
    let first = writer.store.commit(&batch, writer.position, &[], &SentOn::new()).await.unwrap();
    assert!(first.frames < 3, "{first:?}");
    assert_eq!((first.views, taken(&scene).await), (Some(views(&[3])), Some(said(5, &[3]))));
}

#[tokio::test]
async fn what_is_not_committed_is_not_taken() {
    let scene = Scene::new("untaken").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let mut other = scene.writer(Lane::Orders).await;
    writer.commit_all(&[control(1, &said(2, &[1]))]).await.unwrap();
    assert!(other.commit_all(&[control(1, &said(3, &[2]))]).await.is_err(), "it is fenced");
    assert_eq!(taken(&scene).await, Some(said(2, &[1])));
}

#[tokio::test]
async fn a_stream_begins_with_the_views_of_the_map_and_goes_on_with_them_after_a_loss() {
    let scene = Scene::new("founding").await;
    let stream = StreamKind::Logged.on(ShardId(0));
    let mut store = StreamStore::open(&scene.addresses(), stream, StoreSettings::default()).await.unwrap();
    let start = Position { incarnation: Incarnation::new(7), seq: 0 };
    store.begin_at(start, Some(&said(4, &[1, 3]))).await.unwrap();
    assert_eq!(store.views_in_force().await.unwrap(), Some(said(4, &[1, 3])));
    // Somebody with an older map begins, too.
    store.begin_at(start, Some(&said(3, &[2]))).await.unwrap();
    assert_eq!(taken(&scene).await, Some(said(4, &[1, 3])));
    let mut connection = PgConnection::connect(&scene.url).await.unwrap();
    let after = Position { seq: 9, ..start };
    let of_map = said(6, &[3, 4]);
    let accept = AcceptedLoss::accept(&mut connection, StreamKind::Logged, start, after, "gone", Some(&of_map));
    assert!(accept.await.unwrap());
    assert_eq!(taken(&scene).await, Some(of_map));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, ..ProptestConfig::default() })]

    /// However often they are appended, in whatever order and in whatever batches: the highest epoch that was read holds.
    #[test]
    fn whatever_the_order_and_the_batches_the_newest_holds(
        frames in prop::collection::vec((1u64..8, any::<bool>()), 1..12),
        cuts in prop::collection::vec(1usize..4, 1..12),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let scene = Scene::new("anyorder").await;
            let mut writer = scene.writer(Lane::Orders).await;
            // Of an epoch there is only one decision.
            let of_epoch = |epoch: u64| said(epoch, &[(epoch % 5) as u8 + 1, (epoch % 3) as u8 + 6]);
            let order = |seq| frame(seq, &[fact(format!("O{seq}")).order()]).indexed(Lane::Orders);
            let made = |(seq, &(epoch, is_control)): (u64, &(u64, bool))| {
                if is_control { control(seq, &of_epoch(epoch)) } else { order(seq) }
            };
            let all: Vec<IndexedFrame> = (1..).zip(&frames).map(made).collect();
            let (mut rest, mut cuts, mut read) = (&all[..], cuts.iter().cycle(), 0);
            while !rest.is_empty() {
                let (batch, behind) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                writer.commit_all(batch).await.unwrap();
                rest = behind;
                read += batch.len();
                let newest = frames[..read].iter().filter(|frame| frame.1).map(|frame| frame.0).max();
                assert_eq!(taken(&scene).await, newest.map(of_epoch));
            }
            let orders = frames.iter().filter(|frame| !frame.1).count() as u64;
            assert_eq!(writer.stored_tally().await.unwrap(), tally(orders, 0, 0));
        });
    }
}
