use std::collections::BTreeMap;
use std::num::NonZeroU16;
use std::sync::Arc;

use forebay_model::fact::FRAME_BYTES_MAX;
use forebay_model::fact::slices::slices;
use forebay_model::tuple::Tuples;
use forebay_model::{
    Bucket, Deriver, Facts, Hash, Identity, Lane, ShardId, ShardMap, StoredOrder, StreamKind, Tenant, ViewSet,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::orders::{any_order, now, parser};

fn map() -> ShardMap {
    ShardMap::even(NonZeroU16::new(3).unwrap(), Hash::Md5)
}

#[test]
fn parts_hold_at_most_what_they_should_and_lose_nothing() {
    let map = map();
    let note = "n".repeat(9_000);
    for (mut facts, bytes_max) in [(Facts::default(), FRAME_BYTES_MAX), (Facts::in_parts_of(20_000), 20_000)] {
        for number in 0..100 {
            let order =
                json!({"customer_id": number, "note": note, "items": [{"sku": "a", "quantity": 1, "price": 1}]});
            let text = order.to_string();
            let order = parser().parse(text.as_bytes(), now()).unwrap().settle(Tenant::none(), &map, now(), number);
            assert_eq!(facts.add(&order, &map), map.shard(StreamKind::Logged, order.bucket));
        }
        let bytes = facts.bytes();
        let parts = facts.into_parts();
        assert!(parts.iter().all(|part| part.tuples.len() <= bytes_max && part.lane == Lane::Orders));
        // As few as there can be: but for the last of each shard, no part has room for another of these orders.
        assert!(parts.iter().filter(|part| part.tuples.len() + 9_300 < bytes_max).count() <= 3);
        assert_eq!(parts.iter().map(|part| part.tuples.len()).sum::<usize>(), bytes);
        assert_eq!(parts.iter().map(|part| part.rows).sum::<u32>(), 100);
        for part in &parts {
            assert_eq!(Tuples::new(part.lane, &part.tuples).flatten().count(), part.rows as usize);
        }
    }
}

#[test]
fn an_order_larger_than_a_frame_has_a_part_of_its_own() {
    let map = map();
    let mut facts = Facts::default();
    for note in ["small".to_owned(), "n".repeat(100_000), "small".to_owned()] {
        let order = json!({"customer_id": 1, "note": note, "items": [{"sku": "a", "quantity": 1, "price": 1}]});
        let text = order.to_string();
        facts.add(&parser().parse(text.as_bytes(), now()).unwrap().settle(Tenant::none(), &map, now(), 0), &map);
    }
    let mut rows: Vec<(bool, u32)> =
        facts.into_parts().iter().map(|part| (part.tuples.len() > FRAME_BYTES_MAX, part.rows)).collect();
    rows.sort_unstable();
    assert_eq!(rows, [(false, 1), (false, 1), (true, 1)]);
}

proptest! {
    #[test]
    fn tuples_say_what_the_orders_said(
        orders in proptest::collection::vec(any_order(), 1..8), tenant in "[^\\p{Cc}]{0,4}",
    ) {
        let (map, tenant) = (map(), Tenant::new(tenant.trim()).unwrap());
        let mut facts = Facts::default();
        let texts: Vec<String> = orders.iter().map(Value::to_string).collect();
        let orders: Vec<_> = texts.iter().map(|text| parser().parse(text.as_bytes(), now()).unwrap().settle(&tenant, &map, now(), 7)).collect();
        let mut expected: BTreeMap<ShardId, usize> = BTreeMap::new();
        for order in &orders {
            *expected.entry(facts.add(order, &map)).or_default() += 1;
        }
        let mut found: BTreeMap<ShardId, usize> = BTreeMap::new();
        for part in facts.into_parts() {
            prop_assert_eq!(part.lane, Lane::Orders);
            for tuple in Tuples::new(part.lane, &part.tuples) {
                let tuple = tuple.unwrap();
                *found.entry(part.shard).or_default() += 1;
                let same = |order: &&forebay_model::Order<'_>| {
                    let is = |column, bytes: &[u8]| tuple.named(column) == Some(bytes);
                    is("bucket", &order.bucket.number().to_be_bytes())
                        && is("tenant", tenant.as_str().as_bytes())
                        && is("customer_id", order.customer_id().as_str().as_bytes())
                        && tuple.ordered_at() == order.ordered_at
                        && is("order_id", order.order_id.as_str().as_bytes())
                        && is("kind", order.kind().as_str().as_bytes())
                        && is("currency", order.currency().as_str().as_bytes())
                        && is("total", &order.total().to_be_bytes())
                        && is("items", order.items().as_bytes())
                        && is("attributes", order.attributes().as_bytes())
                };
                let order = orders.iter().find(same).unwrap();
                let identity = Identity::of(&tuple);
                prop_assert_eq!(identity, order.identity());
                let mut time = Vec::new();
                identity.push_time(&mut time);
                let time = Tuples::new(Lane::Index, &time).next().unwrap().unwrap();
                let is_same = |column| time.named(column) == tuple.named(column);
                prop_assert!(["bucket", "tenant", "order_id", "customer_id", "ordered_at"].into_iter().all(is_same));
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_follows_from_an_order_goes_where_its_readers_look(order in any_order(), tenant in "[^\\p{Cc}]{0,4}") {
        let (map, views) = (Arc::new(map()), "seller=items[].seller_id".parse::<ViewSet>().unwrap());
        let tenant = Tenant::new(tenant.trim()).unwrap();
        let text = order.to_string();
        let settled = parser().parse(text.as_bytes(), now()).unwrap().settle(&tenant, &map, now(), 7);
        let mut logged = Facts::default();
        logged.add(&settled, &map);
        let logged = logged.into_parts();
        let tuple = Tuples::new(Lane::Orders, &logged[0].tuples).next().unwrap().unwrap();
        let stored = StoredOrder::of(&tuple);
        let mut facts = Facts::default();
        Deriver::new(views.clone(), Arc::clone(&map)).derive(&stored, &mut facts);
        let mut expected: BTreeMap<(Lane, ShardId), usize> = BTreeMap::new();
        if order.get("order_id").is_some() {
            let bucket = Bucket::of_key(&tenant, settled.order_id.as_str());
            *expected.entry((Lane::Index, map.shard(StreamKind::Derived, bucket))).or_default() += 1;
        }
        let items = order["items"].as_array().unwrap();
        let sum = |item: &Value| item["quantity"].as_i64().unwrap() * item["price"].as_i64().unwrap();
        let slices = slices(&views, &stored);
        for slice in &slices {
            *expected.entry((Lane::Views, map.shard(StreamKind::Derived, Bucket::of_key(&tenant, &slice.key)))).or_default() += 1;
            let of_key: Vec<&Value> = items.iter().filter(|item| item["seller_id"] == *slice.key).collect();
            prop_assert_eq!(slice.subtotal, of_key.iter().map(|&item| sum(item)).sum::<i64>());
            let seen: Vec<Value> = slice.items.iter().map(|text| serde_json::from_str(text).unwrap()).collect();
            prop_assert_eq!(seen.iter().collect::<Vec<_>>(), of_key);
        }
        let keyed = items.iter().filter(|item| item.get("seller_id").is_some()).count();
        prop_assert_eq!(slices.iter().map(|slice| slice.items.len()).sum::<usize>(), keyed);
        let mut found: BTreeMap<(Lane, ShardId), usize> = BTreeMap::new();
        for part in facts.into_parts() {
            for tuple in Tuples::new(part.lane, &part.tuples) {
                let tuple = tuple.unwrap();
                *found.entry((part.lane, part.shard)).or_default() += 1;
                // What a row is routed by stands in the row, and its bucket is made of nothing else.
                let routed_by = if part.lane == Lane::Index { "order_id" } else { "key" };
                let bucket = Bucket::of_key(&tenant, str::from_utf8(tuple.named(routed_by).unwrap()).unwrap());
                prop_assert!(tuple.named("bucket") == Some(&bucket.number().to_be_bytes()[..]), "{:?}", tuple);
                prop_assert_eq!(map.shard(StreamKind::Derived, bucket), part.shard);
                prop_assert_eq!(tuple.named("tenant"), Some(tenant.as_str().as_bytes()));
                if part.lane == Lane::Views {
                    prop_assert!(tuple.named("kind") == Some(settled.kind().as_str().as_bytes()));
                    prop_assert!(tuple.named("currency") == Some(settled.currency().as_str().as_bytes()));
                }
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn no_bytes_make_the_tuple_reader_panic_or_run_on(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        for lane in Lane::ALL {
            prop_assert!(Tuples::new(lane, &bytes).count() <= bytes.len());
        }
    }
}
