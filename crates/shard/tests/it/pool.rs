//! Reading a shard whose servers come and go.

use std::time::{Duration, Instant};

use forebay_model::ShardId;
use forebay_shard::{Lease, PoolSettings, ShardAddresses, ShardError, ShardPool};
use forebay_stack::{Durability, Server, Stack};
use forebay_testkit::eventually;

use crate::scene::Scene;

async fn answer(pool: &ShardPool) -> i32 {
    let mut connection = pool.acquire().await.unwrap();
    sqlx::query_scalar("select 7").fetch_one(&mut *connection).await.unwrap()
}

/// A port on which nobody listens: it was free a moment ago.
fn dead_address() -> String {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("postgres://forebay@127.0.0.1:{port}/forebay")
}

#[tokio::test]
async fn the_second_address_serves_while_the_first_is_down() {
    let scene = Scene::new("second").await;
    let addresses: ShardAddresses = format!("{}|{}", dead_address(), scene.url).parse().unwrap();
    let pool = ShardPool::new(ShardId(0), &addresses, &PoolSettings::default());
    assert_eq!(answer(&pool).await, 7);
    let before = Instant::now();
    assert_eq!(answer(&pool).await, 7);
    assert!(before.elapsed() < Duration::from_millis(200), "the dead address cost {:?}", before.elapsed());
}

#[tokio::test]
async fn a_shard_that_is_down_fails_fast_and_says_why() {
    let pool = ShardPool::new(ShardId(3), &dead_address().parse().unwrap(), &PoolSettings::default());
    let before = Instant::now();
    let first = pool.acquire().await.unwrap_err().to_string();
    assert!(before.elapsed() < Duration::from_millis(500), "that nobody listens took {:?}", before.elapsed());
    assert!(first.starts_with("shard 3 cannot be reached: 127.0.0.1:") && first.contains("refused"), "{first}");
    let before = Instant::now();
    pool.acquire().await.unwrap_err();
    assert!(before.elapsed() < Duration::from_millis(100), "the second failure took {:?}", before.elapsed());
}

#[tokio::test]
async fn a_shard_whose_connections_are_all_in_use_is_busy_not_down() {
    let scene = Scene::new("busy").await;
    let settings =
        PoolSettings { connections_max: 1, acquire_timeout: Duration::from_secs(2), ..PoolSettings::default() };
    let pool = ShardPool::new(ShardId(0), &scene.addresses(), &settings);
    let held = pool.acquire().await.unwrap();
    assert!(matches!(pool.acquire().await.unwrap_err(), ShardError::Busy { .. }));
    drop(held);
    assert_eq!(answer(&pool).await, 7);
}

#[tokio::test]
async fn a_connection_whose_answer_was_not_read_is_cut() {
    let scene = Scene::new("cut").await;
    let pool = ShardPool::new(ShardId(0), &scene.addresses(), &PoolSettings::default());
    let lease = async || pool.servers()[0].lease(tokio::time::Instant::now() + Duration::from_secs(5)).await.unwrap();
    let session = async |lease: &mut Lease| {
        sqlx::query_scalar::<_, i32>("select pg_backend_pid()").fetch_one(&mut **lease).await.unwrap()
    };
    let mut read = lease().await;
    let first = session(&mut read).await;
    read.done();
    let mut given_up = lease().await;
    assert_eq!(session(&mut given_up).await, first, "it is leased again");
    drop(given_up);
    assert_ne!(session(&mut lease().await).await, first);
}

#[tokio::test]
async fn sessions_notice_a_client_that_is_gone() {
    let scene = Scene::new("session").await;
    let settings = PoolSettings { statement_timeout: Duration::from_millis(300), ..PoolSettings::default() };
    let pool = ShardPool::new(ShardId(0), &scene.addresses(), &settings);
    let mut connection = pool.acquire().await.unwrap();
    let settings: String = sqlx::query_scalar(
        "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where name in \
         ('statement_timeout', 'tcp_user_timeout', 'tcp_keepalives_idle', 'client_connection_check_interval', 'jit')",
    )
    .fetch_one(&mut *connection)
    .await
    .unwrap();
    assert_eq!(
        settings,
        "client_connection_check_interval=2000 jit=off statement_timeout=300 tcp_keepalives_idle=5 tcp_user_timeout=10000"
    );
}

#[tokio::test]
async fn a_standby_is_used_only_while_the_primary_is_down() {
    let mut stack = Stack::temporary(1, Durability::Fast).await.unwrap();
    stack.add_replica(0).await.unwrap();
    let addresses: ShardAddresses = format!("{}|{}", stack.replica_url(0), stack.postgres_url(0)).parse().unwrap();
    let pool = ShardPool::new(ShardId(0), &addresses, &PoolSettings::default());
    let is_standby = async || {
        let mut connection = pool.acquire().await.ok()?;
        sqlx::query_scalar::<_, bool>("select pg_is_in_recovery()").fetch_one(&mut *connection).await.ok()
    };
    for _ in 0..3 {
        assert_eq!(is_standby().await, Some(false));
    }
    stack.kill(Server::Postgres(0)).await;
    eventually("the standby is used", async || {
        let is_standby = is_standby().await;
        (is_standby == Some(true), is_standby)
    })
    .await;
}
