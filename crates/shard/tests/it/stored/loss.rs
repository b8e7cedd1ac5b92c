//! Going on after a loss.

use forebay_model::{Incarnation, Lane, Position, StreamKind};
use forebay_shard::{AcceptedLoss, PoolSettings, ShardPool};

use crate::facts::frames;
use crate::scene::{Scene, tally};

#[tokio::test]
async fn a_loss_is_accepted_once_and_kept_with_what_was_counted() {
    let scene = Scene::new("loss").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let before = writer.commit(&frames(1, 3)).await.unwrap().position;
    let pool = ShardPool::new(forebay_model::ShardId(0), &scene.addresses(), &PoolSettings::default());
    let mut connection = pool.acquire().await.unwrap();
    let incarnation = Incarnation::new(8);
    let after = Position { incarnation, seq: 0 };
    let elsewhere = Position { seq: before.seq - 1, ..before };
    assert!(!AcceptedLoss::accept(&mut connection, StreamKind::Logged, elsewhere, after, "", None).await.unwrap());
    assert_eq!(AcceptedLoss::last(&mut connection, Lane::Orders, incarnation).await.unwrap(), None);
    assert!(AcceptedLoss::accept(&mut connection, StreamKind::Logged, before, after, "gone", None).await.unwrap());
    assert!(!AcceptedLoss::accept(&mut connection, StreamKind::Logged, before, after, "gone", None).await.unwrap());

    let kept = AcceptedLoss::last(&mut connection, Lane::Orders, incarnation).await.unwrap().unwrap();
    assert_eq!((kept.before, kept.after, kept.rows, kept.detail.as_str()), (before, after, tally(30, 0, 0), "gone"));
    assert_eq!(AcceptedLoss::last(&mut connection, Lane::Index, incarnation).await.unwrap(), None);
    // The writer of before is fenced off, and the next one goes on from there.
    assert!(writer.commit(&frames(4, 1)).await.is_err());
    let position = writer.store.position().await.unwrap().unwrap();
    assert_eq!(
        (position.position, position.frame_id.as_str(), position.rows[Lane::Orders]),
        (after, "", tally(30, 0, 0))
    );
}
