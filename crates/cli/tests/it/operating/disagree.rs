//! The settings of the system stand in the map: a process that is told other things says so and does not start, and commands change
//! them while everything runs.

use clap::Parser;
use forebay_log::LogSettings;
use forebay_model::{ShardId, StreamId};
use forebay_testkit::eventually;
use forebay_testkit::service::Served;
use serde_json::json;

use crate::operating::operated::Operated;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_whose_flags_disagree_with_the_system_says_so_and_does_not_start() {
    let system = Operated::idle("disagree", 2).await;
    let said = [
        (
            "--views",
            "depot=d",
            "--views says depot=d, and this system has seller=items[].seller_id: leave it out; `forebay views`",
        ),
        ("--currency", "USD", "--currency says USD, and this system has EUR: leave it out; `forebay settings set`"),
        ("--routing", "modulo", "--routing says modulo, and this system has md5: leave it out; it is fixed"),
        ("--stream-bytes-max", "1GiB", "--stream-bytes-max says 1.0 GiB, and this system has 256.0 MiB:"),
        ("--stream-replicas", "3", "--stream-replicas says 3, and this system has 1:"),
    ];
    for (flag, value, line) in said {
        for command in [&["migrate"][..], &["writer", "--listen", "127.0.0.1:0"]] {
            let ran = system.run(&[command, &[flag, value]].concat()).await;
            let last = ran.stderr.lines().last().unwrap_or_default();
            assert!(ran.code == Some(64) && last.contains(line), "{ran:?}");
        }
    }
    // One that is told the same starts, and so does one that is told nothing; that the ports are taken is another matter.
    assert_eq!(
        system.run(&["migrate", "--views", "seller=items[].seller_id", "--currency", "EUR"]).await.code,
        Some(0)
    );
    for command in
        [&["writer", "--listen", "127.0.0.1:0"][..], &["query", "--listen", "127.0.0.1:0", "--redis", "none"]]
    {
        let ran = system.run_with_one_more(command).await;
        let line = "--shards names 3 shards, and this system has 2: leave it out";
        assert!(ran.code == Some(64) && ran.stderr.lines().any(|told| told.contains(line)), "{ran:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_changed_for_everybody_and_streams_follow() {
    let system = Operated::new("settings", 2).await;
    let shown = system.json(&["settings", "show"], 0).await;
    assert_eq!((&shown["currency"], &shown["stream_bytes_max"]), (&json!("EUR"), &json!(256 << 20)));
    let ran = system.run(&["settings", "set", "currency=USD", "stream-bytes-max=64MiB"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let changed = system.json(&["settings", "show"], 0).await;
    let figures = ["epoch", "currency", "stream_bytes_max", "shards", "routing"].map(|name| changed[name].clone());
    assert_eq!(figures, [json!(2), json!("USD"), json!(64 << 20), json!(2), json!("md5")]);
    for stream in [0, 1].map(ShardId).into_iter().flat_map(StreamId::all_of) {
        assert_eq!(system.log.stream_state(stream).await.unwrap().bytes_max, 64 << 20, "{stream}");
    }
    // The same again changes nothing.
    system.run(&["settings", "set", "currency=USD"]).await;
    assert_eq!(system.json(&["settings", "show"], 0).await, changed);
    for bad in ["currency=usd", "views=a=b", "routing=md5", "nothing=1"] {
        assert_eq!(system.run(&["settings", "set", bad]).await.code, Some(64), "{bad}");
    }
    for bad in [["views", "add", "order=x"], ["views", "drop", "nobody"], ["views", "add", "a=items[].seller_id"]] {
        let ran = system.run(&bad).await;
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(64), 1), "{ran:?}");
    }
    assert_eq!(system.json(&["views", "list"], 0).await, shown["views"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_that_does_not_derive_a_view_that_is_ready_is_a_difference() {
    let system = Operated::new("underived", 2).await;
    system.log_orders(&[forebay_testkit::order::numbered(1), forebay_testkit::order::numbered(2)]).await;
    system.stored().await;
    system.json(&["verify"], 0).await;
    system.shards.sql(1, "delete from view_in_force").await;
    let report = system.json(&["verify"], 1).await;
    let detail = report["named"][0]["detail"].as_str().unwrap();
    assert!(report["differences"] == 1 && detail.starts_with("the view seller=items[].seller_id is ready"), "{report}");
}

/// A query service that is told of these shards.
async fn query_of(system: &Operated, urls: &[String]) -> Served {
    let LogSettings { url, name, .. } = system.log.settings();
    let shards = urls.join(",");
    let flags = ["forebay-query", "--nats", url, "--log-prefix", name.as_str(), "--shards", &shards, "--redis", "none"];
    let settings = forebay_query::Settings::try_parse_from(flags).unwrap();
    Served::start(&settings.service, |service| forebay_query::start(&settings, service).unwrap()).await
}

/// Waits until a service says that it is not ready, because a shard is halted for that reason.
async fn refuses(service: &Served, shard: &str, reason: &str) {
    eventually("it is said whose the shard is", async || {
        let ready = service.get("/readyz").await;
        let found = &ready.body["dependencies"][shard];
        let is_said = found["halted"] == true && found["reason"].as_str().is_some_and(|said| said.contains(reason));
        (ready.status == 503 && is_said, ready.body)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_a_wrong_shard_nothing_is_answered_and_nothing_is_written_to_it() {
    const EXCHANGED: &str = "these addresses look exchanged";
    let mut system = Operated::new("exchanged", 2).await;
    system.log_orders(&[1, 2, 3, 4].map(forebay_testkit::order::numbered)).await;
    system.stored().await;
    let right = query_of(&system, &system.shards.urls).await;
    right.ready_without(&[]).await;
    assert_eq!(right.get("/v1/orders").await.ok()["data"].as_array().unwrap().len(), 4);
    let fewer = query_of(&system, &system.shards.urls[..1]).await;
    fewer.ready_without(&[]).await;
    assert_eq!(fewer.get("/v1/orders").await.ok()["data"].as_array().unwrap().len(), 4, "the map says where it is");

    system.stop_writer().await;
    system.shards.urls.swap(0, 1);
    let query = query_of(&system, &system.shards.urls).await;
    refuses(&query, "shard 0", EXCHANGED).await;
    refuses(&query, "shard 1", EXCHANGED).await;
    for path in ["/v1/orders", "/v1/orders?partial=true", "/v1/orders/ORD1", "/v1/customers/C1/orders"] {
        let answer = query.get(path).await;
        let is_empty = answer.status == 200 && answer.body["shards_missing"] == json!([0, 1]);
        assert!(answer.status == 503 || is_empty, "{path}: {}", answer.body);
    }
    system.start_writer().await;
    refuses(system.writer(), "shard 0", EXCHANGED).await;
    for command in [&["shards"][..], &["migrate"], &["log", "accept-loss", "logged", "0"], &["verify"]] {
        let ran = system.run(command).await;
        assert!(ran.code != Some(0) && ran.stderr.contains(EXCHANGED), "{command:?}: {ran:?}");
    }

    // The same by themselves, of another system.
    system.stop_writer().await;
    system.shards.urls.swap(0, 1);
    system.shards.sql(1, "update shard_identity set system = '00000000000000ff'").await;
    let query = query_of(&system, &system.shards.urls).await;
    refuses(&query, "shard 1", "it is shard 1 of another system (00000000000000ff)").await;
    system.start_writer().await;
    refuses(system.writer(), "shard 1", "of another system").await;
    // One that has run since before says so as soon as it connects again.
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
        where datname = current_database() and application_name = 'forebay-query'";
    system.shards.sql(1, end).await;
    refuses(&right, "shard 1", "of another system").await;
}
