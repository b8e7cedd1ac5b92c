//! Instants are the same here and there.

mod second;

use forebay_model::Timestamp;
use forebay_shard::Timestamptz;
use forebay_shard::{PoolSettings, ShardPool};

use crate::scene::Scene;

#[tokio::test]
async fn an_instant_bound_and_read_again_is_the_same() {
    let scene = Scene::empty("times").await;
    let pool = ShardPool::new(forebay_model::ShardId(0), &scene.addresses(), &PoolSettings::default());
    let mut connection = pool.acquire().await.unwrap();
    for text in ["2000-01-01T00:00:00Z", "1999-12-31T23:59:59.999999Z", "2025-06-30T12:30:00.000001Z"] {
        let at = Timestamptz(Timestamp::parse(text).unwrap());
        let (back, is_equal): (Timestamptz, bool) = sqlx::query_as("select $1, $1 = $2::timestamptz")
            .bind(at)
            .bind(text)
            .fetch_one(&mut *connection)
            .await
            .unwrap();
        assert_eq!((back, is_equal), (at, true), "{text}");
    }
    let array: Vec<Timestamptz> = sqlx::query_scalar("select $1")
        .bind(vec![Timestamptz(Timestamp::EARLIEST)])
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(array, [Timestamptz(Timestamp::EARLIEST)]);
}
