//! A replica follows its shard's server, and can take its place.

use std::time::{Duration, Instant};

use forebay_stack::{Durability, Server, Stack};

/// Asks a replica until it gives this answer.
async fn shows(stack: &Stack, statement: &str, wanted: &str) {
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let seen = stack.replica_sql(0, statement).await.map(|rows| rows.trim().to_owned());
        if seen.as_ref().is_ok_and(|seen| seen == wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "{statement}: still {seen:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_replica_follows_its_shard_and_takes_its_place() {
    let mut stack = Stack::temporary(1, Durability::Real).await.expect("start");
    stack.sql(0, "create table kept as select 1 as n").await.expect("psql");
    let replica = stack.add_replica(0).await.expect("a replica");
    assert!(stack.replica_sql(0, "insert into kept values (9)").await.is_err(), "a replica is only read");
    stack.sql(0, "insert into kept values (2)").await.expect("psql");
    shows(&stack, "select sum(n) from kept", "3").await;
    // Away for a while, it catches up.
    stack.kill(replica).await;
    stack.sql(0, "insert into kept values (3)").await.expect("psql");
    stack.restart(replica).await.expect("restart");
    shows(&stack, "select sum(n) from kept", "6").await;
    stack.kill(Server::Postgres(0)).await;
    stack.replica_sql(0, "select pg_promote()").await.expect("promotion");
    stack.replica_sql(0, "insert into kept values (4)").await.expect("it is the primary now");
    shows(&stack, "select sum(n) from kept", "10").await;
    stack.stop().await;
    assert!(!stack.is_alive(replica));
}
