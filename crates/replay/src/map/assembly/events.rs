//! Maps of events, as a whole: from a file to what is sent.

use std::io::Cursor;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::chunk::{Chunk, ChunkBuilder, ChunkSize, LineSpan};
use crate::map::Map;
use crate::map::tests::SHIPPING;
use crate::source::RecordSource;
use crate::source::records::json::Json;
use crate::source::rows::orders_of_csv;

const HEADER: &str = "Order,Customer,Status,When,Amount,Sku,Pieces,Note,Carrier\n";

fn read(source: &mut dyn RecordSource) -> Chunk {
    let mut builder = ChunkBuilder::new(ChunkSize { records: 1 << 20, bytes: 1 << 30 });
    while source.fill(&mut builder).unwrap() {}
    builder.take(0, 0, 0, 0)
}

fn by(map: &str, lines: &str) -> Chunk {
    let map = Arc::new(Map::parse(map).unwrap());
    read(orders_of_csv(Cursor::new(format!("{HEADER}{lines}")), map).unwrap().unwrap().as_mut())
}

fn sent(chunk: &Chunk) -> Vec<Value> {
    let lines = chunk.body.split(|&b| b == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

#[test]
fn lines_of_one_event_that_stand_together_are_one_and_each_kind_has_what_it_has() {
    let chunk = by(
        SHIPPING,
        "O1,C1,sent,2026-01-02 10:00:00,,,,,DHL\n\
         O2,C1,back,2026-01-03 10:00:00,,A,-1,,\n\
         O2,,back,2026-01-03 10:00:00,,B,2,,\n\
         O3,,refunded,2026-01-04,-12.50,,,,\n\
         O4,C2,amended,2026-01-05,,,,leave it at the door,\n\
         O5,C2,note,2026-01-05,,,,said nothing,\n",
    );
    assert_eq!(chunk.refused, []);
    let event = |order: &str, kind: &str, at: &str, more: Value| {
        let mut event = json!({"order_id": order, "event_id": "out", "kind": kind, "at": at});
        event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        event
    };
    let expected = [
        event("O1", "shipped", "2026-01-02T10:00:00Z", json!({"customer_id": "C1", "carrier": "DHL"})),
        event(
            "O2",
            "returned",
            "2026-01-03T10:00:00Z",
            json!({"customer_id": "C1", "items": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 2}]}),
        ),
        event("O3", "refunded", "2026-01-04T00:00:00Z", json!({"amount": 1250})),
        event(
            "O4",
            "amended",
            "2026-01-05T00:00:00Z",
            json!({"customer_id": "C2", "set": {"note": "leave it at the door"}}),
        ),
        event("O5", "note", "2026-01-05T00:00:00Z", json!({"customer_id": "C2"})),
    ];
    assert_eq!(sent(&chunk), expected);
    assert_eq!((chunk.place(1), chunk.place(2).line), (LineSpan { line: 3, lines: 2 }, 5));
}

#[test]
fn a_fault_in_one_line_refuses_the_whole_event_with_its_line() {
    let good = "O1,C1,back,2026-01-02 10:00:00,,A,1,,\n";
    for (bad, said) in [
        ("O1,C1,back,2026-01-02 10:00:00,,B,x,,\n", "line 3: Pieces \"x\" is not a decimal number"),
        ("O1,C2,back,2026-01-02 10:00:00,,B,1,,\n", "line 3: its customer is \"C2\", and that of the event's first"),
        ("O1,C1,sent,2026-01-02 10:00:00,,B,1,,\n", "line 3: its kind is \"shipped\", and that of the event's first"),
    ] {
        let chunk = by(SHIPPING, &format!("{good}{bad}"));
        let refusal = &chunk.refused[0];
        assert!(refusal.detail.starts_with(said), "{} instead of {said}", refusal.detail);
        assert_eq!((refusal.order_id.as_deref(), refusal.place), (Some("O1"), LineSpan { line: 2, lines: 2 }));
    }
    let chunk = by(SHIPPING, "O1,C1,,2026-01-02 10:00:00,,,,,\n,C1,sent,2026-01-02 10:00:00,,,,,\n");
    let details: Vec<&str> = chunk.refused.iter().map(|refusal| refusal.detail.as_str()).collect();
    assert_eq!(details, ["line 2: Status is empty", "line 3: Order is empty"]);
}

#[test]
fn where_no_items_are_meant_each_line_is_an_event() {
    let map = SHIPPING.replace("item =", "# ").replace("event_id = { constant = \"out\" }", "event_id = \"Note\"");
    let line = |id: &str| format!("O1,C1,sent,2026-01-02 10:00:00,,,,{id},\n");
    let chunk = by(&map, &[line("a"), line("b"), line("b")].concat());
    let ids: Vec<Value> = sent(&chunk).iter().map(|event| event["event_id"].clone()).collect();
    assert_eq!(ids, ["a", "b", "b"]);
}

#[test]
fn json_becomes_events_by_paths() {
    let map = r#"
events = "$.fulfillments[*]"
event_id = "$.id"
order_id = "$.order.name"
kind = { column = "$.status", default = "shipped", values = { success = "shipped", returned = "returned" } }
at = "$.created_at"
items = "$.lines[*]"
item = { sku = "@.sku", quantity = "@.n" }
attributes = { tracking = "$.tracking" }
skip_when = [{ column = "$.status", equals = "pending" }]
"#;
    let text = r#"{"fulfillments": [
        {"id": 7, "order": {"name": "O1"}, "status": "success", "created_at": "2026-01-02T10:00:00Z", "tracking": {"no": 1.50}},
        {"id": 8, "order": {"name": "O1"}, "status": "pending", "created_at": "2026-01-02T10:00:00Z"},
        {"id": 9, "order": {"name": "O1"}, "status": "returned", "created_at": "2026-01-03T10:00:00Z", "lines": [{"sku": "A", "n": 2}]}]}"#;
    let chunk = read(&mut Json::mapped(Cursor::new(text), Arc::new(Map::parse(map).unwrap())));
    let shipped = json!({"order_id": "O1", "event_id": "7", "kind": "shipped", "at": "2026-01-02T10:00:00Z",
        "tracking": {"no": 1.50}});
    let returned = json!({"order_id": "O1", "event_id": "9", "kind": "returned", "at": "2026-01-03T10:00:00Z",
        "items": [{"sku": "A", "quantity": 2}]});
    assert_eq!((sent(&chunk), chunk.passed_over), (vec![shipped, returned], 1), "{:?}", chunk.refused);
}

proptest! {
    /// Lines of an event that stand apart, but not too far, are the same event as where they stand together.
    #[test]
    fn gathered_lines_are_the_events_that_they_were(order in Just((0..24_usize).collect::<Vec<_>>()).prop_shuffle()) {
        let line = |n: usize| format!("O{},C1,back,2026-01-02 10:00:00,,S{n},1,e{},\n", n / 6, n / 3);
        let map = SHIPPING.replace("event_id = { constant = \"out\" }", "event_id = \"Note\"");
        let together = by(&map, &(0..24).map(line).collect::<String>());
        let apart = by(&format!("lines_apart = 24\n{map}"), &order.into_iter().map(line).collect::<String>());
        let sorted = |chunk: &Chunk| {
            let mut events = sent(chunk);
            for event in &mut events {
                event["items"].as_array_mut().unwrap().sort_by_key(|item| item["sku"].to_string());
            }
            events.sort_by_key(Value::to_string);
            events
        };
        prop_assert_eq!(sorted(&together).len(), 8);
        prop_assert_eq!(sorted(&apart), sorted(&together));
    }
}
