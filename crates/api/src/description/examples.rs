//! A value of each type. Each is read as its type and written again, so that none says what its type does not.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::problem::{NoMembers, Problem};
use crate::{
    AcceptedEvent, AcceptedOrder, BatchReport, ChangesPage, Code, Health, LookedUp, NewEvent, NewOrder, Order,
    OrderIds, Page, ReceiptReport, Stats, Streams, Timeline, Totals, Welcome,
};

pub(super) const RECEIPT: &str = "r13kmq5iwbfx0hv2x9q4.1.1~l0.hod3sf2vcs.4711";
pub(super) const POSITION_OF_CHANGES: &str = "l0.hod3sf2vcs.4711";
pub(super) const CURSOR: &str = "AwBjdXJzb3I";

/// A value that its type reads and writes alike.
fn of<T: Serialize + DeserializeOwned>(value: Value) -> Value {
    let read: T = serde_json::from_value(value.clone()).unwrap();
    assert_eq!(serde_json::to_value(read).unwrap(), value);
    value
}

pub(super) fn new_order() -> Value {
    of::<NewOrder<Value>>(json!({
        "order_id": "ORD123456", "customer_id": "CUST789", "timestamp": "2025-06-30T12:30:00Z",
        "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}], "currency": "EUR",
    }))
}

/// Orders as NDJSON.
pub(super) fn lines() -> Value {
    let second = of::<NewOrder<Value>>(json!({
        "order_id": "ORD123457", "customer_id": "CUST790", "timestamp": "2025-06-30T12:31:00Z",
        "items": [{"sku": "SHOE002", "quantity": 2, "price": 4999, "seller_id": "S8"}], "gift": true,
    }));
    format!("{}\n{second}\n", new_order()).into()
}

pub(super) fn new_event() -> Value {
    of::<NewEvent<Value>>(json!({
        "event_id": "EV1", "customer_id": "CUST789", "kind": "shipped", "at": "2025-07-01T08:00:00Z", "carrier": "X",
    }))
}

/// An event that says of which order it is.
pub(super) fn event_of_order() -> Value {
    let mut event = new_event();
    event["order_id"] = "ORD123456".into();
    of::<NewEvent<Value>>(event)
}

pub(super) fn accepted_event() -> Value {
    of::<AcceptedEvent>(json!({
        "order_id": "ORD123456", "event_id": "EV1", "kind": "shipped", "at": "2025-07-01T08:00:00.000000Z", "shard": 0, "receipt": RECEIPT,
    }))
}

pub(super) fn timeline() -> Value {
    of::<Timeline<Value>>(json!({"order_id": "ORD123456", "customer_id": "CUST789", "data": [
        {"event_id": "EV1", "kind": "shipped", "at": "2025-07-01T08:00:00.000000Z", "carrier": "X"},
    ]}))
}

pub(super) fn changes() -> Value {
    let mut order = order();
    let members = order.as_object_mut().unwrap();
    members.retain(|name, _| !name.starts_with("status"));
    let event = json!({"order_id": "ORD123456", "customer_id": "CUST789", "event_id": "EV1", "kind": "shipped", "at": "2025-07-01T08:00:00.000000Z"});
    of::<ChangesPage<Value>>(json!({
        "data": [{"shard": 0, "type": "order", "order": order}, {"shard": 0, "type": "event", "event": event}],
        "has_more": false, "next": POSITION_OF_CHANGES, "shards_missing": [],
    }))
}

pub(super) fn accepted() -> Value {
    of::<AcceptedOrder>(json!({
        "order_id": "ORD123456", "customer_id": "CUST789", "timestamp": "2025-06-30T12:30:00.000000Z", "shard": 0, "receipt": RECEIPT,
    }))
}

pub(super) fn report() -> Value {
    let detail = "/items/0/quantity must be an integer from 1 to 1000000";
    of::<BatchReport>(json!({
        "accepted": 998, "rejected": 1, "receipt": RECEIPT,
        "errors": [{"line": 7, "order_id": "ORD7", "code": "invalid", "detail": detail}],
    }))
}

pub(super) fn order() -> Value {
    of::<Order<Value>>(json!({
        "order_id": "ORD123456", "customer_id": "CUST789", "timestamp": "2025-06-30T12:30:00.000000Z", "kind": "sale", "currency": "EUR",
        "total": 2999, "items": [{"sku": "SHOE001", "quantity": 1, "price": 2999, "seller_id": "S7"}],
        "status": "shipped", "status_at": "2025-07-01T08:00:00.000000Z",
    }))
}

/// As exports have it.
pub(super) fn order_as_placed() -> Value {
    let mut order = order();
    if let Some(members) = order.as_object_mut() {
        members.retain(|name, _| !name.starts_with("status"));
    }
    order
}

pub(super) fn page() -> Value {
    of::<Page<Order<Value>>>(json!({"data": [order()], "has_more": true, "next_cursor": CURSOR, "shards_missing": []}))
}

/// A page of a view.
pub(super) fn page_of_view() -> Value {
    let mut page = page();
    let order = page["data"][0].as_object_mut().unwrap();
    let total = order.remove("total").unwrap();
    order.insert("subtotal".to_owned(), total);
    of::<Page<Order<Value>>>(page)
}

pub(super) fn order_ids() -> Value {
    of::<OrderIds>(json!({"ids": ["ORD123456", "ORD-unknown", "ORD-shared"]}))
}

pub(super) fn looked_up() -> Value {
    let ambiguous = json!({"ORD-shared": ["CUST1", "CUST2"]});
    of::<LookedUp<Order<Value>>>(json!({"data": [order(), null, null], "ambiguous": ambiguous, "shards_missing": []}))
}

pub(super) fn totals() -> Value {
    of::<Totals>(json!({"shards_missing": [], "data": [
        {"period": "2025-06-01T00:00:00Z", "currency": "EUR", "count": 17, "gross": 50_983, "returned": 2999, "net": 47_984},
    ]}))
}

pub(super) fn receipt() -> Value {
    of::<ReceiptReport>(json!({
        "state": "stored", "accepted": 998, "stored": 990, "duplicate": 7, "dead_in_all": 1, "dead_by_reason": {"conflict": 1},
        "dead": [{"order_id": "ORD7", "reason": "conflict", "letter": "0/17"}], "derived": true,
    }))
}

pub(super) fn stats() -> Value {
    let lane = json!({"orders": 990, "duplicates": 7, "dead_letters": 1});
    let stream = json!({"position": "1764388800000000.4711", "lag_frames": 0, "lag_seconds": 0.0});
    let totals = json!([{"currency": "EUR", "count": 990, "gross": 2_969_010, "returned": 2999, "net": 2_966_011}]);
    let mut shard = json!({
        "shard": 0, "state": "up", "totals": totals, "partitions": 3, "bytes": 9_437_184, "lanes": {"orders": lane}, "streams": {"logged": stream},
        "derived": [{"target": 0, "through": {"incarnation": 1_764_388_800_000_000_u64, "seq": 4711}, "frames_owed": 0, "owed_since": null}],
    });
    for part in [lane, stream] {
        shard.as_object_mut().unwrap().extend(part.as_object().unwrap().clone());
    }
    of::<Stats>(json!({
        "orders": 990, "duplicates": 7, "dead_letters": 1, "shards_missing": [], "totals": totals, "drained": true, "shards": [shard], "epoch": 1,
        "cache": {"hits": 90, "misses": 10, "rate": 0.9, "l1": 80, "redis": 10, "bypassed": 0},
    }))
}

pub(super) fn streams() -> Value {
    let at = json!({"incarnation": 1_764_388_800_000_000_u64, "seq": 4711});
    of::<Streams>(json!({"streams": [{
        "stream": "logged", "shard": 0, "state": "draining", "leader": true, "reason": null, "halted_by": null, "since": "2025-06-30T12:00:00.000000Z",
        "position": at, "lanes": {"orders": {"stored": 990, "duplicate": 7, "dead": 1}}, "committed_at": "2025-06-30T12:30:00.000000Z",
        "lag_frames": 0, "lag_seconds": 0.0,
        "log": {"incarnation": 1_764_388_800_000_000_u64, "first_seq": 1, "last_seq": 4711, "bytes": 1_048_576, "bytes_max": 1_073_741_824},
    }]}))
}

pub(super) fn health() -> Value {
    of::<Health>(json!({"ready": true, "degraded": true, "dependencies": {
        "nats": {"state": "up", "required": true},
        "shard 1": {"state": "down", "required": false, "reason": "connection refused"},
    }}))
}

pub(super) fn welcome() -> Value {
    of::<Welcome>(json!({
        "name": "forebay", "version": env!("CARGO_PKG_VERSION"), "roles": ["ingest"],
        "links": {"documentation": "/docs", "description": "/openapi.json", "readiness": "/readyz"},
    }))
}

pub(super) fn problem(code: Code) -> Value {
    let problem = Problem::new(code, "what happened this time", NoMembers {});
    of::<Problem>(serde_json::to_value(Problem { request_id: Some("9f86d081884c7d65".to_owned()), ..problem }).unwrap())
}
