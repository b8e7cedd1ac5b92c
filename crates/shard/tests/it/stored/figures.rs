//! What a shard's database says of itself.

use forebay_model::{Lane, Tenant};
use forebay_shard::read::{Scope, ShardFigures, Sight};
use sqlx::{Connection, PgConnection};

use crate::facts::frames;
use crate::scene::Scene;

#[tokio::test]
async fn a_sum_of_fewer_orders_than_none_is_told_and_not_taken_for_orders() {
    let scene = Scene::new("figures").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&frames(1, 1)).await.unwrap();
    let mut connection = PgConnection::connect(&scene.url).await.unwrap();
    let unbound = Scope::new(Tenant::default(), Sight::All).unbound().unwrap();
    let figures = ShardFigures::read(&mut connection, unbound).await.unwrap();
    assert_eq!(figures.sums.iter().map(|sum| sum.orders).collect::<Vec<_>>(), [10]);
    scene.sql("update order_sums set orders = -orders").await;
    let error = ShardFigures::read(&mut connection, unbound).await.unwrap_err();
    assert!(error.to_string().contains("fewer orders than none"), "{error}");
}
