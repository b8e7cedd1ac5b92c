//! `forebay migrate` and `forebay shards`.

mod members;
mod moving;

use forebay_model::StreamKind;
use forebay_testkit::command::Finished;
use forebay_testkit::{Databases, eventually};
use serde_json::Value;

use crate::forebay::Forebay;
use crate::operating::operated::{Operated, order};

async fn settings(name: &str, shards: usize) -> Vec<String> {
    let shared = forebay_stack::shared().await;
    let databases = shared.create_databases(shards, name).await.join(",");
    let flags = ["--nats", &shared.nats_url(), "--log-prefix", &shared.unique_prefix(name), "--shards", &databases];
    flags.map(str::to_owned).to_vec()
}

async fn run(forebay: &Forebay, command: &[&str], settings: &[String]) -> Finished {
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    forebay.run(&[command, &settings].concat()).await
}

#[tokio::test]
async fn migrate_prepares_everything_once_and_shards_shows_it() {
    let forebay = Forebay::new();
    let settings = settings("migrate", 2).await;
    let ran = run(&forebay, &["shards"], &settings).await;
    assert_eq!((ran.code, ran.stdout.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.stderr.contains("there is no shard map yet: run `forebay migrate`"), "{ran:?}");

    // Two at once, as when several services start.
    let migrate = ["migrate", "--routing", "modulo"];
    let (one, two) = tokio::join!(run(&forebay, &migrate, &settings), run(&forebay, &migrate, &settings));
    assert_eq!((one.code, two.code), (Some(0), Some(0)), "{one:?} {two:?}");
    assert_eq!(run(&forebay, &["migrate"], &settings).await.code, Some(0), "nothing is said of it");

    let ran = run(&forebay, &["shards", "--json"], &settings).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let figures = ran.json().unwrap();
    assert_eq!((&figures["epoch"], &figures["hash"]), (&1.into(), &"modulo".into()));
    let shards = figures["shards"].as_array().unwrap();
    assert_eq!(shards.iter().map(|shard| shard["buckets"].as_u64().unwrap()).collect::<Vec<_>>(), [2048, 2048]);
    for stream in shards.iter().flat_map(|shard| shard["streams"].as_array().unwrap()) {
        let figures = (&stream["lag_frames"], &stream["log_frames"], &stream["position"]);
        assert_eq!(figures, (&0.into(), &0.into(), &Value::Null));
    }
    let lanes: Vec<_> = shards.iter().flat_map(|shard| shard["lanes"].as_array().unwrap()).collect();
    assert!(lanes.len() == 10 && lanes.iter().all(|lane| lane["stored"] == 0), "{figures}");
    let table = run(&forebay, &["shards"], &settings).await.stdout;
    assert!(table.starts_with("Shard map of epoch 1: 4096 buckets on 2 shards") && table.contains("orders"), "{table}");
}

#[tokio::test]
async fn a_shard_that_is_down_is_shown_as_such() {
    let forebay = Forebay::new();
    let mut settings = settings("down", 2).await;
    assert_eq!(run(&forebay, &["migrate"], &settings).await.code, Some(0));
    let nowhere = format!("postgres://forebay@127.0.0.1:{}/forebay", forebay_stack::free_ports(1)[0]);
    let up = settings[5].split(',').next().unwrap().to_owned();
    settings[5] = format!("{up},{nowhere}");
    let ran = run(&forebay, &["shards", "--json"], &settings).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("shard 1 cannot be reached"), "{ran:?}");
    let figures = ran.json().unwrap();
    assert_eq!(figures["shards"][0]["unreachable"], Value::Null);
    assert!(figures["shards"][1]["unreachable"].as_str().unwrap().contains("shard 1"), "{figures}");
    let ran = run(&forebay, &["migrate"], &settings).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("shard 1"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_waited_until_the_shards_hold_what_is_logged() {
    let mut system = Operated::idle("waits", 2).await;
    system.log_orders(&[1, 2, 3].map(forebay_testkit::order::numbered)).await;
    let waiting = tokio::spawn(system.command(&["shards", "--wait", "--json"]).output());
    assert_ne!(system.json(&["shards"], 0).await["shards"], Value::Null, "it can be looked at meanwhile");
    assert!(!waiting.is_finished(), "nobody commits");
    system.start_writer().await;
    let ran = Finished::from(waiting.await.unwrap().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let figures = ran.json().unwrap();
    let shards = figures["shards"].as_array().unwrap();
    let sum = |of: fn(&Value) -> u64| shards.iter().map(of).sum::<u64>();
    assert_eq!(sum(|shard| shard["streams"][0]["lag_frames"].as_u64().unwrap()), 0);
    assert_eq!(
        sum(|shard| shard["lanes"].as_array().unwrap().iter().map(|lane| lane["stored"].as_u64().unwrap()).sum()),
        9
    );
    // A stream that is not the one that was read is not waited for.
    system.stop_writer().await;
    let name = system.stream(StreamKind::Logged, 0);
    system.jetstream().await.delete_stream(&name).await.unwrap();
    let ran = system.run(&["shards", "--wait"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
}

#[tokio::test]
async fn a_log_that_is_down_or_no_address_is_one_sentence() {
    let forebay = Forebay::new();
    let nats = format!("nats://127.0.0.1:{}", forebay_stack::free_ports(1)[0]);
    let ran = forebay.run(&["shards", "--nats", &nats]).await;
    assert_eq!((ran.code, ran.stderr.lines().count()), (Some(1), 1), "{ran:?}");
    assert!(ran.stderr.starts_with("forebay: NATS does not answer at"), "{ran:?}");
    for flags in [["--nats", "nats://a b"], ["--shards", "mysql://x/y"], ["--log-prefix", "a.b"]] {
        let ran = forebay.run(&["shards", flags[0], flags[1]]).await;
        assert_eq!((ran.code, ran.stderr.lines().count()), (Some(64), 1), "{ran:?}");
    }
}

#[tokio::test]
async fn the_tables_of_all_shards_are_those_of_one_database() {
    let operated = Operated::new("foreign", 2).await;
    let orders: Vec<String> = (0..20).map(|number| order(&format!("C{number}"), &format!("O{number}"), 5)).collect();
    operated.log_orders(&orders).await;
    eventually("they are stored", async || {
        let stored = operated.shards.sum("select count(*) from orders").await;
        (stored == 20, stored)
    })
    .await;
    let own = Databases::new("foreignall", 1).await;
    let make = async || {
        let ran = operated.run(&["shards", "--foreign-tables"]).await;
        assert_eq!(ran.code, Some(0), "{ran:?}");
        own.sql(0, &ran.stdout).await
    };
    make().await;
    let of_others = "create view report as select count(*) as orders from forebay.orders; \
        create materialized view days as select day, sum(net) from forebay.revenue_by_day group by 1; \
        create table forebay.notes as select 'mine' as note";
    own.sql(0, of_others).await;
    // The second and the third time the same views lead to the same shards, and what somebody else has made stays.
    make().await;
    make().await;
    assert_eq!(own.sql(0, "select orders, note from report, forebay.notes").await, "20|mine");
    assert_eq!(own.sql(0, "select count(*) from days").await, "1");
    let before =
        "select count(*) from pg_namespace, pg_foreign_server where nspname like '%before' or srvname like '%before'";
    assert_eq!(own.sql(0, before).await, "0");
    let found = own.sql(0, "select count(distinct shard), count(*), sum(total) from forebay.orders").await;
    assert_eq!(found, "2|20|200");
    assert_eq!(own.sql(0, "select sum(quantity) from forebay.order_items where customer_id = 'C7'").await, "2");
    assert_eq!(own.sql(0, "select sum(amount) from forebay.order_items").await, "200");
    let revenue = "select sum(orders), sum(gross), sum(returned), sum(net) from forebay.revenue_by_day";
    assert_eq!(own.sql(0, revenue).await, "20|200|0|200");
    assert_eq!(own.sql(0, "select count(*) from forebay.dead_letter, forebay.lane_tally where false").await, "0");
}
