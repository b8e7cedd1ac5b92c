//! A whole list in one answer: complete, in every form, or visibly torn.

use bytes::Bytes;
use forebay_model::ShardId;
use forebay_parquet::Table;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::scene::{Answer, Scene, eventually};

const NDJSON: &str = "application/x-ndjson";
const CSV: &str = "text/csv";
const PARQUET: &str = "application/vnd.apache.parquet";

/// The shard that holds a long list, and that is taken away.
const LONG: ShardId = ShardId(1);
/// How many orders it holds: some 40 MB, far more than what sockets and channels take in.
const MANY: usize = 20_000;

/// Orders of all shards over many days, with everything that could be lost or changed on the way.
fn orders() -> Vec<Value> {
    (0..400)
        .map(|n: u32| {
            let (day, month) = (n % 28 + 1, n % 3 + 4);
            json!({
                "order_id": format!("O {n} \"ü\","), "customer_id": format!("C,{}", n % 40),
                "timestamp": format!("2025-{month:02}-{day:02}T12:30:00.{:06}Z", n * 1000 + 1),
                "items": [
                    {"sku": "Ω\n\r\"", "quantity": 2, "price": n, "seller_id": format!("S{}", n % 3), "size": [42, 42.5, null]},
                    {"sku": "b", "quantity": 1, "price": 7, "seller_id": "S1"}
                ],
                "note": "a }{ \u{1F600} \"q\" \\ \t, \r\n=1+1", "n": n, "nested": {"": [[], {}, "x"]}, "é": true
            })
        })
        .collect()
}

fn accepting(scene: &Scene, path: &str, form: &str) -> reqwest::RequestBuilder {
    scene.query.request(path).header("accept", form)
}

async fn export(scene: &Scene, path: &str, form: &str) -> Response {
    let answer = accepting(scene, path, form).send().await.unwrap();
    assert_eq!(answer.status(), 200, "{path}");
    answer
}

/// The orders of an export, as pages have them.
fn read(form: &str, body: &Bytes) -> Vec<Value> {
    match form {
        NDJSON => body.split(|&b| b == b'\n').filter(|line| !line.is_empty()).map(parsed).collect(),
        CSV => {
            let mut reader = csv::Reader::from_reader(&body[..]);
            let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
            let rows = reader.byte_records().map(Result::unwrap);
            rows.map(|row| order(names.iter().map(String::as_str).zip(row.iter()))).collect()
        }
        _ => {
            let mut table = Table::open(body.clone()).unwrap();
            let mut orders = Vec::new();
            while table.next_row().unwrap() {
                let cells = table.names().iter().enumerate();
                orders.push(order(cells.map(|(place, name)| (name.as_str(), table.cell(place).unwrap()))));
            }
            orders
        }
    }
}

fn order<'a>(cells: impl Iterator<Item = (&'a str, &'a [u8])>) -> Value {
    let mut order = serde_json::Map::new();
    for (name, cell) in cells {
        match name {
            "attributes" => order.extend(parsed(cell).as_object().unwrap().clone()),
            "total" | "subtotal" | "items" => drop(order.insert(name.to_owned(), parsed(cell))),
            _ => drop(order.insert(name.to_owned(), String::from_utf8(cell.to_vec()).unwrap().into())),
        }
    }
    order.into()
}

fn parsed(text: &[u8]) -> Value {
    serde_json::from_slice(text).unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(text)))
}

/// All orders of a list, by its pages.
async fn pages(scene: &Scene, path: &str) -> Vec<Value> {
    let (mut orders, mut cursor) = (Vec::new(), String::new());
    loop {
        let mut page = scene.get(&format!("{path}{cursor}")).await.ok();
        orders.append(page["data"].as_array_mut().unwrap());
        let Some(next) = page["next_cursor"].as_str() else { return orders };
        cursor = format!("&cursor={next}");
    }
}

/// Fills a shard with a long list, beside one order in each of the others.
async fn long_list(name: &str, flags: &[&str]) -> Scene {
    let mut scene = Scene::start_with(name, flags, |map| map).await;
    let order = |shard: u16| {
        json!({
            "order_id": format!("X{shard}"), "customer_id": scene.writing.customer_of(ShardId(shard)),
            "timestamp": "2025-06-30T12:30:00Z", "items": [{"sku": "x", "quantity": 1, "price": 5}]
        })
    };
    let orders: Vec<Value> = (0..3).map(order).collect();
    scene.writing.write(&orders).await;
    let fill = format!(
        "insert into orders select bucket, customer_id, ordered_at + n * interval '1 ms', 'Y' || n, total, items, \
            jsonb_build_object('note', (select string_agg(md5(n || '.' || k), '') from generate_series(1, 60) k)) \
            from orders, generate_series(1, {MANY}) n"
    );
    scene.sql(LONG, &fill).await;
    scene
}

/// Reads on to the end. Gives the bytes, and whether the end was one.
async fn rest(mut answer: Response) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        match answer.chunk().await {
            Ok(Some(chunk)) => body.extend_from_slice(&chunk),
            Ok(None) => return (body, true),
            Err(_) => return (body, false),
        }
    }
}

/// Waits until exports have ended so, and none is running.
async fn ended(scene: &Scene, format: &str, outcome: &str, count: usize) {
    let total = format!("forebay_query_exports_total{{format=\"{format}\",outcome=\"{outcome}\"}} {count}");
    eventually("the exports have ended", async || {
        let metrics = scene.get("/metrics").await.ok();
        let lines: Vec<&str> =
            metrics.as_str().unwrap().lines().filter(|l| l.starts_with("forebay_query_exp")).collect();
        (lines.contains(&&*total) && lines.contains(&"forebay_query_exports 0"), format!("{lines:?}"))
    })
    .await;
}

/// How many reads of the long list's shard have failed.
async fn failures(scene: &Scene) -> u64 {
    let metrics = scene.get("/metrics").await.ok();
    let lines = metrics.as_str().unwrap().lines();
    let errors = lines.filter(|line| line.starts_with("forebay_query_shard_errors_total{shard=\"1\""));
    errors.map(|line| line.rsplit_once(' ').unwrap().1.parse::<u64>().unwrap()).sum()
}

#[tokio::test]
async fn an_export_has_every_order_of_the_list_once_in_every_form() {
    let mut scene = Scene::start("forms").await;
    scene.writing.write(&orders()).await;
    for (path, count) in [
        ("/v1/orders?", 400),
        ("/v1/orders?order=asc&from=2025-05-01T00:00:00Z&to=2025-05-20T00:00:00Z&", 91),
        ("/v1/customers/C,7/orders?", 10),
        ("/v1/sellers/S1/orders?", 400),
        ("/v1/customers/nobody/orders?", 0),
    ] {
        let expected = pages(&scene, &format!("{path}limit=1000")).await;
        assert_eq!(expected.len(), count, "{path}");
        for form in [NDJSON, CSV, PARQUET] {
            let body = export(&scene, path.trim_end_matches(['?', '&']), form).await.bytes().await.unwrap();
            assert_eq!(read(form, &body), expected, "{path} {form}");
        }
    }
    let parsed = |order: &Value| parsed(order.to_string().as_bytes());
    let mut sent: Vec<Value> = orders().iter().map(parsed).collect();
    sent.iter_mut().for_each(|order| order["total"] = json!(2 * order["n"].as_i64().unwrap() + 7));
    let mut got = read(PARQUET, &export(&scene, "/v1/orders", PARQUET).await.bytes().await.unwrap());
    got.sort_by_key(|order| order["n"].as_i64());
    assert_eq!(got, sent, "what comes out is what was sent in");
}

#[tokio::test]
async fn the_head_says_what_it_is_and_when_it_was_read() {
    let mut scene = Scene::start("heads").await;
    scene.writing.write(&orders()[..3]).await;
    for (form, kind, file) in [
        (NDJSON, NDJSON, "orders.ndjson"),
        (CSV, "text/csv; charset=utf-8; header=present", "orders.csv"),
        (PARQUET, PARQUET, "orders.parquet"),
    ] {
        let answer = export(&scene, "/v1/orders", form).await;
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert_eq!((header("content-type").as_str(), header("vary").as_str()), (kind, "Accept"));
        assert_eq!(header("content-disposition"), format!("attachment; filename=\"{file}\""));
        assert_eq!(header("forebay-cache"), "bypass");
        assert!(!answer.headers().contains_key("content-length"));
        let after = format!("/v1/orders?after={}", header("forebay-position"));
        assert_eq!(read(form, &export(&scene, &after, form).await.bytes().await.unwrap()).len(), 3);
    }
}

#[tokio::test]
async fn what_cannot_be_had_is_one_sentence() {
    let scene = Scene::start("refusals").await;
    for (path, accept, status, code, detail) in [
        (
            "/v1/orders",
            "application/xml",
            406,
            "not_acceptable",
            "lists come as application/json, and exports as application/x-ndjson, text/csv, application/vnd.apache.parquet",
        ),
        (
            "/v1/orders?limit=5",
            CSV,
            400,
            "malformed",
            "there is no `limit` here: an export is the whole list; pages come as application/json",
        ),
        (
            "/v1/customers/C1/orders?cursor=x",
            PARQUET,
            400,
            "malformed",
            "there is no `cursor` here: an export is the whole list; pages come as application/json",
        ),
        (
            "/v1/sellers/S1/orders?order=asc",
            NDJSON,
            400,
            "malformed",
            "there is no parameter `order` here: there are from, to, limit, cursor, after, wait_ms, partial",
        ),
    ] {
        let answer = Answer::of(accepting(&scene, path, accept)).await;
        assert_eq!(answer.problem(status, code), detail, "{path}");
    }
    for accept in ["*/*", "application/json", "text/html, */*;q=0.8"] {
        assert_eq!(Answer::of(accepting(&scene, "/v1/orders?limit=5", accept)).await.ok()["data"], json!([]));
    }
}

#[tokio::test]
async fn a_client_that_could_not_tell_a_torn_export_gets_none() {
    let scene = Scene::start("http10").await;
    let mut stream = tokio::net::TcpStream::connect(scene.query.address()).await.unwrap();
    stream.write_all(b"GET /v1/orders HTTP/1.0\r\nAccept: text/csv\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 400") && answer.contains("an export needs HTTP/1.1 or later"), "{answer}");
}

#[tokio::test]
async fn a_shard_that_is_down_at_the_beginning_is_a_problem_or_is_named() {
    let mut scene = Scene::start("exportdown").await;
    scene.writing.write(&orders()).await;
    let all = read(CSV, &export(&scene, "/v1/orders", CSV).await.bytes().await.unwrap());
    scene.take_down(LONG).await;
    for form in [NDJSON, CSV, PARQUET] {
        let answer = Answer::of(accepting(&scene, "/v1/orders", form)).await;
        assert!(answer.problem(503, "shard_unavailable").starts_with("shard 1 cannot be read now"));
        let answer = export(&scene, "/v1/orders?partial=true", form).await;
        assert_eq!(answer.headers()["forebay-shards-missing"], "1");
        let expected =
            all.iter().filter(|order| scene.writing.shard_of(order["customer_id"].as_str().unwrap()) != LONG);
        assert_eq!(read(form, &answer.bytes().await.unwrap()), expected.cloned().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn a_shard_that_goes_away_on_the_way_tears_the_transfer() {
    let scene = long_list("torn", &["--shard-timeout-ms", "200"]).await;
    for (partial, form) in [("", NDJSON), ("?partial=true", CSV), ("", PARQUET)] {
        let answer = export(&scene, &format!("/v1/orders{partial}"), form).await;
        assert!(!answer.headers().contains_key("forebay-shards-missing"));
        scene.take_down(LONG).await;
        let (body, is_end) = rest(answer).await;
        assert!(!is_end, "{form}: {} bytes that look complete", body.len());
        assert!(form != PARQUET || Table::open(Bytes::from(body)).is_err());
        scene.bring_back(LONG).await;
        eventually("the shard is read again", async || {
            let answer = scene.get("/v1/orders").await;
            (answer.status == 200, answer.body.to_string())
        })
        .await;
    }
    ended(&scene, "ndjson", "cut", 1).await;
}

#[tokio::test]
async fn a_shard_that_comes_back_on_the_way_is_gone_on_with() {
    let scene = long_list("back", &[]).await;
    for form in [NDJSON, CSV, PARQUET] {
        let answer = export(&scene, "/v1/orders", form).await;
        let before = failures(&scene).await;
        scene.take_down(LONG).await;
        let reading = tokio::spawn(rest(answer));
        eventually("the shard is missed", async || {
            let failures = failures(&scene).await;
            (failures > before, failures.to_string())
        })
        .await;
        scene.bring_back(LONG).await;
        let (body, is_end) = reading.await.unwrap();
        assert!(is_end, "{form}");
        let orders = read(form, &body.into());
        let expected: Vec<String> =
            (1..=MANY).rev().map(|n| format!("Y{n}")).chain(["X2", "X1", "X0"].map(String::from)).collect();
        assert!(orders.iter().map(|order| order["order_id"].as_str().unwrap()).eq(expected.iter().map(String::as_str)));
    }
}

#[tokio::test]
async fn a_client_that_goes_away_ends_the_work() {
    let scene = long_list("gone", &[]).await;
    for form in [NDJSON, PARQUET] {
        let mut answer = export(&scene, "/v1/orders", form).await;
        answer.chunk().await.unwrap().unwrap();
        drop(answer);
    }
    ended(&scene, "ndjson", "abandoned", 1).await;
    ended(&scene, "parquet", "abandoned", 1).await;
}

#[tokio::test]
async fn more_exports_than_there_is_room_for_are_refused() {
    let scene = long_list("room", &[]).await;
    let mut running = Vec::new();
    for _ in 0..32 {
        running.push(export(&scene, "/v1/orders", NDJSON).await);
    }
    let answer = Answer::of(accepting(&scene, "/v1/orders", CSV)).await;
    assert_eq!(answer.problem(503, "overloaded"), "the exports that are running take up their 256 MiB of memory");
    assert_eq!(scene.get("/v1/orders?limit=1").await.ok()["has_more"], true, "pages go on");
    running.truncate(31);
    eventually("there is room again", async || {
        let answer = accepting(&scene, "/v1/orders", CSV).send().await.unwrap();
        (answer.status() == 200, answer.status().to_string())
    })
    .await;
}

#[tokio::test]
async fn a_service_that_stops_lets_an_export_end_as_long_as_there_is_time() {
    let scene = long_list("stop", &[]).await;
    let (whole, cut) = (export(&scene, "/v1/orders", NDJSON).await, export(&scene, "/v1/orders", NDJSON).await);
    scene.query.shutdown().start();
    let (body, is_end) = rest(whole).await;
    assert_eq!((read(NDJSON, &body.into()).len(), is_end), (MANY + 3, true));
    scene.query.shutdown().force();
    let (body, is_end) = rest(cut).await;
    assert!(!is_end, "{} bytes that look complete", body.len());
}
