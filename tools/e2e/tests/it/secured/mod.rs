//! Servers that ask who comes, and let nobody listen: TLS, passwords, keys.

mod servers;

use std::path::{Path, PathBuf};

use forebay_e2e::System;
use forebay_stack::{ServiceName, Stack};
use forebay_testkit::command::{Finished, forebay};
use forebay_testkit::eventually;
use serde_json::json;

use self::servers::Secured;

async fn run(arguments: &[&str], settings: &[(String, String)], others: &[(&str, &str)]) -> Finished {
    let others = others.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    let environment: Vec<_> = settings.iter().cloned().chain(others).collect();
    forebay(arguments, &environment, b"").await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_go_in_and_come_back_where_every_server_asks_who_comes_and_no_secret_is_told() {
    let secured = Secured::start().await;
    let (settings, wrong_user) = (secured.settings(), secured.nats("other"));
    let (nobody, absent) = (secured.stack.nats_url(), secured.file("nothing").display().to_string());
    let (seed, (_, shards)) = (secured.file("nats.seed").display().to_string(), secured.shards());
    let Secured { stack, texts, .. } = secured;
    // They come to NATS by the seed of a key.
    let of_services = [("FOREBAY_SHARDS", &*shards), ("FOREBAY_LOG_LEVEL", "debug")];
    let system = System::start_with(stack, &of_services).await.unwrap();
    let order =
        json!({"customer_id": "C1", "items": [{"sku": "SHOE", "quantity": 1, "price": 2999, "seller_id": "S7"}]});
    for n in 0..20 {
        let mut order = order.clone();
        order["customer_id"] = format!("C{n}").into();
        assert_eq!(system.post(&order).await.unwrap().0, 202);
    }
    system.wait_for_orders(20).await.unwrap();
    let (status, list) = system.get("/v1/customers/C1/orders").await.unwrap();
    assert_eq!((status, list["data"][0]["total"].as_i64()), (200, Some(2999)), "{list}");
    let open =
        "select count(*) from pg_stat_ssl join pg_stat_activity using (pid) where usename = 'forebay' and not ssl";
    assert_eq!(system.sum(open).await.unwrap(), 0, "no connection is in the clear");
    assert!(system.sum(&open.replace("not ssl", "ssl")).await.unwrap() > 2);
    eventually("Redis is used", async || {
        let (_, ready) = system.ask(ServiceName::Query, "/readyz").await.unwrap();
        (ready["dependencies"]["redis"]["state"] == "up", ready)
    })
    .await;

    // Commands, by user and password and by the seed of a key; and what they say where that is wrong.
    let by_seed = [("FOREBAY_NATS", nobody.as_str()), ("FOREBAY_NATS_CREDS", &seed)];
    let mut said = vec![run(&["shards"], &settings, &[]).await.ok().unwrap(), run(&["doctor"], &settings, &[]).await];
    assert!(said[1].stdout.contains("Redis 7") || said[1].stdout.contains("Redis 8"), "{}", said[1].stdout);
    said.push(run(&["shards"], &settings, &by_seed).await.ok().unwrap());
    let nobody = [("FOREBAY_NATS", nobody.as_str())];
    let wrong_redis = [("FOREBAY_REDIS_PASSWORD_FILE", seed.as_str())];
    for others in [&nobody[..], &[("FOREBAY_NATS", wrong_user.as_str())], &[("PGPASSFILE", absent.as_str())]] {
        let failed = run(&["shards"], &settings, others).await;
        assert_ne!(failed.code, Some(0), "{others:?} let it in: {}", failed.stdout);
        said.push(failed);
    }
    said.push(run(&["doctor"], &settings, &wrong_redis).await);
    for others in [[("FOREBAY_NATS_CREDS", absent.as_str())], [("FOREBAY_REDIS_CA", absent.as_str())]] {
        let failed = run(&["doctor"], &settings, &others).await;
        assert_eq!(failed.code, Some(64), "{}", failed.stderr);
        said.push(failed);
    }
    said.push(run(&["query", "--help"], &settings, &[]).await);
    for finished in &said {
        texts.are_not_in("what a command says", &format!("{}{}", finished.stdout, finished.stderr));
    }
    for service in ServiceName::STARTING {
        for path in ["/metrics", "/readyz", "/v1/nothing?password=x"] {
            texts.are_not_in(path, &system.text(service, path).await.unwrap());
        }
    }
    let logs = logs(&system.stack);
    assert!(logs.len() >= 7, "the logs of servers and services: {}", logs.len());
    for (name, text) in logs.iter().chain(&command_lines()) {
        texts.are_not_in(name, text);
    }
    system.stop().await.unwrap();
}

/// Passwords are changed as operators change them: on the servers and in the file that everybody reads. Nobody is started again.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_has_changed_in_its_file_is_followed() {
    let Secured { stack, secrets, .. } = Secured::start().await;
    let system = System::start_with(stack, &[]).await.unwrap();
    let post = async |customers: std::ops::Range<u32>| {
        for n in customers {
            let order =
                json!({"customer_id": format!("C{n}"), "items": [{"sku": "SHOE", "quantity": 1, "price": 2999}]});
            assert_eq!(system.post(&order).await.unwrap().0, 202);
        }
    };
    post(0..10).await;
    system.wait_for_orders(10).await.unwrap();
    let changed = format!("{:064x}", rand::random::<u128>());
    for shard in 0..2 {
        system.stack.sql(shard, &format!("alter role forebay password '{changed}'")).await.unwrap();
    }
    std::fs::write(secrets.path("pgpass"), format!("*:*:*:forebay:{changed}\n")).unwrap();
    // What was connected by the one of before is cut off, and everything is connected anew.
    for shard in 0..2 {
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity \
            where usename = 'forebay' and pid <> pg_backend_pid()";
        assert_ne!(system.stack.sql(shard, cut).await.unwrap().trim(), "0");
    }
    post(10..20).await;
    system.wait_for_orders(20).await.unwrap();
    eventually("everybody's orders are read, from both shards", async || {
        let (status, list) = system.get("/v1/orders?limit=50").await.unwrap();
        (status == 200 && list["data"].as_array().is_some_and(|data| data.len() == 20), (status, list))
    })
    .await;
    system.stop().await.unwrap();
}

fn logs(stack: &Stack) -> Vec<(String, String)> {
    let folder = stack.log("any").parent().unwrap().to_owned();
    let read = |path: &Path| String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), read(&path))).collect()
}

/// What `ps` shows of every process.
fn command_lines() -> Vec<(String, String)> {
    let processes = std::fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path().join("cmdline"));
    let read = |path: PathBuf| Some((path.display().to_string(), std::fs::read_to_string(&path).ok()?));
    processes.filter_map(read).collect()
}
