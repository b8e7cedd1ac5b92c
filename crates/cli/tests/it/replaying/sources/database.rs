//! Orders that lie in a database.

use forebay_stack::Signal;
use forebay_testkit::{Databases, Mode, Proxy, eventually};
use serde_json::json;

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

const MAP: &str = r#"
order_id = "id"
customer_id = "customer"
timestamp = "at"
currency = { constant = "EUR" }
[item]
sku = "sku"
quantity = "qty"
price = { column = "price", scale = "currency" }
"#;
const ORDERS: usize = 5000;

async fn shop(name: &str) -> (Forebay, Databases) {
    let (forebay, databases) = (Forebay::new(), Databases::new(name, 1).await);
    let make = "create table line (id bigint, line int, customer text, at timestamptz, sku text, qty int, price numeric(10,2))";
    databases.sql(0, make).await;
    let fill = format!(
        "insert into line select n, l, 'C' || n % 7, '2026-01-02 10:00:00.5+01'::timestamptz + n * interval '1 second', 'S' || l, l, 12.50 \
         from generate_series(1, {ORDERS}) n, generate_series(1, 2) l"
    );
    databases.sql(0, &fill).await;
    forebay.write("map.toml", MAP);
    (forebay, databases)
}

#[tokio::test]
async fn a_table_of_lines_becomes_orders_by_the_map() {
    let (forebay, databases) = shop("lines").await;
    let ingest = Ingest::start("database", &[]).await;
    let from = ["--from", &databases.urls[0], "--map", "map.toml"];
    let query = ["--query", "select * from line order by id, line;"];
    let report = forebay.run(&[&["replay", "--dry-run", "--json"], &from[..], &query].concat()).await;
    let found = report.json().unwrap()["report"].clone();
    assert_eq!(
        found["currencies"]["EUR"],
        json!({"sales": ORDERS, "returns": 0, "gross": ORDERS * 3750, "returned": 0})
    );
    assert_eq!(found["first"], "2026-01-02T09:00:01.5Z");
    let ran =
        forebay.run(&[&["replay", "--to", &ingest.url(), "--no-wait", "--json"], &from[..], &query].concat()).await;
    assert_eq!((ran.code, ran.figures(&["records", "lines"])), (Some(0), vec![5000, 10_000]), "{ran:?}");
    assert_eq!(ingest.logged().await.len(), ORDERS);
    let wrong = forebay
        .run(&[&["replay", "--to", &ingest.url(), "--no-wait"], &from[..], &["--query", "select nothing"]].concat())
        .await;
    assert!(wrong.code == Some(1) && wrong.stderr.contains("the database refuses the query"), "{wrong:?}");
    assert!(!wrong.stderr.contains("postgres://"), "{wrong:?}");
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_behind_its_key() {
    let (forebay, databases) = shop("killed").await;
    let ingest = Ingest::start("database-killed", &[]).await;
    let proxy = Proxy::to(ingest.address.port()).await.unwrap();
    proxy.set(Mode::BlackHoleAfter(400_000));
    let to = format!("http://127.0.0.1:{}", proxy.port());
    let query = "select * from line order by id, line";
    let command = [
        "replay",
        "--from",
        &databases.urls[0],
        "--query",
        query,
        "--key",
        "id",
        "--map",
        "map.toml",
        "--to",
        &to,
        "--rate",
        "1000",
        "--no-wait",
        "--json",
    ];
    let child = forebay.start(&command);
    eventually("it falls silent", async || (proxy.mode() == Mode::BlackHole, proxy.brought())).await;
    Signal::Kill.send(child.id().unwrap());
    child.wait_with_output().await.unwrap();
    proxy.set(Mode::Pass);
    // What comes before the key meanwhile is not met, and does not move what is behind it.
    databases.sql(0, "insert into line values (0, 1, 'C', now(), 'S', 1, 1)").await;
    let again = forebay.run(&[&command[..], &["--resume"]].concat()).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let behind = again.json().unwrap()["files"][0]["resumed_behind"].as_u64().unwrap();
    assert!(behind > 0, "{again:?}");
    assert_eq!(behind + again.figures(&["records"])[0], ORDERS as u64);
    assert_eq!(ingest.logged().await.len(), ORDERS);
}
