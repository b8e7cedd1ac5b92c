//! Faults that tests make on purpose, and supervision that undoes them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use forebay_stack::{Change, Durability, Server, Stack, supervise};
use forebay_testkit::eventually;

use crate::support::{ask, processes_below, state_of};

#[tokio::test]
async fn a_killed_shard_is_gone_with_its_sessions_and_keeps_what_it_committed() {
    let stack = Arc::new(Stack::temporary(1, Durability::Real).await.expect("start"));
    stack.sql(0, "create table kept as select 7 as seven").await.expect("psql");
    let busy = tokio::spawn({
        let stack = Arc::clone(&stack);
        // A session that computes does not notice by itself that its server has gone.
        async move { stack.sql(0, "select count(*) from generate_series(1, 1e12::int8) busy").await }
    });
    let sessions = "select count(*) from pg_stat_activity where query like '%busy' and state = 'active'";
    while stack.sql(0, &format!("{sessions} and pid <> pg_backend_pid()")).await.expect("psql").trim() != "1" {
        assert!(!busy.is_finished());
    }
    stack.kill(Server::Postgres(0)).await;
    assert!(!stack.is_alive(Server::Postgres(0)));
    let lost = tokio::time::timeout(Duration::from_secs(10), busy).await.expect("the session ends with its server");
    assert!(lost.expect("no panic").is_err());

    stack.restart(Server::Postgres(0)).await.expect("restart");
    assert_eq!(stack.sql(0, "select seven from kept").await.expect("psql").trim(), "7");
}

#[tokio::test]
async fn a_frozen_server_is_silent_until_it_goes_on_and_can_be_stopped() {
    let stack = Stack::temporary(1, Durability::Fast).await.expect("start");
    stack.pause(Server::Redis);
    stack.pause(Server::Postgres(0));
    let shard = stack.data_dir().join("postgres-0");
    eventually("a frozen server's helpers are frozen too", async || {
        let states: Vec<_> = processes_below(&shard).into_iter().map(state_of).collect();
        (states.len() > 2 && states.iter().all(|state| *state == Some('T')), states)
    })
    .await;
    let silent = tokio::time::timeout(Duration::from_millis(300), ask(&stack.redis_url(), "PING\r\n", "PONG")).await;
    assert!(silent.is_err(), "a frozen server answered {silent:?}");
    assert!(stack.is_alive(Server::Redis));
    stack.resume(Server::Redis);
    assert!(ask(&stack.redis_url(), "PING\r\n", "PONG").await.contains("+PONG"));
    // Postgres is still frozen here, and must not hold up the stop until its deadline.
    tokio::time::timeout(Duration::from_secs(10), stack.stop()).await.expect("stops although a server is frozen");
    assert!(!stack.is_alive(Server::Postgres(0)));
}

#[tokio::test]
async fn whatever_dies_is_started_again_and_that_is_said() {
    let stack = Stack::temporary(1, Durability::Fast).await.expect("start");
    let said = Arc::new(Mutex::new(Vec::new()));
    let watching = tokio::spawn({
        let said = Arc::clone(&said);
        supervise(stack.processes(), move |change| {
            said.lock().expect("no panic").push(match change {
                Change::Died { name, .. } => format!("{name} died"),
                Change::Restarted { name } => format!("{name} restarted"),
                Change::Failed { name, error } => format!("{name} failed: {error:#}"),
            });
        })
    });
    for server in [Server::Nats, Server::Postgres(0)] {
        said.lock().expect("no panic").clear();
        stack.kill(server).await;
        let changes = eventually("supervision tells of it", async || {
            let said = said.lock().expect("no panic").clone();
            (said.len() >= 2, said)
        })
        .await;
        assert_eq!(changes, [format!("{server} died"), format!("{server} restarted")]);
    }
    assert_eq!(stack.sql(0, "select 1").await.expect("psql").trim(), "1");
    // A stop in order is no death: nothing is said, nothing comes back, and the watch ends by itself.
    said.lock().expect("no panic").clear();
    stack.stop().await;
    tokio::time::timeout(Duration::from_secs(10), watching).await.expect("it ends").expect("no panic");
    assert!(said.lock().expect("no panic").is_empty());
}
