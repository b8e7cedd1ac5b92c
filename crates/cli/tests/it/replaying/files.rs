//! Files of every kind.

use std::io::Write;

use forebay_model::Timestamp;
use forebay_parquet::{Order, OrderWriter, Shape};
use serde_json::{Value, json};

use crate::forebay::Forebay;
use crate::replaying::ingest::Ingest;

const COUNTS: [&str; 3] = ["records", "accepted", "rejected"];

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

#[tokio::test]
async fn every_format_and_compression_brings_every_order() {
    let forebay = Forebay::new();
    for (seed, name) in
        ["a.ndjson", "b.ndjson.gz", "c.ndjson.zst", "d.json", "e.json.gz", "f", "-"].into_iter().enumerate()
    {
        let ingest = Ingest::start("format", &[]).await;
        let orders = forebay.generate("plain", &["--orders", "2000", "--seed", &seed.to_string()]).await;
        let plain = forebay.read("plain");
        let contents = match name {
            "b.ndjson.gz" => gzip(&plain),
            "c.ndjson.zst" => zstd::encode_all(plain.as_bytes(), 0).unwrap(),
            "d.json" => serde_json::to_vec_pretty(&orders).unwrap(),
            "e.json.gz" => gzip(&serde_json::to_string(&orders).unwrap()),
            _ => plain.into_bytes(),
        };
        let arguments = ["replay", name, "--to", &ingest.url(), "--json"];
        let ran = if name == "-" {
            forebay.run_with(&arguments, &contents).await
        } else {
            forebay.write(name, &contents);
            forebay.run(&arguments).await
        };
        assert_eq!((ran.code, ran.figures(&COUNTS)), (Some(0), vec![2000, 2000, 0]), "{name}: {ran:?}");
        ingest.assert_logged(&orders).await;
    }
}

#[tokio::test]
async fn a_csv_file_goes_in_whole_and_every_line_is_accounted_for() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("csv", &[]).await;
    forebay.write(
        "map.toml",
        r#"
        order_id = "InvoiceNo"
        customer_id = { column = "CustomerID", strip_suffix = ".0", default = "guest" }
        timestamp = { column = "InvoiceDate", format = "%Y-%m-%d %H:%M:%S", zone = "Europe/London" }
        [item]
        sku = "StockCode"
        quantity = "Quantity"
        price = { column = "UnitPrice", scale = 2 }
        [attributes]
        country = "Country"
        "#,
    );
    forebay.write(
        "day.csv",
        "\u{feff}InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\r\n\
         536365,85123A,\"HEART, WHITE\",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom\r\n\
         536365,71053,LANTERN,6,2010-12-01 08:27:00,3.39,17850.0,United Kingdom\r\n\
         C536379,D,Discount,-1,2010-12-01 09:41:00,27.5,14527.0,United Kingdom\r\n\
         536414,22139,,56,2010-12-01 11:52:00,0.0,,United Kingdom\r\n\
         536415,22139,,1,2010-12-01 11:53:00,0.001,,United Kingdom\r\n\
         536415,22140,,1,2010-12-01 11:53:00,1,,United Kingdom\r\n",
    );
    let ran = forebay.run(&["replay", "day.csv", "--map", "map.toml", "--to", &ingest.url(), "--json"]).await;
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let figures = ["lines", "accepted_lines", "rejected_lines", "records", "accepted", "rejected"];
    assert_eq!(ran.figures(&figures), [6, 4, 2, 4, 3, 1]);
    let ids: Vec<String> = ingest.logged().await.into_keys().collect();
    assert_eq!(ids, ["536365", "536414", "C536379"]);
    let rejects = forebay.read_lines("day.csv.rejects.ndjson");
    let told = |reject: &Value| (reject["line"].clone(), reject["lines"].clone(), reject["order_id"].clone());
    let expected = [(json!(6), json!(2), json!("536415"))];
    assert_eq!(rejects.iter().map(told).collect::<Vec<_>>(), expected);
    assert_eq!(rejects[0]["detail"], "line 6: UnitPrice \"0.001\" has more than 2 decimals");
    assert_eq!(rejects[0]["record"]["items"][1]["sku"], "22140");
}

#[tokio::test]
async fn rejected_records_are_replayed_as_they_are() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("again", &[]).await;
    let good = r#"{"order_id": "A", "customer_id": "C", "timestamp": "2025-06-30T12:30:00Z", "items": [{"sku": "x", "quantity": 0, "price": 1}]}"#;
    forebay.write("orders.ndjson", format!("{good}\n{{torn\n"));
    // An address without a scheme is HTTP's.
    let to = ingest.address.to_string();
    let replay = async |name: &str| forebay.run(&["replay", name, "--to", &to, "--json"]).await;
    assert_eq!(replay("orders.ndjson").await.code, Some(2));
    // Mended where it lies.
    let rejects = forebay.read("orders.ndjson.rejects.ndjson");
    forebay.write("orders.ndjson.rejects.ndjson", rejects.replace("\"quantity\": 0", "\"quantity\": 2"));
    let ran = replay("orders.ndjson.rejects.ndjson").await;
    assert_eq!((ran.code, ran.figures(&COUNTS)), (Some(2), vec![2, 1, 1]), "{ran:?}");
    ingest.assert_logged(&[json!({"order_id": "A"})]).await;
    let left = &forebay.read_lines("orders.ndjson.rejects.ndjson.rejects.ndjson")[0];
    assert_eq!((&left["line"], &left["record"]), (&json!(2), &json!("{torn")));
}

/// An export of N orders.
pub(crate) fn parquet(shape: Shape, count: i64) -> Vec<u8> {
    let mut writer = OrderWriter::new(shape).unwrap();
    for n in 0..count {
        writer.push(&Order {
            order_id: &format!("P{n}"),
            customer_id: &format!("C{}", n % 7),
            timestamp: Timestamp::from_unix_us(1_751_286_600_000_000 + n),
            kind: "sale",
            currency: "GBP",
            sum: n,
            items: &format!("[{{\"sku\": \"a\", \"price\": {n}, \"quantity\": 1}}]"),
            attributes: "{\"channel\": \"web\"}",
        });
    }
    writer.finish().unwrap()
}

#[tokio::test]
async fn a_parquet_file_is_an_export_or_lines_of_items() {
    let forebay = Forebay::new();
    forebay.write("orders.parquet", parquet(Shape::Whole, 3000));
    let orders: Vec<Value> = (0..3000).map(|n| json!({"order_id": format!("P{n}")})).collect();
    let ingest = Ingest::start("parquet", &[]).await;
    let ran = forebay.run(&["replay", "orders.parquet", "--to", &ingest.url(), "--json"]).await;
    assert_eq!((ran.code, ran.figures(&COUNTS)), (Some(0), vec![3000, 3000, 0]), "{ran:?}");
    ingest.assert_logged(&orders).await;

    // The same file as lines of items: each has its total as its quantity, so the first one is refused.
    forebay.write(
        "map.toml",
        r#"
        order_id = "order_id"
        customer_id = "customer_id"
        timestamp = "timestamp"
        [item]
        sku = "customer_id"
        quantity = "total"
        price = { column = "total", scale = 2 }
        "#,
    );
    forebay.write("noname", forebay.read_bytes("orders.parquet"));
    let ingest = Ingest::start("lines", &[]).await;
    let ran = forebay.run(&["replay", "noname", "--map", "map.toml", "--to", &ingest.url(), "--json"]).await;
    assert_eq!((ran.code, ran.figures(&COUNTS)), (Some(2), vec![3000, 2999, 1]), "{ran:?}");
    let reject = &forebay.read_lines("noname.rejects.ndjson")[0];
    let expected = json!([{"sku": "C0", "quantity": 0, "price": 0}]);
    assert_eq!((&reject["line"], &reject["record"]["items"]), (&json!(1), &expected));
    assert_eq!(reject["record"]["timestamp"], "2025-06-30T12:30:00Z");
}

#[tokio::test]
async fn parquet_is_not_read_from_a_stream() {
    let forebay = Forebay::new();
    let ran = forebay.run_with(&["replay", "-", "--format", "parquet", "--dry-run"], &parquet(Shape::Whole, 3)).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("cannot be read as Parquet, which is read from its end: name a file"), "{ran:?}");
}

#[tokio::test]
async fn a_torn_file_is_sent_as_far_as_it_goes_and_that_is_said() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("torn", &[]).await;
    forebay.generate("plain", &["--orders", "5000"]).await;
    let whole = gzip(&forebay.read("plain"));
    forebay.write("torn.ndjson.gz", &whole[..whole.len() / 2]);
    let ran = forebay.run(&["replay", "torn.ndjson.gz", "--to", &ingest.url(), "--json"]).await;
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("the gzip data is torn: it ends too early"), "{ran:?}");
    let sent = ran.figures(&["accepted"])[0];
    assert!((1000..4900).contains(&sent), "{sent}");
    assert_eq!((ran.figures(&["rejected"])[0], ingest.rows().await as u64), (0, sent));
}

#[tokio::test]
async fn a_dry_run_finds_what_ingest_would_and_sends_nothing() {
    let forebay = Forebay::new();
    forebay.generate("orders.ndjson", &["--orders", "300"]).await;
    let mut text = forebay.read("orders.ndjson");
    text.push_str("\n{\"customer_id\": 7}\n");
    forebay.write("orders.ndjson", text);
    // Nobody listens there.
    let to = format!("http://127.0.0.1:{}", forebay_stack::free_ports(1)[0]);
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &to, "--dry-run", "--json"]).await;
    assert_eq!((ran.code, ran.figures(&COUNTS)), (Some(2), vec![301, 300, 1]), "{ran:?}");
    assert_eq!(forebay.read_lines("orders.ndjson.rejects.ndjson")[0]["line"], 302);
}

#[tokio::test]
async fn a_rate_is_kept() {
    let forebay = Forebay::new();
    let ingest = Ingest::start("rate", &[]).await;
    forebay.generate("orders.ndjson", &["--orders", "1500"]).await;
    let ran = forebay.run(&["replay", "orders.ndjson", "--to", &ingest.url(), "--rate", "1000", "--json"]).await;
    let seconds = ran.json().unwrap()["seconds"].as_f64().unwrap();
    assert!((1.35..5.0).contains(&seconds), "{seconds}");
    assert_eq!(ingest.rows().await, 1500);
}
