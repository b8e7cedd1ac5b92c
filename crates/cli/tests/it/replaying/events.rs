//! Files of what happened to orders.

use std::collections::BTreeMap;

use forebay_model::{Lane, Timestamp};
use forebay_parquet::{Order, OrderWriter, Shape};
use forebay_stack::Signal;
use forebay_testkit::{Mode, Proxy, eventually};
use serde_json::{Value, json};

use crate::forebay::Forebay;
use crate::operating::operated::order;
use crate::replaying::ingest::Ingest;
use crate::replaying::system::System;

const MAP: &str = r#"
event_id = "Id"
order_id = "Order"
customer_id = "Customer"
kind = { column = "Status", values = { sent = "shipped", back = "returned" } }
at = { column = "When", zone = "UTC" }
item = { sku = "Sku", quantity = "Pieces" }
attributes = { carrier = "Carrier" }
"#;

const JSON_MAP: &str = r#"
events = "$.events[*]"
event_id = "$.id"
order_id = "$.order"
customer_id = "$.customer"
kind = "$.kind"
at = "$.at"
items = "$.back[*]"
item = { sku = "@.sku", quantity = "@.n" }
attributes = { carrier = "$.carrier" }
"#;

const PARQUET_MAP: &str = r#"
event_id = { constant = "E1" }
order_id = "order_id"
customer_id = "customer_id"
kind = "kind"
at = "timestamp"
attributes = { carrier = { constant = "DHL" } }
"#;

/// What happened to `O0` and `O1`, whatever form it comes in.
fn ndjson() -> String {
    let shipped = |order: &str| json!({"event_id": "E1", "order_id": order, "customer_id": "C", "kind": "shipped", "at": "2025-07-01T10:00:00Z", "carrier": "DHL"});
    let returned = json!({"event_id": "E2", "order_id": "O1", "customer_id": "C", "kind": "returned", "at": "2025-07-02T10:00:00Z",
        "items": [{"sku": "A", "quantity": 1}]});
    [shipped("O0"), shipped("O1"), returned].map(|event| event.to_string()).join("\n")
}

fn csv() -> &'static str {
    "Id,Order,Customer,Status,When,Sku,Pieces,Carrier\n\
     E1,O0,C,sent,2025-07-01 10:00:00,,,DHL\n\
     E1,O1,C,sent,2025-07-01 10:00:00,,,DHL\n\
     E2,O1,C,back,2025-07-02 10:00:00,A,-1,\n"
}

fn document() -> Value {
    let shipped = |order: &str| json!({"id": "E1", "order": order, "customer": "C", "kind": "shipped", "at": "2025-07-01T10:00:00Z", "carrier": "DHL"});
    let returned = json!({"id": "E2", "order": "O1", "customer": "C", "kind": "returned", "at": "2025-07-02T10:00:00Z", "back": [{"sku": "A", "n": 1}]});
    json!({"events": [shipped("O0"), shipped("O1"), returned]})
}

/// What was shipped, as a table.
fn parquet() -> Vec<u8> {
    let mut writer = OrderWriter::new(Shape::Whole).unwrap();
    for order_id in ["O0", "O1"] {
        writer.push(&Order {
            order_id,
            customer_id: "C",
            timestamp: Timestamp::parse("2025-07-01T10:00:00Z").unwrap(),
            kind: "shipped",
            currency: "EUR",
            sum: 0,
            items: "[]",
            attributes: "{}",
        });
    }
    writer.finish().unwrap()
}

/// The timelines of both orders.
async fn timelines(system: &System) -> Value {
    let of = async |order: &str| system.query.get(&format!("/v1/orders/{order}/events")).await.ok()["data"].clone();
    json!([of("O0").await, of("O1").await])
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_the_same_in_whatever_form_they_come() {
    let mut found = BTreeMap::new();
    for (name, map) in
        [("a.ndjson", None), ("b.csv", Some(MAP)), ("c.json", Some(JSON_MAP)), ("d.parquet", Some(PARQUET_MAP))]
    {
        let system = System::new("events").await;
        let forebay = &system.forebay;
        forebay.write("orders.ndjson", [order("C", "O0", 1), order("C", "O1", 1)].join("\n"));
        assert_eq!(system.replay(&["orders.ndjson"]).await.code, Some(0));
        match name {
            "a.ndjson" => forebay.write(name, ndjson()),
            "b.csv" => forebay.write(name, csv()),
            "c.json" => forebay.write(name, document().to_string()),
            _ => forebay.write(name, parquet()),
        }
        forebay.write("map.toml", map.unwrap_or_default());
        let by_map: &[&str] = if map.is_some() { &["--map", "map.toml"] } else { &[] };
        let events = if name == "d.parquet" { 2 } else { 3 };
        for stored_before in [0, events] {
            let ran = system.replay(&[&["--events", name], by_map].concat()).await;
            let fates = &ran.json().unwrap()["fates"];
            let expected = json!([events - stored_before, stored_before]);
            assert_eq!((ran.code, json!([fates["stored"], fates["duplicates"]])), (Some(0), expected), "{ran:?}");
            assert!(ran.stderr.contains(&format!("{events} events, {events} accepted")), "{ran:?}");
        }
        found.insert(name, timelines(&system).await);
    }
    let whole = &found["a.ndjson"];
    assert_eq!((whole[0].as_array().unwrap().len(), &whole[1][1]["kind"]), (1, &json!("returned")), "{whole}");
    assert!(found["b.csv"] == *whole && found["c.json"] == *whole, "{found:?}");
    assert_eq!(found["d.parquet"], json!([whole[0], [whole[1][0]]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_is_told_by_line_and_rejected_events_go_to_a_file_of_their_own() {
    let system = System::new("eventfates").await;
    let event = |id: &str, more: &str| {
        format!(
            "{{\"event_id\":\"{id}\",\"order_id\":\"O1\",\"customer_id\":\"C\",\"at\":\"2025-07-01T10:00:00Z\",{more}}}"
        )
    };
    let lines = [
        event("E1", "\"kind\":\"paid\",\"amount\":5"),
        event("E2", "\"kind\":\"sent\""),
        event("E1", "\"kind\":\"paid\",\"amount\":6"),
        event("E3", "\"kind\":\"note\"").replace("\"customer_id\":\"C\",", ""),
    ];
    system.forebay.write("events.ndjson", lines.join("\n"));
    let ran = system.replay(&["--events", "events.ndjson"]).await;
    let fates = &ran.json().unwrap()["fates"];
    assert_eq!(
        (ran.code, &fates["stored"], &fates["dead_by_reason"]),
        (Some(2), &json!(1), &json!({"conflict": 1})),
        "{ran:?}"
    );
    // Its request has more lines of that order, and the letter does not say which event it was of.
    assert_eq!(fates["first_dead"][0]["order_id"], "O1", "{ran:?}");
    let rejects = system.forebay.read_lines("events.ndjson.events.rejects.ndjson");
    let told: Vec<_> = rejects.iter().map(|reject| (reject["line"].clone(), reject["order_id"].clone())).collect();
    assert_eq!(told, [(json!(2), json!("O1")), (json!(4), json!("O1"))]);
    // Mended where they lie.
    let mended = system.forebay.read("events.ndjson.events.rejects.ndjson").replace("\"sent\"", "\"shipped\"");
    system.forebay.write("again.ndjson", mended);
    let again = system.replay(&["--events", "again.ndjson"]).await;
    assert_eq!((again.code, again.figures(&["accepted", "rejected"])), (Some(2), vec![1, 1]), "{again:?}");
}

#[tokio::test]
async fn a_dry_run_tells_of_events_what_ingest_would() {
    let forebay = Forebay::new();
    let same = "{\"event_id\":\"E1\",\"order_id\":\"O0\",\"customer_id\":\"C\",\"kind\":\"note\",\"at\":\"2025-07-01T10:00:00Z\"}";
    let own = same.replace("note", "x-counted");
    let without = same.replace("\"customer_id\":\"C\",", "");
    let lines =
        [ndjson(), same.to_owned(), own.replace("E1", "E7"), own.replace("E1", "E7"), without, "{torn".to_owned()];
    forebay.write("events.ndjson", lines.join("\n"));
    let ran = forebay.run(&["replay", "--events", "events.ndjson", "--dry-run", "--json"]).await;
    assert_eq!((ran.code, ran.figures(&["accepted", "rejected"])), (Some(2), vec![6, 2]), "{ran:?}");
    let summary = ran.json().unwrap();
    let report = &summary["report"];
    assert_eq!(
        (&summary["of"], &report["kinds"]),
        (&json!("events"), &json!({"shipped": 2, "returned": 1, "note": 1, "x-…": 2}))
    );
    assert_eq!((&report["first"], &report["last"]), (&json!("2025-07-01T10:00:00Z"), &json!("2025-07-02T10:00:00Z")));
    assert_eq!((&report["twice"]["same"], &report["twice"]["conflicts"]), (&json!(1), &json!(1)));
    assert!(ran.stderr.contains("note 1, returned 1, shipped 2, x-… 2"), "{ran:?}");
    assert!(ran.stderr.contains("/customer_id is required"), "{ran:?}");
}

#[tokio::test]
async fn a_map_and_a_file_must_be_of_what_is_said() {
    let forebay = Forebay::new();
    forebay.write("events.csv", csv());
    forebay.write("map.toml", MAP);
    let ran = forebay.run(&["replay", "events.csv", "--map", "map.toml", "--dry-run"]).await;
    assert!(ran.code == Some(64) && ran.stderr.contains("say --events"), "{ran:?}");
    let ran = forebay.run(&["replay", "--events", "events.csv", "--map", "online-retail", "--dry-run"]).await;
    assert!(ran.code == Some(64) && ran.stderr.contains("the map is for orders"), "{ran:?}");
}

#[tokio::test]
async fn a_run_of_events_that_was_killed_goes_on_and_orders_of_the_same_file_do_not_hold_it_up() {
    const EVENTS: usize = 20_000;
    let (forebay, ingest) = (Forebay::new(), Ingest::start("eventkill", &[]).await);
    let row = |n: usize| format!("E1,O{n},C{},sent,2025-07-01 10:00:00,,,DHL", n % 9);
    let rows: Vec<String> = (0..EVENTS).map(row).collect();
    let header = csv().lines().next().unwrap();
    forebay.write("both.csv", format!("{header}\n{}", rows.join("\n")));
    forebay.write("map.toml", MAP);
    let proxy = Proxy::to(ingest.address.port()).await.unwrap();
    proxy.set(Mode::BlackHoleAfter(1_200_000));
    let to = format!("http://127.0.0.1:{}", proxy.port());
    let command = ["replay", "--events", "both.csv", "--map", "map.toml", "--to", &to, "--json", "--rate", "8000"];
    let child = forebay.start(&command);
    eventually("it falls silent", async || (proxy.mode() == Mode::BlackHole, proxy.brought())).await;
    Signal::Kill.send(child.id().unwrap());
    child.wait_with_output().await.unwrap();
    proxy.set(Mode::Pass);
    forebay.write(
        "orders.toml",
        "order_id = \"Order\"\ncustomer_id = \"Customer\"\ntimestamp = { column = \"When\", zone = \"UTC\" }\n\
         item = { sku = { constant = \"S\" }, quantity = { constant = 1 }, price = { constant = 1 } }\n",
    );
    let orders = forebay.run(&["replay", "both.csv", "--map", "orders.toml", "--to", &to, "--json"]).await;
    assert_eq!(orders.code, Some(0), "{orders:?}");
    let again = forebay.run(&[&command[..8], &["--resume"]].concat()).await;
    assert_eq!(again.code, Some(0), "{again:?}");
    let behind = again.json().unwrap()["files"][0]["resumed_behind"].as_u64().unwrap();
    assert!(behind > 0, "{again:?}");
    assert_eq!(behind + again.figures(&["records"])[0], EVENTS as u64);
    assert_eq!((ingest.logged_of(Lane::Events).await.len(), ingest.logged().await.len()), (EVENTS, EVENTS));
}

#[tokio::test]
async fn a_file_is_followed_for_its_events_and_for_its_orders() {
    let (forebay, ingest) = (Forebay::new(), Ingest::start("eventfollow", &[]).await);
    forebay.write("map.toml", MAP);
    forebay.write("events.csv", csv());
    forebay.write("events.ndjson", format!("{}\n", ndjson().replace("O1", "O7")));
    let url = ingest.url();
    let by_map = forebay.start(&["replay", "--follow", "events.csv", "--events", "--map", "map.toml", "--to", &url]);
    let as_it_is = forebay.start(&["replay", "--follow", "events.ndjson", "--events", "--to", &url]);
    let as_orders = forebay.start(&["replay", "--follow", "events.ndjson", "--to", &url]);
    eventually("all is there", async || {
        let ids: Vec<String> = ingest.logged_of(Lane::Events).await.into_keys().collect();
        let refused = forebay.read_lines("events.ndjson.rejects.ndjson").len();
        ((ids == ["O0", "O1", "O7"]) && refused == 3, (ids, refused))
    })
    .await;
    for child in [by_map, as_it_is, as_orders] {
        Signal::Interrupt.send(child.id().unwrap());
        child.wait_with_output().await.unwrap();
    }
}
