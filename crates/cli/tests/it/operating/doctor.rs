//! `forebay doctor`, of systems that are well and of broken ones.

use forebay_stack::{Durability, Installed, Managed, Process, Program, Ready, RedisGroup, Stack, free_ports, shared};
use forebay_testkit::command::Finished;
use serde_json::Value;

use crate::forebay::Forebay;

/// A system to be looked at.
struct Looked {
    forebay: Forebay,
    nats: String,
    prefix: String,
    shards: String,
    redis: String,
    monitor: Option<String>,
}

impl Looked {
    async fn shared(name: &str, shards: usize) -> Self {
        let stack = shared().await;
        Self {
            forebay: Forebay::new(),
            nats: stack.nats_url(),
            prefix: stack.unique_prefix(name),
            shards: stack.create_databases(shards, name).await.join(","),
            redis: stack.redis_url(),
            monitor: None,
        }
    }

    fn flags(&self) -> Vec<&str> {
        vec!["--nats", &self.nats, "--log-prefix", &self.prefix, "--shards", &self.shards]
    }

    async fn migrate(&self) {
        let ran = self.forebay.run(&[&["migrate"], &self.flags()[..]].concat()).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
    }

    async fn doctor(&self, further: &[&str]) -> Finished {
        let mut arguments = vec!["doctor", "--redis", &self.redis];
        if let Some(monitor) = &self.monitor {
            arguments.extend(["--nats-monitor", monitor]);
        }
        self.forebay.run(&[&arguments, &self.flags()[..], further].concat()).await
    }

    /// `subject check: saw` of every check with that verdict.
    async fn found(&self, verdict: &str, code: i32) -> Vec<String> {
        let ran = self.doctor(&["--json"]).await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        let report = ran.json().unwrap();
        let checks = report["checks"].as_array().unwrap().iter().filter(|check| check["verdict"] == verdict);
        checks.map(told).collect()
    }
}

fn told(check: &Value) -> String {
    let text = |name: &str| check[name].as_str().unwrap().to_owned();
    assert_eq!(check["verdict"] == "ok", check["advice"].is_null(), "{check}");
    format!("{} {}: {}", text("subject"), text("check"), text("saw"))
}

/// That something begins and goes on so was found.
fn assert_found(found: &[String], begin: &str, part: &str) {
    assert!(
        found.iter().any(|line| line.starts_with(begin) && line.contains(part)),
        "no {begin:?} … {part:?}: {found:#?}"
    );
}

/// A NATS server with a monitoring port, in a directory of the test's own.
async fn monitored_nats(dir: &std::path::Path, sync_interval: &str) -> (Process, String, String) {
    let [port, monitor]: [u16; 2] = free_ports(2).try_into().unwrap();
    let config = dir.join("nats.conf");
    let store = dir.join("store");
    let text = format!(
        "listen: 127.0.0.1:{port}\nhttp: 127.0.0.1:{monitor}\n\
         jetstream {{ store_dir: \"{}\", sync_interval: {sync_interval}, max_file_store: 10GB }}\n",
        store.display()
    );
    std::fs::write(&config, text).unwrap();
    let program = Program::new(Installed::find().unwrap().nats).arg("-c").arg(&config);
    let ready = Ready::http(monitor, "/healthz?js-enabled-only=true");
    let process =
        Process::start(Managed::new("NATS", program, dir.join("nats.log"), ready).on_port(port)).await.unwrap();
    (process, format!("nats://127.0.0.1:{port}"), format!("http://127.0.0.1:{monitor}"))
}

#[tokio::test]
async fn a_system_that_is_well_has_nothing_that_failed() {
    let stack = Stack::temporary(2, Durability::Real).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (_nats, nats, monitor) = monitored_nats(dir.path(), "always").await;
    let looked = Looked {
        forebay: Forebay::new(),
        nats,
        prefix: "forebay".to_owned(),
        shards: stack.shards(),
        redis: stack.redis_url(),
        monitor: Some(monitor),
    };
    let none_yet = looked.found("failed", 1).await;
    assert_found(&none_yet, "shard map map", "there is none yet");
    assert_found(&none_yet, "shard 1 at", "migration 1, 2");
    looked.migrate().await;
    assert_eq!(looked.found("failed", 0).await, Vec::<String>::new());
    let ok = looked.found("ok", 0).await;
    assert_found(&ok, "NATS durability", "syncs before");
    assert_found(&ok, "NATS clock", "ms");
    assert_found(&ok, "shard map map", "epoch 1, 2 shards");
    assert_found(&ok, "streams of shard 1 stream", "positions fit");
    assert_found(&ok, "shard 0 at 127.0.0.1", "fsync = on, full_page_writes = on, synchronous_commit = on");
    assert_found(&ok, "shard 0 at 127.0.0.1", "are free on its disk");
    assert_found(&ok, "Redis at 127.0.0.1", "allkeys-lru");
    assert_found(&ok, "NATS room", "promised to streams");
    // Whether that is enough for what was promised, depends on this machine.
    assert_found(&[ok, looked.found("warning", 0).await].concat(), "NATS disk", "free in");
    let text = looked.doctor(&[]).await.stdout;
    assert!(text.contains("\n  ok       durability") && text.trim_end().ends_with(" 0 FAILED"), "{text}");
    stack.stop().await;
}

#[tokio::test]
async fn each_thing_that_is_broken_is_named_with_what_to_do() {
    let mut looked = Looked::shared("broken", 2).await;
    looked.migrate().await;
    // The servers that tests share have their durability off.
    assert_found(&looked.found("failed", 1).await, "shard 0 at", "fsync = off");
    let warned = looked.found("warning", 1).await;
    assert_found(&warned, "NATS durability", "a client is not told");
    assert_found(
        &warned,
        "NATS disk",
        "whether the log's disk is full was not looked at: where it is, only the monitoring port tells",
    );

    let urls: Vec<String> = looked.shards.split(',').map(str::to_owned).collect();
    shared().await.sql(&urls[1], "delete from _sqlx_migrations where version > 5").await.unwrap();
    shared().await.sql(&urls[0], "update _sqlx_migrations set checksum = '\\x00' where version = 3").await.unwrap();
    let context = async_nats::jetstream::new(async_nats::connect(&looked.nats).await.unwrap());
    context.delete_stream(format!("{}-logged-0", looked.prefix)).await.unwrap();
    let failed = looked.found("failed", 1).await;
    assert_found(&failed, "shard 1 at", "migration 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17 of 17 is missing");
    assert_found(&failed, "shard 0 at", "migration 3 is not the one of this version");
    assert_found(&failed, "streams of shard 0 stream", "there is no stream");

    // Made anew, while the shard has a position in the old one.
    let position = "insert into stream_position (stream, incarnation, stream_seq, frame_id, committed_at, epoch) \
        values ('logged', 1, 5, 'x', now(), 1), ('derived', 1, 5, 'x', now(), 1) on conflict do nothing";
    shared().await.sql(&urls[0], position).await.unwrap();
    assert_found(&looked.found("failed", 1).await, "streams of shard 0 position", "derived-0 is halted");

    let nowhere = format!("postgres://forebay@127.0.0.1:{}/forebay", free_ports(1)[0]);
    looked.shards = format!("{nowhere},{}", urls[1]);
    looked.redis = format!("redis://127.0.0.1:{}", free_ports(1)[0]);
    assert_found(&looked.found("failed", 1).await, "shard 0 at", "cannot be reached");
    assert_found(&looked.found("warning", 1).await, "Redis at", "reachable");
    looked.shards = [&urls[0], &urls[1], &nowhere].map(String::as_str).join(",");
    assert_found(&looked.found("failed", 1).await, "shard map map", "2 shards; --shards has 3");

    looked.nats = format!("nats://127.0.0.1:{}", free_ports(1)[0]);
    assert_found(&looked.found("failed", 1).await, "NATS reachable", "does not answer");
}

#[tokio::test]
async fn addresses_that_were_exchanged_are_named_and_nothing_else_is_advised() {
    let mut looked = Looked::shared("swapped", 2).await;
    looked.migrate().await;
    let urls: Vec<String> = looked.shards.split(',').map(str::to_owned).collect();
    // That was all that it takes for a shard to know who it is.
    for (shard, url) in urls.iter().enumerate() {
        let taken_in = format!("select shard from shard_identity where shard = {shard}");
        assert_eq!(shared().await.sql(url, &taken_in).await.unwrap().trim(), shard.to_string());
    }
    looked.shards = format!("{},{}", urls[1], urls[0]);
    let failed = looked.found("failed", 1).await;
    assert_eq!(failed.len(), 2, "{failed:#?}");
    let text = looked.doctor(&[]).await.stdout;
    assert_eq!(text.matches("correct --shards, or what the map says").count(), 2, "{text}");
    for (shard, other) in [(0, 1), (1, 0)] {
        let said = format!("it is shard {other}, and --shards or the map names it in the place of shard {shard}");
        assert_found(&failed, &format!("shard {shard} at"), &said);
        assert_found(&failed, &format!("shard {shard} at"), "identity: ");
        let ok = looked.found("ok", 1).await;
        assert_found(&ok, &format!("streams of shard {shard} stream"), "positions are not known");
    }

    looked.shards = urls.join(",");
    shared().await.sql(&urls[1], "update shard_identity set system = '00000000000000ff'").await.unwrap();
    assert_found(&looked.found("failed", 1).await, "shard 1 at", "it is shard 1 of another system (00000000000000ff)");
}

#[tokio::test]
async fn a_log_that_syncs_late_has_failed() {
    let mut looked = Looked::shared("late", 1).await;
    let dir = tempfile::tempdir().unwrap();
    let (_nats, nats, monitor) = monitored_nats(dir.path(), "\"10s\"").await;
    let shared_nats = std::mem::replace(&mut looked.nats, nats);
    looked.monitor = Some(monitor);
    assert_found(&looked.found("failed", 1).await, "NATS durability", "it syncs every 10 s");
    looked.nats = shared_nats;
    assert_found(&looked.found("warning", 1).await, "NATS durability", "is another server's");
}

#[tokio::test]
async fn the_primary_that_sentinels_name_and_each_of_a_cluster_are_looked_at() {
    let mut looked = Looked::shared("redises", 1).await;
    looked.migrate().await;
    let groups = [(RedisGroup::with_sentinels(true).await.unwrap(), 1), (RedisGroup::cluster(true).await.unwrap(), 3)];
    for (group, primaries) in groups {
        looked.redis = group.url();
        let flags = group.flags();
        let further: Vec<&str> = ["--json"].into_iter().chain(flags[2..].iter().map(String::as_str)).collect();
        let report = looked.doctor(&further).await.json().unwrap();
        let of_redis = |check: &&Value| check["subject"].as_str().unwrap().starts_with("Redis at ");
        let seen: Vec<String> = report["checks"].as_array().unwrap().iter().filter(of_redis).map(told).collect();
        for part in ["reachable: ", "memory: "] {
            let of_all = seen.iter().filter(|line| line.contains(part) && line.contains("Redis")).count();
            assert_eq!(of_all, primaries, "{seen:#?}");
        }
        assert_eq!(seen.len(), 2 * primaries + 1, "and a clock: {seen:#?}");
        assert!(seen.iter().all(|line| !line.contains("no bound")), "{seen:#?}");
    }
}

#[tokio::test]
async fn a_bad_setting_is_one_line() {
    let forebay = Forebay::new();
    for flags in [
        ["--nats", "nats://a b"],
        ["--shards", "mysql://x/y"],
        ["--redis", "http://x"],
        ["--redis", "redis+sentinel://x"],
    ] {
        let ran = forebay.run(&["doctor", flags[0], flags[1]]).await;
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(64), 1), "{ran:?}");
    }
}
