//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

use std::num::NonZeroU16;
use std::sync::Arc;

use serde::de::IgnoredAny;
use serde_json::{Value, json};

use crate::event::life::Life;
use crate::event::{EventDraft, EventParser, StoredEvents};
use crate::fact::slices::slices;
use crate::lane::ColumnType;
use crate::tuple::{Tuple, TupleIndex, Tuples, push_event, push_order};
use crate::{
    Bucket, Currency, Deriver, Facts, Hash, Lane, Order, OrderParser, Receipt, ShardMap, StoredOrder, Tenant,
    Timestamp, ViewSet,
};

/// 2026-01-01T00:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_us(1_767_225_600_000_000);
const DAY_US: i64 = 86_400_000_000;
const VIEWS: &str = "seller=items[].seller_id,warehouse=warehouse_id,sku=items[].sku";

/// An order that is accepted makes a tuple, and facts that follow from it, which can be walked and say what it says; written
/// as a shard gives it back it makes the same.
///
/// # Panics
/// Where that does not hold.
pub fn order(bytes: &[u8]) {
    let views: ViewSet = VIEWS.parse().expect("the views are right");
    let Ok(draft) = OrderParser::new(views.clone(), currency(), DAY_US).parse(bytes, NOW) else { return };
    let map = ShardMap::even(NonZeroU16::new(3).expect("not zero"), Hash::Md5);
    let order = draft.settle(Tenant::none(), &map, NOW, 7);
    for json in [order.items(), order.attributes()] {
        serde_json::from_str::<IgnoredAny>(json).expect("what was accepted is JSON");
    }
    assert!(Timestamp::EARLIEST <= order.ordered_at && order.ordered_at <= NOW.plus_us(DAY_US), "{order:?}");
    let rows = rows(&order, &map);
    let stored = as_stored(&order);
    let again =
        OrderParser::of_stored(views).parse(stored.as_bytes(), NOW).expect("what was accepted is accepted again");
    assert_eq!(self::rows(&again.settle(Tenant::none(), &map, NOW, 8), &map), rows, "{stored}");
}

/// An event that is accepted is the same written again; it makes a tuple that can be walked, and what an order has become by it can be told.
///
/// # Panics
/// Where that does not hold.
pub fn event(bytes: &[u8]) {
    let parser = EventParser::new(VIEWS.parse().expect("the views are right"), DAY_US);
    let Ok(draft) = parser.parse(bytes, None, NOW) else { return };
    let content: serde_json::Map<String, Value> = serde_json::from_str(&draft.content).expect("it is an object");
    assert!(Timestamp::EARLIEST <= draft.at && draft.at <= NOW.plus_us(DAY_US), "{draft:?}");
    let written = written(&draft);
    assert_eq!(parser.parse(written.as_bytes(), None, NOW).as_ref(), Ok(&draft), "{written}");
    let stored = json!([[draft.event_id.as_str(), draft.kind.as_str(), draft.at.unix_us(), content]]).to_string();
    let events = StoredEvents::read(Some(&stored)).expect("it is as a shard gives it");
    let life = Life::of(draft.at, "[]", &events);
    assert!(draft.kind.state().is_none_or(|_| life.status_at == draft.at));
    let map = ShardMap::even(NonZeroU16::new(3).expect("not zero"), Hash::Md5);
    let Ok(event) = draft.settle(Tenant::none(), &map, None) else { return };
    let mut payload = Vec::new();
    push_event(&mut payload, &event);
    let tuples: Result<Vec<Tuple<'_>>, _> = Tuples::new(Lane::Events, &payload).collect();
    let tuples = tuples.expect("what is written can be walked");
    assert_eq!(tuples.len(), 1);
    for (column, text) in [
        ("order_id", event.order_id.as_str()),
        ("customer_id", event.customer_text()),
        ("event_id", event.event_id.as_str()),
        ("kind", event.kind.as_str()),
        ("content", &event.content),
    ] {
        assert_eq!(tuples[0].named(column), Some(text.as_bytes()), "{column}");
    }
}

/// The event in the form in which clients send it.
fn written(draft: &EventDraft) -> String {
    let quoted = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    let customer = draft.customer_id.as_ref().map_or("null".to_owned(), |id| quoted(id.as_str()));
    let (order_id, event_id, kind) =
        (quoted(draft.order_id.as_str()), quoted(draft.event_id.as_str()), quoted(draft.kind.as_str()));
    let separator = if draft.content == "{}" { "" } else { "," };
    let (at, rest) = (draft.at, &draft.content[1..]);
    format!(
        r#"{{"order_id":{order_id},"customer_id":{customer},"event_id":{event_id},"kind":{kind},"at":"{at}"{separator}{rest}"#
    )
}

/// Every tuple that is found stands in the bytes as it would be written, one behind the other.
///
/// # Panics
/// Where that does not hold.
pub fn tuple(bytes: &[u8]) {
    let Some((&first, payload)) = bytes.split_first() else { return };
    let lane = Lane::ALL[usize::from(first) % Lane::ALL.len()];
    let index = TupleIndex::of(lane, payload);
    let mut tuples = Tuples::new(lane, payload);
    let mut end = 0;
    for (row, entry) in (0..).zip(index.entries()) {
        let bytes = &payload[entry.range()];
        assert_eq!(entry.range().start, end);
        end = entry.range().end;
        let fault = index.faults().iter().find(|fault| fault.row == row).map(|fault| &fault.error);
        let tuple = tuples.next().expect("the walk finds what the index has");
        assert_eq!((tuple.as_ref().err(), entry.read(lane, payload).err().as_ref()), (fault, fault));
        if let Ok(tuple) = tuple {
            let mut written = Vec::new();
            write(lane, &tuple, &mut written);
            assert_eq!((tuple.bytes(), &written[..]), (bytes, bytes));
            let at = tuple.ordered_at();
            assert_eq!(Timestamp::from_postgres_us(at.postgres_us()), Some(at));
        }
    }
    let torn = tuples.next().map(|tuple| tuple.expect_err("what the index has not is no tuple"));
    assert_eq!((torn.is_some(), end < payload.len()), (index.is_torn(), index.is_torn()), "{index:?}");
    assert!(tuples.next().is_none());
}

/// A receipt that is accepted is the same when it is written and read again.
///
/// # Panics
/// Where that does not hold.
pub fn receipt(bytes: &[u8]) {
    let Ok(receipt) = String::from_utf8_lossy(bytes).parse::<Receipt>() else { return };
    assert!(!receipt.is_empty());
    assert_eq!(receipt.to_string().parse(), Ok(receipt));
}

/// A time that is accepted is the same when it is written and read again.
///
/// # Panics
/// Where that does not hold.
pub fn timestamp(bytes: &[u8]) {
    let Ok(at) = Timestamp::parse(&String::from_utf8_lossy(bytes)) else { return };
    assert_eq!(Timestamp::parse(&at.to_string()), Ok(at), "{at}");
}

/// Another one than that of stored orders, so that a currency that gets lost on the way is seen.
fn currency() -> Currency {
    "XTS".parse().expect("three letters")
}

/// The tuples of an order, by lane and shard, after they were looked at.
fn rows(order: &Order<'_>, map: &ShardMap) -> Vec<(Lane, u16, Vec<u8>)> {
    let mut facts = Facts::default();
    facts.add(order, map);
    let mut logged = Vec::new();
    push_order(&mut logged, order);
    let tuple = Tuples::new(Lane::Orders, &logged).next().expect("there is a tuple").expect("it can be read");
    let views: ViewSet = VIEWS.parse().expect("the views are right");
    Deriver::new(views, Arc::new(map.clone())).derive(&StoredOrder::of(&tuple), &mut facts);
    let bytes = facts.bytes();
    let mut rows = Vec::new();
    for part in facts.into_parts() {
        let tuples: Result<Vec<Tuple<'_>>, _> = Tuples::new(part.lane, &part.tuples).collect();
        let tuples = tuples.expect("what is written can be walked");
        assert_eq!(tuples.len(), part.rows as usize);
        assert!(tuples.iter().all(|tuple| says_the_same(part.lane, tuple, order)), "{tuples:?} of {order:?}");
        rows.push((part.lane, part.shard.0, part.tuples));
    }
    rows.sort();
    assert_eq!(rows.iter().map(|(.., tuples)| tuples.len()).sum::<usize>(), bytes);
    rows
}

fn says_the_same(lane: Lane, tuple: &Tuple<'_>, order: &Order<'_>) -> bool {
    let is = |column, bytes: &[u8]| tuple.named(column) == Some(bytes);
    let is_text = |column, text: &str| is(column, text.as_bytes());
    let (order_id, customer_id) = (order.order_id.as_str(), order.customer_id().as_str());
    let is_bucket = |bucket: Bucket| is("bucket", &bucket.number().to_be_bytes());
    tuple.ordered_at() == order.ordered_at
        && is_text("tenant", order.tenant.as_str())
        && match lane {
            Lane::Orders => {
                is_bucket(order.bucket)
                    && (is_text("customer_id", customer_id) && is_text("order_id", order_id))
                    && (is_text("kind", order.kind().as_str()) && is_text("currency", order.currency().as_str()))
                    && is("total", &order.total().to_be_bytes())
                    && (is_text("items", order.items()) && is_text("attributes", order.attributes()))
            }
            Lane::Events | Lane::ViewEvents => false,
            Lane::Index => {
                is_bucket(Bucket::of_key(&order.tenant, order_id))
                    && (is_text("order_id", order_id) && is_text("customer_id", customer_id))
            }
            Lane::Views => with_slices(order, |slices| {
                slices.iter().any(|slice| {
                    let items = format!("[{}]", slice.items.join(","));
                    is_bucket(Bucket::of_key(&order.tenant, &slice.key))
                        && (is("view", &slice.view.number().to_be_bytes()) && is_text("key", &slice.key))
                        && (is_text("order_id", order_id) && is_text("customer_id", customer_id))
                        && (is_text("kind", order.kind().as_str()) && is_text("currency", order.currency().as_str()))
                        && is("subtotal", &slice.subtotal.to_be_bytes())
                        && is_text("items", &items)
                })
            }),
        }
}

fn with_slices<T>(order: &Order<'_>, look: impl FnOnce(&[crate::view::ViewSlice<'_>]) -> T) -> T {
    let mut tuple = Vec::new();
    push_order(&mut tuple, order);
    let tuple = Tuples::new(Lane::Orders, &tuple).next().expect("there is a tuple").expect("it can be read");
    look(&slices(&VIEWS.parse().expect("the views are right"), &StoredOrder::of(&tuple)))
}

/// The order as it is read from a shard, in the form in which clients send orders.
fn as_stored(order: &Order<'_>) -> String {
    let quoted = |text: &str| serde_json::to_string(text).expect("a text is JSON");
    let (customer_id, order_id) = (quoted(order.customer_id().as_str()), quoted(order.order_id.as_str()));
    let (at, kind, currency) = (order.ordered_at, order.kind(), order.currency());
    let (total, items) = (order.total(), order.items());
    let separator = if order.attributes() == "{}" { "" } else { "," };
    let rest = &order.attributes()[1..];
    format!(
        r#"{{"customer_id":{customer_id},"order_id":{order_id},"timestamp":"{at}","kind":"{kind}","currency":"{currency}","total":{total},"items":{items}{separator}{rest}"#
    )
}

/// A tuple as the format has it, without asking the code that writes tuples.
fn write(lane: Lane, tuple: &Tuple<'_>, out: &mut Vec<u8>) {
    out.extend_from_slice(&(lane.columns().len() as u16).to_be_bytes());
    for (place, column) in lane.columns().iter().enumerate() {
        let (field, version): (_, &[u8]) =
            (tuple.field(place), if column.kind == ColumnType::Jsonb { &[1] } else { &[] });
        out.extend_from_slice(&((version.len() + field.len()) as u32).to_be_bytes());
        out.extend_from_slice(version);
        out.extend_from_slice(field);
    }
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds::each("order", order);
        seeds::each("event", event);
        seeds::each("tuple", tuple);
        seeds::each("receipt", receipt);
        seeds::each("timestamp", timestamp);
    }
}
