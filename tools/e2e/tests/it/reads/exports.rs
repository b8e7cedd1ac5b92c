use std::collections::BTreeMap;

use forebay_e2e::System;
use forebay_stack::{Durability, ServiceName};
use serde_json::{Value, json};

const NDJSON: &str = "application/x-ndjson";
const PARQUET: &str = "application/vnd.apache.parquet";

#[tokio::test(flavor = "multi_thread")]
async fn an_export_replayed_into_an_empty_system_gives_the_same_orders() {
    let (from, to) = tokio::join!(System::start(3, Durability::Fast, &[]), System::start(2, Durability::Fast, &[]));
    let (from, to) = (from.unwrap(), to.unwrap());
    let generate = ["generate", "--orders", "5000", "--seed", "11", "--returns", "0.2"];
    let orders = from.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    from.replay(&["-"], &orders).await.unwrap();
    from.wait_for_orders(5000).await.unwrap();

    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("orders.parquet");
    std::fs::write(&file, from.export("/v1/orders", PARQUET).await.unwrap()).unwrap();
    let file = file.to_str().unwrap();
    let dry = to.replay(&[file, "--dry-run"], b"").await.unwrap();
    assert_eq!((&dry["accepted"], &dry["rejected"]), (&json!(5000), &json!(0)), "{dry}");
    to.replay(&[file], b"").await.unwrap();
    to.wait_for_orders(5000).await.unwrap();
    let (sent, arrived) =
        (from.export("/v1/orders", NDJSON).await.unwrap(), to.export("/v1/orders", NDJSON).await.unwrap());
    assert_eq!(lines(&sent), 5000);
    assert!(sent == arrived, "the exports of both systems differ");
    let expected = totals(&orders);
    for system in [&from, &to] {
        let url = system.url(ServiceName::Query, "/v1/orders/totals");
        let found: Value = reqwest::get(url).await.unwrap().json().await.unwrap();
        assert_eq!(found["data"], expected);
    }
    let verified = to.forebay(&["verify", "--full"], b"").await.unwrap();
    assert_eq!(verified.code, Some(0), "{verified:?}");

    // Where it came from, every one of its orders is known already.
    from.replay(&[file], b"").await.unwrap();
    from.wait_for("select rows_duplicate from lane_tally where lane = 'orders'", 5000).await.unwrap();
    assert_eq!(from.process(ServiceName::Query).stop().await.map(|status| status.success()), Some(true));
    to.stop().await.unwrap();
}

/// What lines of orders come to.
fn totals(lines: &[u8]) -> Value {
    let mut sums: BTreeMap<String, [i64; 3]> = BTreeMap::new();
    for order in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let order: Value = serde_json::from_slice(order).unwrap();
        let items = order["items"].as_array().unwrap().iter();
        let total: i64 = items.map(|item| item["quantity"].as_i64().unwrap() * item["price"].as_i64().unwrap()).sum();
        let [count, gross, returned] = sums.entry(order["currency"].as_str().unwrap().to_owned()).or_default();
        *count += 1;
        *(if order["kind"] == "return" { returned } else { gross }) += total;
    }
    let total = |(currency, [count, gross, returned]): (&String, &[i64; 3])| json!({"currency": currency, "count": count, "gross": gross, "returned": -returned, "net": gross + returned});
    sums.iter().map(total).collect()
}

/// A figure of a process, in KiB.
fn held_kib(pid: u32, name: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.trim().strip_suffix(" kB"));
    line.unwrap().parse().unwrap()
}

fn lines(text: &[u8]) -> usize {
    text.split(|&byte| byte == b'\n').count() - 1
}

/// What the query service may hold more than before, in KiB: less than half of what the export has, which is 100 MiB of JSON.
const MEMORY_MAX_KIB: u64 = 48 << 10;
/// How often each of 5000 orders is stored, with another id and a little later.
const COPIES: u64 = 80;

#[tokio::test(flavor = "multi_thread")]
async fn a_long_export_holds_little_memory() {
    let system = System::start(3, Durability::Fast, &[]).await.unwrap();
    let generate = ["generate", "--orders", "5000", "--days", "30"];
    let orders = system.forebay(&generate, b"").await.unwrap().ok().unwrap().stdout.into_bytes();
    system.replay(&["-"], &orders).await.unwrap();
    system.wait_for_orders(5000).await.unwrap();
    let copy = format!(
        "insert into orders select bucket, tenant, customer_id, ordered_at + n * interval '1 us', md5(order_id || n), kind, currency, total, \
            place_seq, place_log, status, items, attributes from orders, generate_series(1, {}) n; analyze orders",
        COPIES - 1
    );
    for shard in 0..3 {
        system.stack.sql(shard, &copy).await.unwrap();
    }
    let pid = system.process(ServiceName::Query).pid().unwrap();
    for form in [NDJSON, "text/csv", PARQUET] {
        // From here on the highest mark counts anew (proc(5)).
        std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
        let before = held_kib(pid, "RssAnon:");
        let begin = std::time::Instant::now();
        let mut answer = system.begin_export("/v1/orders", form).await.unwrap();
        let (mut lines, mut bytes) = (0, 0);
        while let Some(chunk) = answer.chunk().await.unwrap() {
            bytes += chunk.len();
            lines += self::lines(&chunk) as u64;
        }
        // What the program itself takes is no memory that the export holds, and differs by how it was built.
        let highest = held_kib(pid, "VmHWM:") - held_kib(pid, "RssFile:");
        println!("{form}: {bytes} bytes in {:?}, at most {highest} KiB held, {before} before", begin.elapsed());
        assert!(highest.saturating_sub(before) < MEMORY_MAX_KIB, "{form}: {highest} KiB, {before} before");
        match form {
            NDJSON => assert_eq!(lines, 5000 * COPIES),
            PARQUET => assert!(bytes > 1 << 20),
            _ => assert_eq!(lines, 5000 * COPIES + 1),
        }
    }
    system.stop().await.unwrap();
}
