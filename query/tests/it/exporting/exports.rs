//! A whole list in one answer: complete, in every form.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use forebay_model::ShardId;
use forebay_testkit::service::Answer;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::exporting::{CSV, NDJSON, PARQUET, accepting, export, parsed, read};
use crate::scene::Scene;

/// A shard that is taken away.
const DOWN: ShardId = ShardId(1);

/// Orders of all shards over many days, with everything that could be lost or changed on the way.
fn orders() -> Vec<Value> {
    (0..400)
        .map(|n: u32| {
            let (day, month) = (n % 28 + 1, n % 3 + 4);
            let is_returned = n.is_multiple_of(7);
            json!({
                "kind": if is_returned { "return" } else { "sale" },
                "order_id": format!("O {n} \"ü\","), "customer_id": format!("C,{}", n % 40),
                "timestamp": format!("2025-{month:02}-{day:02}T12:30:00.{:06}Z", n * 1000 + 1),
                "items": [
                    {"sku": "Ω\n\r\"", "quantity": if is_returned { -2 } else { 2 }, "price": n, "seller_id": format!("S{}", n % 3), "size": [42, 42.5, null]},
                    {"sku": "b", "quantity": if is_returned { -1 } else { 1 }, "price": 7, "seller_id": "S1"}
                ],
                "currency": if n.is_multiple_of(2) { "EUR" } else { "GBP" }, "note": "a }{ \u{1F600} \"q\" \\ \t, \r\n=1+1", "n": n, "nested": {"": [[], {}, "x"]}, "é": true
            })
        })
        .collect()
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

#[tokio::test]
async fn an_export_has_every_order_of_the_list_once_in_every_form() {
    let mut scene = Scene::start("forms").await;
    scene.writing.write(&orders()).await;
    for (path, count) in [
        ("/v1/orders?", 400),
        ("/v1/orders?order=asc&from=2025-05-01T00:00:00Z&to=2025-05-20T00:00:00Z&", 91),
        ("/v1/orders?kind=return&", 58),
        ("/v1/customers/C,7/orders?", 10),
        ("/v1/sellers/S1/orders?order=asc&kind=sale&", 342),
        ("/v1/sellers/S1/orders?", 400),
        ("/v1/customers/nobody/orders?", 0),
    ] {
        let expected = pages(&scene, &format!("{path}limit=1000&as_placed=true")).await;
        assert_eq!(expected.len(), count, "{path}");
        for form in [NDJSON, CSV, PARQUET] {
            let body = export(&scene, path.trim_end_matches(['?', '&']), form).await.bytes().await.unwrap();
            assert_eq!(read(form, &body), expected, "{path} {form}");
        }
    }
    let parsed = |order: &Value| parsed(order.to_string().as_bytes());
    let mut sent: Vec<Value> = orders().iter().map(parsed).collect();
    for order in &mut sent {
        let sign = if order["kind"] == "return" { -1 } else { 1 };
        order["total"] = json!(sign * (2 * order["n"].as_i64().unwrap() + 7));
    }
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
        assert_eq!(
            (header("content-type").as_str(), header("vary").as_str()),
            (kind, "Accept, Authorization, Forebay-Tenant")
        );
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
            "/v1/sellers/S1/orders?by=day",
            NDJSON,
            400,
            "malformed",
            "there is no parameter `by` here: there are from, to, limit, cursor, order, kind, status, as_placed, after, wait_ms, partial, rows",
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
    let mut stream = tokio::net::TcpStream::connect(scene.query.address).await.unwrap();
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
    scene.take_down(DOWN).await;
    for form in [NDJSON, CSV, PARQUET] {
        let answer = Answer::of(accepting(&scene, "/v1/orders", form)).await;
        assert!(answer.problem(503, "shard_unavailable").starts_with("shard 1 cannot be read now"));
        let answer = export(&scene, "/v1/orders?partial=true", form).await;
        assert_eq!(answer.headers()["forebay-shards-missing"], "1");
        let expected =
            all.iter().filter(|order| scene.writing.shard_of(order["customer_id"].as_str().unwrap()) != DOWN);
        assert_eq!(read(form, &answer.bytes().await.unwrap()), expected.cloned().collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn large_orders_are_as_whole_as_small_ones() {
    let mut scene = Scene::start("largeexport").await;
    let order = |n: usize| {
        json!({
            "order_id": format!("L{n:02}"), "customer_id": format!("C{}", n % 5), "timestamp": "2025-06-30T12:30:00Z",
            "items": [{"sku": "x", "quantity": 1, "price": 5}], "note": "x".repeat(250_000)
        })
    };
    let orders: Vec<Value> = (0..60).map(order).collect();
    for some in orders.chunks(10) {
        scene.writing.write(some).await;
    }
    for form in [NDJSON, CSV, PARQUET] {
        let got = read(form, &export(&scene, "/v1/orders", form).await.bytes().await.unwrap());
        let ids: Vec<&str> = got.iter().map(|order| order["order_id"].as_str().unwrap()).collect();
        assert_eq!(ids, (0..60).rev().map(|n| format!("L{n:02}")).collect::<Vec<_>>(), "{form}");
        assert!(got.iter().all(|order| order["note"].as_str().unwrap().len() == 250_000));
    }
}

#[tokio::test]
async fn an_export_by_item_has_each_item_of_the_list_once() {
    let mut scene = Scene::start("byitem").await;
    scene.writing.write(&orders()).await;
    for path in ["/v1/orders?rows=items", "/v1/sellers/S1/orders?rows=items"] {
        let mut expected = Vec::new();
        for order in pages(&scene, &path.replace("rows=items", "limit=1000")).await {
            for (number, item) in (1..).zip(order["items"].as_array().unwrap()) {
                let amount = item["quantity"].as_i64().unwrap() * item["price"].as_i64().unwrap();
                expected.push((order["order_id"].clone(), json!(number), json!(amount), item.clone()));
            }
        }
        let lines = export(&scene, path, NDJSON).await.text().await.unwrap();
        let rows: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let row = |row: &Value| {
            assert_eq!((&row["sku"], &row["price"]), (&row["item"]["sku"], &row["item"]["price"]));
            (row["order_id"].clone(), row["number"].clone(), row["amount"].clone(), row["item"].clone())
        };
        assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), expected, "{path}");
        let records = export(&scene, path, CSV).await.bytes().await.unwrap();
        let records = csv::Reader::from_reader(&records[..]).records().map(Result::unwrap).count();
        assert_eq!(records, expected.len(), "{path}");
        for form in [PARQUET, "application/json"] {
            let answer = Answer::of(accepting(&scene, path, form)).await;
            assert!(answer.problem(400, "malformed").contains("text/csv"), "{form}");
        }
    }
}

#[tokio::test]
async fn an_export_is_the_same_in_every_encoding() {
    let mut scene = Scene::start("encoded").await;
    scene.writing.write(&orders()).await;
    for path in
        ["/v1/orders", "/v1/customers/C,7/orders", "/v1/sellers/S1/orders?order=asc", "/v1/customers/nobody/orders"]
    {
        for form in [NDJSON, CSV] {
            let plain = export(&scene, path, form).await.bytes().await.unwrap();
            for encoding in ["gzip", "zstd"] {
                let answer = accepting(&scene, path, form).header("accept-encoding", encoding).send().await.unwrap();
                assert_eq!(answer.headers()["content-encoding"], encoding, "{path} as {form}");
                let body = answer.bytes().await.unwrap();
                let mut decoded = Vec::new();
                match encoding {
                    "gzip" => drop(MultiGzDecoder::new(&body[..]).read_to_end(&mut decoded).unwrap()),
                    _ => decoded = zstd::decode_all(&body[..]).unwrap(),
                }
                assert!(
                    decoded == plain,
                    "{path} as {form} in {encoding}: {} bytes, not {}",
                    decoded.len(),
                    plain.len()
                );
            }
        }
    }
}
