//! Servers start, answer, and find their data again, whatever the last run has left.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use forebay_stack::{Durability, Server, Stack, StackConfig, free_ports, owner, wipe};

use crate::support::{ask, jetstream, open_dir, processes_below, user_of};

fn config(dir: &Path) -> StackConfig {
    let ports = free_ports(4);
    StackConfig::new(dir, vec![ports[0], ports[1]], ports[2], ports[3])
}

#[tokio::test]
async fn all_servers_answer_and_find_their_data_again() {
    let dir = open_dir();
    let stack = Stack::start(config(dir.path())).await.expect("first start");
    assert_eq!(stack.sql(1, "show fsync").await.expect("psql").trim(), "on");
    stack.sql(1, "create table kept as select 42 as answer").await.expect("psql");
    let stream = r#"{"name":"kept","subjects":["kept"]}"#;
    let made = jetstream(&stack.nats_url(), "STREAM.CREATE.kept", stream).await;
    assert!(made.contains(r#""did_create":true"#), "{made}");
    assert!(ask(&stack.redis_url(), "PING\r\n", "PONG").await.contains("+PONG"));
    assert_eq!(owner(dir.path()), Some(std::process::id()));
    stack.stop().await;
    drop(stack);
    assert_eq!(processes_below(dir.path()), Vec::<u32>::new());
    assert_eq!(owner(dir.path()), None);

    // On other ports, as if the settings had been changed meanwhile.
    let stack = Stack::start(config(dir.path())).await.expect("second start");
    assert_eq!(stack.sql(1, "select answer from kept").await.expect("psql").trim(), "42");
    let found = jetstream(&stack.nats_url(), "STREAM.INFO.kept", "").await;
    assert!(found.contains(r#""name":"kept""#) && !found.contains("error"), "{found}");
    stack.stop().await;
}

#[tokio::test]
async fn what_a_power_cut_leaves_does_not_prevent_the_next_start() {
    let dir = open_dir();
    let stack = Stack::start(config(dir.path())).await.expect("first start");
    stack.sql(0, "create table kept as select 1 as one").await.expect("psql");
    let pid_file = stack.data_dir().join("postgres-0/postmaster.pid");
    let left = std::fs::read_to_string(&pid_file).expect("a running server has a pid file");
    let server = stack.process(Server::Postgres(0)).pid().expect("it runs").to_string();
    drop(stack);
    // The number in a pid file that was left may be that of any process of the same user today.
    let other = Stack::temporary(0, Durability::Fast).await.expect("another stack");
    let somebody = other.process(Server::Redis).pid().expect("it runs").to_string();
    let stale = left.replacen(&server, &somebody, 1);
    assert_ne!(stale, left);
    std::fs::write(&pid_file, stale).expect("write the pid file");
    std::fs::create_dir_all(dir.path().join("servers/postgres-1.new/half-made")).expect("mkdir");

    let stack = Stack::start(config(dir.path())).await.expect("second start");
    assert_eq!(stack.sql(0, "select one from kept").await.expect("psql").trim(), "1");
    stack.stop().await;
}

#[tokio::test]
async fn one_directory_has_one_owner_and_is_wiped_only_without_one() {
    let dir = open_dir();
    let stack = Stack::start(config(dir.path())).await.expect("start");
    let second = Stack::start(config(dir.path())).await.err().expect("it is taken").to_string();
    assert!(
        second.ends_with(&format!("is in use by another running Forebay (process {})", std::process::id())),
        "{second}"
    );
    assert!(wipe(dir.path()).is_err());
    stack.stop().await;
    drop(stack);
    wipe(dir.path()).expect("wipe");
    assert!(!dir.path().join("servers").exists() && !dir.path().join("logs").exists());
}

#[tokio::test]
async fn two_stacks_run_side_by_side_and_leave_nothing() {
    let (one, two) = tokio::join!(Stack::temporary(1, Durability::Fast), Stack::temporary(1, Durability::Fast));
    let (one, two) = (one.expect("one"), two.expect("two"));
    for (stack, name) in [(&one, "one"), (&two, "two")] {
        stack.sql(0, &format!("create table who as select '{name}' as name")).await.expect("psql");
        assert_eq!(stack.sql(0, "show fsync").await.expect("psql").trim(), "off");
    }
    assert_eq!(one.sql(0, "select name from who").await.expect("psql").trim(), "one");
    let dirs = [one.data_dir().to_owned(), two.data_dir().to_owned()];
    one.stop().await;
    drop(one);
    assert_eq!(two.sql(0, "select name from who").await.expect("psql").trim(), "two");
    // Dropped without being stopped: killed, and its directory goes as well.
    drop(two);
    assert!(dirs.iter().all(|dir| !dir.exists()));
}

#[tokio::test]
async fn servers_never_run_as_root() {
    let stack = Stack::temporary(1, Durability::Fast).await.expect("start");
    let me = user_of(std::process::id());
    for process in stack.processes() {
        let user = user_of(process.pid().expect("it runs"));
        assert_ne!(user, 0, "{}", process.name());
        assert!(me == 0 || user == me, "{}", process.name());
    }
}

#[tokio::test]
async fn a_directory_that_is_closed_to_the_servers_user_holds_a_link_to_an_open_one() {
    let closed = tempfile::tempdir().expect("tempdir");
    std::fs::set_permissions(closed.path(), std::fs::Permissions::from_mode(0o700)).expect("chmod");
    let dir = closed.path().join("a clone with spaces/.forebay");
    let stack = Stack::start(config(&dir)).await.expect("start");
    assert_eq!(stack.sql(0, "select 1").await.expect("psql").trim(), "1");
    let data = stack.data_dir().to_owned();
    let moved = user_of(std::process::id()) == 0;
    assert_eq!(moved, !data.starts_with(closed.path().canonicalize().expect("it is there")));
    stack.stop().await;
    drop(stack);
    wipe(&dir).expect("wipe");
    assert!(!data.exists());
}
