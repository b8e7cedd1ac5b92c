use std::collections::BTreeMap;
use std::num::NonZeroU16;

use forebay_model::fact::FRAME_BYTES_MAX;
use forebay_model::tuple::{self, Tuples};
use forebay_model::{Bucket, Facts, Hash, Identity, Lane, ShardMap, StreamId};
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
            let order = parser().parse(text.as_bytes(), now()).unwrap().settle(&map, now(), number);
            assert_eq!(facts.add(&order, &map), map.write_shard(order.bucket));
        }
        let bytes = facts.bytes();
        let parts = facts.into_parts();
        assert!(parts.iter().all(|part| part.tuples.len() <= bytes_max && part.stream.lane == Lane::Orders));
        // As few as there can be: but for the last of each shard, no part has room for another of these orders.
        assert!(parts.iter().filter(|part| part.tuples.len() + 9_300 < bytes_max).count() <= 3);
        assert_eq!(parts.iter().map(|part| part.tuples.len()).sum::<usize>(), bytes);
        assert_eq!(parts.iter().map(|part| part.rows).sum::<u32>(), 100);
        for part in &parts {
            assert_eq!(Tuples::new(part.stream.lane, &part.tuples).flatten().count(), part.rows as usize);
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
        facts.add(&parser().parse(text.as_bytes(), now()).unwrap().settle(&map, now(), 0), &map);
    }
    let mut rows: Vec<(bool, u32)> =
        facts.into_parts().iter().map(|part| (part.tuples.len() > FRAME_BYTES_MAX, part.rows)).collect();
    rows.sort_unstable();
    assert_eq!(rows, [(false, 1), (false, 1), (true, 1)]);
}

proptest! {
    #[test]
    fn tuples_say_what_the_orders_said(orders in proptest::collection::vec(any_order(), 1..8)) {
        let map = map();
        let mut facts = Facts::default();
        let mut expected: BTreeMap<StreamId, usize> = BTreeMap::new();
        let texts: Vec<String> = orders.iter().map(Value::to_string).collect();
        let orders: Vec<_> = texts.iter().map(|text| parser().parse(text.as_bytes(), now()).unwrap().settle(&map, now(), 7)).collect();
        for order in &orders {
            facts.add(order, &map);
            *expected.entry(Lane::Orders.on(map.write_shard(order.bucket))).or_default() += 1;
            if order.needs_index() {
                *expected.entry(Lane::Index.on(map.write_shard(Bucket::of_key(order.order_id.as_str())))).or_default() += 1;
            }
            for slice in order.views() {
                *expected.entry(Lane::Views.on(map.write_shard(Bucket::of_key(&slice.key)))).or_default() += 1;
            }
        }
        let mut found: BTreeMap<StreamId, usize> = BTreeMap::new();
        for part in facts.into_parts() {
            for tuple in Tuples::new(part.stream.lane, &part.tuples) {
                let tuple = tuple.unwrap();
                *found.entry(part.stream).or_default() += 1;
                if part.stream.lane == Lane::Orders {
                    let same = |order: &&forebay_model::Order<'_>| {
                        let is = |column, bytes: &[u8]| tuple.named(column) == Some(bytes);
                        is("bucket", &order.bucket.number().to_be_bytes())
                            && is("customer_id", order.customer_id().as_str().as_bytes())
                            && tuple.ordered_at() == order.ordered_at
                            && is("order_id", order.order_id.as_str().as_bytes())
                            && is("total", &order.total().to_be_bytes())
                            && is("items", order.items().as_bytes())
                            && is("attributes", order.attributes().as_bytes())
                    };
                    let order = orders.iter().find(same).unwrap();
                    let (identity, mut of_tuple, mut of_order) = (Identity::of(tuple.bytes(), tuple.ordered_at()), Vec::new(), Vec::new());
                    identity.push_index(&mut of_tuple);
                    tuple::push_index(&mut of_order, order);
                    prop_assert_eq!(of_tuple, of_order);
                    prop_assert_eq!(identity.routes_itself(), !order.needs_index());
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
