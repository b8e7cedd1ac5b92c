//! Runs that are killed again and again, at random moments: whatever form the orders come in, the result is that of a run that was not.

use std::fmt::Write;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use forebay_stack::Signal;
use forebay_testkit::command::Finished;
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::{Value, json};

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

const ORDERS: usize = 20_000;
/// About 4 MB are brought, at 0.8 MB/s, and how far it has come is saved every second: so the first kill comes behind something that is kept,
/// and the others anywhere.
const RATE: &str = "4000";
/// Bytes after which each kill comes.
const KILLS: [std::ops::Range<u64>; 3] = [1_300_000..2_000_000, 1..700_000, 1..700_000];

/// How orders lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Ndjson,
    /// Under a key of a document, read by a map.
    Document,
    /// Lines of items that stand together.
    Lines,
    /// Lines of items, those of an order apart from each other.
    Scattered,
    /// Lines that are orders, without ids.
    WithoutIds,
}

const TABLE_MAP: &str = r#"
order_id = "id"
customer_id = "customer"
timestamp = "at"
item = { sku = "sku", quantity = "qty", price = "price" }
"#;

const DOCUMENT_MAP: &str = r#"
orders = "$.shop.orders[*]"
order_id = "$.order_id"
customer_id = "$.customer_id"
timestamp = "$.timestamp"
items = "$.items[*]"
item = { sku = "@.sku", quantity = "@.quantity", price = "@.price" }
"#;

impl Form {
    fn name(self) -> &'static str {
        match self {
            Self::Ndjson => "orders.ndjson",
            Self::Document => "orders.json",
            Self::Lines | Self::Scattered | Self::WithoutIds => "orders.csv",
        }
    }

    fn map(self) -> Option<String> {
        match self {
            Self::Ndjson => None,
            Self::Document => Some(DOCUMENT_MAP.to_owned()),
            Self::Lines => Some(TABLE_MAP.to_owned()),
            Self::Scattered => Some(format!("lines_apart = 500\n{TABLE_MAP}")),
            Self::WithoutIds => Some(TABLE_MAP.replace("order_id = \"id\"\n", "")),
        }
    }

    fn write(self, orders: &[Value]) -> String {
        match self {
            Self::Ndjson => orders.iter().map(Value::to_string).collect::<Vec<_>>().join("\n"),
            Self::Document => json!({"shop": {"about": [1], "orders": orders}}).to_string(),
            Self::Lines => table(orders.iter().flat_map(lines)),
            Self::WithoutIds => table(orders.iter().filter_map(|order| lines(order).next())),
            Self::Scattered => {
                let place = |(order, lines): (usize, Vec<String>)| {
                    lines.into_iter().enumerate().map(move |(item, line)| (order + 97 * item, line))
                };
                let mut placed: Vec<(usize, String)> =
                    orders.iter().map(|order| lines(order).collect()).enumerate().flat_map(place).collect();
                placed.sort_by_key(|(at, _)| *at);
                table(placed.into_iter().map(|(_, line)| line))
            }
        }
    }
}

fn table(lines: impl Iterator<Item = String>) -> String {
    let mut text = String::from("id,customer,at,sku,qty,price\n");
    lines.for_each(|line| text.push_str(&line));
    text
}

/// A line for each item.
fn lines(order: &Value) -> impl Iterator<Item = String> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    order["items"].as_array().unwrap().iter().map(move |item| {
        let mut line = String::new();
        for field in [&order["order_id"], &order["customer_id"], &order["timestamp"], &item["sku"], &item["quantity"]] {
            let _ = write!(line, "{},", text(field));
        }
        format!("{line}{}\n", text(&item["price"]))
    })
}

/// Orders of which some are refused: here by the map, where there is one, or there by ingest. Gives which are.
fn spoil(orders: &mut [Value]) -> Vec<usize> {
    let bad: Vec<usize> = (0..ORDERS).filter(|n| n % 500 == 7 || n % 700 == 9).collect();
    for &n in &bad {
        orders[n]["items"][0]["quantity"] = if n % 500 == 7 { json!(0) } else { json!("x") };
    }
    bad
}

/// Numbers that look random, and follow from a seed that a failure tells.
struct Chance(u64);

impl Chance {
    fn of(&mut self, range: std::ops::Range<u64>) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        range.start + (self.0 >> 33) % (range.end - range.start)
    }
}

async fn is_the_same_however_often_it_is_killed(form: Form) {
    let seed = RandomState::new().hash_one(form as u8);
    println!("{form:?}, seed {seed}");
    let mut chance = Chance(seed);
    let (forebay, ingest) = (Forebay::new(), Ingest::start("killed", &[]).await);
    let mut orders = forebay.generate("plain", &["--orders", &ORDERS.to_string()]).await;
    let bad = spoil(&mut orders);
    forebay.write(form.name(), form.write(&orders));
    forebay.write("map.toml", form.map().unwrap_or_default());
    let proxy = Proxy::to(ingest.address.port()).await.unwrap();
    proxy.set(Mode::Pass);
    let to = format!("http://127.0.0.1:{}", proxy.port());
    let by_map: &[&str] = if form.map().is_some() { &["--map", "map.toml"] } else { &[] };
    let command = [&["replay", form.name(), "--to", &to, "--json", "--rate", RATE], by_map].concat();
    let resumed = [&command[..], &["--resume"]].concat();
    for (kill, after) in KILLS.into_iter().enumerate() {
        let until = proxy.brought() + chance.of(after);
        let mut child = forebay.start(if kill == 0 { &command } else { &resumed });
        eventually("enough is brought", async || {
            (proxy.brought() >= until || child.try_wait().unwrap().is_some(), proxy.brought())
        })
        .await;
        // Between two looks, too.
        tokio::time::sleep(Duration::from_micros(chance.of(0..30_000))).await;
        child.id().inspect(|id| Signal::Kill.send(*id));
        child.wait_with_output().await.unwrap();
    }
    let last = forebay.run(&resumed).await;
    check(form, seed, &forebay, &ingest, &orders, &bad, &last).await;
}

/// Asserts that all is there, once, and each refused order told, once.
async fn check(
    form: Form,
    seed: u64,
    forebay: &Forebay,
    ingest: &Ingest,
    orders: &[Value],
    bad: &[usize],
    last: &Finished,
) {
    assert_eq!(last.code, Some(2), "{form:?}, seed {seed}: {last:?}");
    let file = last.json().unwrap()["files"][0].clone();
    let behind = file["resumed_behind"].as_u64().unwrap();
    assert!(behind > 0, "{form:?}, seed {seed}: {last:?}");
    assert_eq!(behind + last.figures(&["records"])[0], ORDERS as u64, "{form:?}, seed {seed}");
    let counts = json!({"accepted": ORDERS - bad.len(), "rejected": bad.len()});
    assert_eq!(file["all_runs"], counts, "{form:?}, seed {seed}");
    let mut told: Vec<String> = forebay
        .read_lines(&format!("{}.rejects.ndjson", form.name()))
        .iter()
        .map(|reject| if form == Form::WithoutIds { &reject["line"] } else { &reject["order_id"] }.to_string())
        .collect();
    told.sort();
    let mut expected: Vec<String> = bad
        .iter()
        // The header is the first line.
        .map(|n| if form == Form::WithoutIds { (n + 2).to_string() } else { orders[*n]["order_id"].to_string() })
        .collect();
    expected.sort();
    assert_eq!(told, expected, "{form:?}, seed {seed}");
    if form == Form::WithoutIds {
        // An id follows from the line, so what was sent again is the same order.
        return assert_eq!(ingest.logged().await.len(), ORDERS - bad.len(), "{form:?}, seed {seed}");
    }
    let is_good = |(n, order): (usize, &Value)| (!bad.contains(&n)).then(|| order.clone());
    let good: Vec<Value> = orders.iter().enumerate().filter_map(is_good).collect();
    ingest.assert_logged(&good).await;
}

#[tokio::test]
async fn killed_ndjson_is_the_same() {
    is_the_same_however_often_it_is_killed(Form::Ndjson).await;
}

#[tokio::test]
async fn a_killed_document_is_the_same() {
    is_the_same_however_often_it_is_killed(Form::Document).await;
}

#[tokio::test]
async fn killed_lines_are_the_same() {
    is_the_same_however_often_it_is_killed(Form::Lines).await;
}

#[tokio::test]
async fn killed_lines_that_stand_apart_are_the_same() {
    is_the_same_however_often_it_is_killed(Form::Scattered).await;
}

#[tokio::test]
async fn killed_lines_without_ids_are_the_same() {
    is_the_same_however_often_it_is_killed(Form::WithoutIds).await;
}
