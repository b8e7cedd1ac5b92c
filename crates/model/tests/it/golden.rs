//! What tuples, receipts and the map look like, byte for byte.

use std::num::NonZeroU16;
use std::sync::Arc;

use forebay_model::tuple::{Tuple, Tuples};
use forebay_model::{
    Accepted, Deriver, Facts, Hash, Incarnation, Lane, Position, Receipt, RequestId, ShardId, ShardMap, StoredOrder,
    StreamKind, Tenant, Timestamp,
};
use forebay_testkit::golden;

use crate::orders::{now, parser};

/// A tenant's order: two sellers and a warehouse see it, an item stands for nothing, texts are not only ASCII.
const ORDER: &str = r#"{"order_id":"ORD-\u00e9","customer_id":"C 1","timestamp":"2025-06-30T12:30:00.123456+02:00","currency":"GBP",
    "items":[{"sku":"A","quantity":2,"price":2999,"seller_id":"S7"},{"sku":"B","quantity":1,"price":1,"seller_id":"S8","n":1.50},
    {"sku":"C","quantity":1,"price":0}],"warehouse_id":"W1","note":"caf\u00e9 \ud83d\ude00","big":123456789012345678901234567890}"#;

fn map() -> ShardMap {
    ShardMap::even(NonZeroU16::MIN, Hash::Md5)
}

/// The tuples of a lane, one after the other.
fn of_lane(facts: Facts, lane: Lane) -> Vec<u8> {
    facts.into_parts().into_iter().filter(|part| part.lane == lane).flat_map(|part| part.tuples).collect()
}

fn checked(lane: Lane, written: &[u8]) -> Vec<u8> {
    golden!(format!("tuples-{}.hex", lane.format().replace('/', "-")), written)
}

/// The columns of a tuple, those that are text.
fn texts<'a>(tuple: &Tuple<'a>, columns: &[&str]) -> Vec<&'a str> {
    columns.iter().map(|column| std::str::from_utf8(tuple.named(column).unwrap()).unwrap()).collect()
}

#[test]
fn tuples() {
    let (map, tenant) = (Arc::new(map()), Tenant::new("T1").unwrap());
    let mut logged = Facts::default();
    logged.add(&parser().parse(ORDER.as_bytes(), now()).unwrap().settle(&tenant, &map, now(), 0), &map);
    let orders = checked(Lane::Orders, &of_lane(logged, Lane::Orders));
    let tuple = Tuples::new(Lane::Orders, &orders).next().unwrap().unwrap();
    assert_eq!(
        texts(&tuple, &["tenant", "customer_id", "order_id", "kind", "currency"]),
        ["T1", "C 1", "ORD-é", "sale", "GBP"]
    );
    assert_eq!(tuple.ordered_at().to_string(), "2025-06-30T10:30:00.123456Z");
    assert_eq!(tuple.named("total").unwrap(), 5999_i64.to_be_bytes());
    assert!(texts(&tuple, &["attributes"])[0].contains("123456789012345678901234567890"));

    // What follows from the order as the file has it.
    let deriver = Deriver::new("seller=items[].seller_id,warehouse=warehouse_id".parse().unwrap(), map);
    for (lane, rows, columns, expected) in [
        (Lane::Index, 1, &["tenant", "order_id", "customer_id"][..], &["T1", "ORD-é", "C 1"][..]),
        (Lane::Views, 3, &["key", "customer_id"], &["S7", "C 1"]),
    ] {
        let mut derived = Facts::default();
        deriver.derive(&StoredOrder::of(&tuple), &mut derived);
        let kept = checked(lane, &of_lane(derived, lane));
        let read: Vec<Tuple<'_>> = Tuples::new(lane, &kept).collect::<Result<_, _>>().unwrap();
        assert_eq!((read.len(), texts(&read[0], columns)), (rows, expected.to_vec()), "{lane}");
        let views: Vec<&[u8]> = read.iter().filter_map(|tuple| tuple.named("view")).collect();
        assert_eq!(views, if lane == Lane::Views { vec![[0, 1], [0, 1], [0, 2]] } else { Vec::new() });
    }
}

#[test]
fn receipts() {
    let mut receipt = Receipt::default();
    for (stream, incarnation, seq) in [
        (StreamKind::Logged.on(ShardId(0)), 1_750_000_000_000_001, 4711),
        (StreamKind::Logged.on(ShardId(12)), u64::MAX, 0),
        (StreamKind::Derived.on(ShardId(1)), 0, u64::MAX),
    ] {
        receipt.note(stream, Position { incarnation: Incarnation::new(incarnation), seq });
    }
    let request = RequestId::new(Timestamp::from_unix_us(1_750_000_000_000_000), 0x0123_4567_89ab_cdef);
    let of_request = receipt.clone().of(Accepted { request, pieces: 3, orders: 12_345 });
    for (name, receipt) in [("positions", receipt), ("request", of_request)] {
        let kept = golden!(format!("receipt-{name}.txt"), receipt.to_string());
        assert_eq!(std::str::from_utf8(&kept).unwrap().parse(), Ok(receipt));
    }
}

#[test]
fn maps() {
    let map = ShardMap::even(NonZeroU16::new(3).unwrap(), Hash::Md5);
    let kept = golden!("map.json", serde_json::to_vec(&map).unwrap());
    assert_eq!(serde_json::from_slice::<ShardMap>(&kept).unwrap(), map);
    let with_read =
        format!("{},\"read\":{{\"4\":[1,2]}}}}", std::str::from_utf8(&kept).unwrap().strip_suffix('}').unwrap());
    let moving: ShardMap = serde_json::from_str(&with_read).unwrap();
    let kept = golden!("map-moving.json", serde_json::to_vec(&moving).unwrap());
    assert_eq!(serde_json::from_slice::<ShardMap>(&kept).unwrap(), moving);
    let later = with_read.replace("\"epoch\"", "\"later\":1,\"epoch\"");
    assert!(serde_json::from_str::<ShardMap>(&later).unwrap_err().to_string().contains("unknown field `later`"));
}
