//! What goes wrong between the command and ingest.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use forebay_testkit::command::Finished;
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::Value;

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

const DEADLINE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn more_rejects_than_an_answer_tells_have_each_its_reason() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("rejects", &[]).await;
    let orders = forebay.generate("good", &["--orders", "2000"]).await;
    let mut lines: Vec<String> = forebay.read("good").lines().map(str::to_owned).collect();
    let bad: Vec<usize> = (0..2000).filter(|line| line % 3 == 1).collect();
    for &line in &bad {
        lines[line] = lines[line].replace("\"quantity\":", "\"quantity\":-");
    }
    lines[4] = "{torn".to_owned();
    forebay.write("orders.ndjson", lines.join("\n"));
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &ingest.url(), "--json"]).await;
    assert_eq!(ran.figures(&["accepted", "rejected", "retries"]), [2000 - bad.len() as u64, bad.len() as u64, 0]);
    let rejects = forebay.read_lines("orders.ndjson.rejects.ndjson");
    let told: Vec<usize> = rejects.iter().map(|reject| reject["line"].as_u64().unwrap() as usize - 1).collect();
    assert_eq!(told, bad);
    assert_eq!((&rejects[1]["code"], &rejects[1]["record"]), (&"malformed".into(), &"{torn".into()));
    for reject in rejects.iter().skip(2) {
        assert!(reject["detail"].as_str().unwrap().starts_with("/items/0/quantity must be"), "{reject}");
        assert_eq!(reject["order_id"], reject["record"]["order_id"]);
    }
    assert_eq!(ingest.rows().await, orders.len() - bad.len());
}

#[tokio::test]
async fn reasons_that_only_ingest_knows_are_asked_for() {
    let forebay = Forebay::new();
    // A view of which this command does not know: its key must be a text or an integer.
    let mut ingest = Ingest::absent("reasons").await;
    ingest.add_view("warehouse=warehouse_id").await;
    ingest.serve(&[]).await;
    forebay.generate("good", &["--orders", "1000"]).await;
    let text = forebay.read("good").replace("\"currency\":\"GBP\"", "\"warehouse_id\":{}");
    forebay.write("orders.ndjson", &text);
    let bad: Vec<usize> = (1..).zip(text.lines()).filter(|(_, line)| line.contains("{}")).map(|(n, _)| n).collect();
    assert!(bad.len() > 100);
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &ingest.url(), "--json"]).await;
    assert_eq!(ran.figures(&["accepted", "rejected"]), [1000 - bad.len() as u64, bad.len() as u64]);
    let rejects = forebay.read_lines("orders.ndjson.rejects.ndjson");
    let told: Vec<usize> = rejects.iter().map(|reject| reject["line"].as_u64().unwrap() as usize).collect();
    assert_eq!(told, bad);
    assert!(rejects.iter().all(|reject| reject["detail"].as_str().unwrap().starts_with("/warehouse_id")));
}

#[tokio::test]
async fn lost_connections_lose_nothing_and_store_no_order_under_two_ids() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("lost", &[]).await;
    for ids in ["client", "none"] {
        let proxy = Proxy::to(ingest.address.port()).await.unwrap();
        proxy.set(Mode::CutAfter(300_000));
        forebay.generate("orders.ndjson", &["--orders", "20000", "--ids", ids]).await;
        let before = ingest.logged().await.len();
        let arguments = [
            "replay",
            "orders.ndjson",
            "--to",
            &format!("http://127.0.0.1:{}", proxy.port()),
            "--json",
            "--connections",
            "2",
            "--rate",
            "40000",
        ];
        let (ran, ()) = tokio::join!(forebay.run(&arguments), async {
            eventually("it was cut five times", async || (proxy.cuts() >= 5, proxy.cuts())).await;
            proxy.set(Mode::Pass);
        });
        assert_eq!((ran.code, ran.figures(&["accepted"])), (Some(0), vec![20_000]), "{ran:?}");
        assert!(ran.figures(&["retries"])[0] >= 5, "{ran:?}");
        assert!(ran.stderr.contains("no answer from"), "{ran:?}");
        // A record without an id gets one, and the same one whenever it is sent.
        assert_eq!(ingest.logged().await.len() - before, 20_000);
    }
}

#[tokio::test]
async fn a_second_replay_of_orders_without_ids_makes_no_new_ones() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("twice", &[]).await;
    forebay.generate("orders.ndjson", &["--orders", "3000", "--ids", "none"]).await;
    for connections in ["1", "3"] {
        let ran = forebay
            .run(&["replay", "orders.ndjson", "--to", &ingest.url(), "--json", "--connections", connections])
            .await;
        assert_eq!(ran.figures(&["accepted"]), [3000]);
    }
    let logged = ingest.logged().await;
    assert_eq!((logged.len(), logged.values().sum::<usize>()), (3000, 6000));
}

#[tokio::test]
async fn an_ingest_that_starts_late_is_waited_for() {
    let forebay = Forebay::new();
    let mut ingest = Ingest::absent("late").await;
    let orders = forebay.generate("orders.ndjson", &["--orders", "1000"]).await;
    let child = forebay.start(&["replay", "orders.ndjson", "--to", &ingest.url(), "--json"]);
    tokio::time::sleep(Duration::from_millis(700)).await;
    ingest.serve(&[]).await;
    let ran = Finished::from(tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("Connection refused") && ran.stderr.contains("going on after"), "{ran:?}");
    ingest.assert_logged(&orders).await;
}

#[tokio::test]
async fn a_batch_that_a_stopping_ingest_cuts_short_goes_on_behind_what_is_settled() {
    let forebay = Forebay::new();
    let mut ingest = Ingest::start("short", &["--orders-per-s", "4000"]).await;
    let orders = forebay.generate("orders.ndjson", &["--orders", "15000"]).await;
    let child = forebay.start(&["replay", "orders.ndjson", "--to", &ingest.url(), "--json", "--connections", "1"]);
    let begin = Instant::now();
    while ingest.rows().await < 3000 {
        assert!(begin.elapsed() < DEADLINE, "only {} orders came", ingest.rows().await);
    }
    ingest.stop().await;
    ingest.serve(&[]).await;
    let ran = Finished::from(tokio::time::timeout(DEADLINE, child.wait_with_output()).await.unwrap().unwrap());
    assert_eq!((ran.code, ran.figures(&["accepted"])), (Some(0), vec![15_000]), "{ran:?}");
    ingest.assert_logged(&orders).await;
    // What was settled is not sent a second time.
    assert_eq!((ran.figures(&["resent_lines"])[0], ingest.rows().await), (0, 15_000), "{ran:?}");
}

#[tokio::test]
async fn batches_that_are_too_large_for_ingest_become_smaller() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("large", &["--batch-bytes-max", "100KiB"]).await;
    let orders = forebay.generate("orders.ndjson", &["--orders", "5000"]).await;
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &ingest.url(), "--json"]).await;
    assert_eq!((ran.code, ran.figures(&["accepted"])), (Some(0), vec![5000]), "{ran:?}");
    ingest.assert_logged(&orders).await;
}

#[tokio::test]
async fn nobody_is_kept_waiting_by_slow_standard_input() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("slow", &[]).await;
    let orders: Vec<Value> = forebay.generate("orders", &["--orders", "2"]).await;
    let text = forebay.read("orders");
    let (first, second) = text.split_once('\n').unwrap();
    let mut command = forebay.command(&["replay", "-", "--to", &ingest.url(), "--json"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut input, format!("{first}\n").as_bytes()).await.unwrap();
    let begin = Instant::now();
    while ingest.rows().await == 0 {
        assert!(begin.elapsed() < DEADLINE, "the first order waits for the second");
    }
    tokio::io::AsyncWriteExt::write_all(&mut input, second.as_bytes()).await.unwrap();
    drop(input);
    let ran = Finished::from(child.wait_with_output().await.unwrap());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ids: BTreeSet<String> = ingest.logged().await.into_keys().collect();
    assert_eq!(ids, orders.iter().map(|order| order["order_id"].as_str().unwrap().to_owned()).collect());
}
