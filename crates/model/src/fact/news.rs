//! What an event adds to what follows from its order: behind a commit, just that is derived.

use super::derive::Deriver;
use super::view_events::{KeySight, seen};
use crate::event::StoredEvent;
use crate::tuple::{push_view, push_view_event};
use crate::{Bucket, Facts, Lane, StoredOrder, StreamKind};

impl Deriver {
    /// Adds what the new ones among an order's events add to what views see, where what follows from the order, and from it together with
    /// its other events, was derived before: all of these facts are what [`Deriver::derive`] makes, whatever is new when.
    pub fn derive_news(&self, order: &StoredOrder<'_>, is_new: impl Fn(&str) -> bool, facts: &mut Facts) {
        let events = order.read_events();
        let events: Vec<_> = events.iter().collect();
        let is_new = |place: usize| is_new(&events[place].event_id);
        for seen in seen(self.views(), order, &events) {
            // A key that comes in sees all that has happened. By which amendment it did is not for one reading to say: others that bring
            // it may be dealt with at another time, and each of them may be the first.
            let comes_in = seen.brought_by.as_ref().is_some_and(|places| places.iter().any(|&place| is_new(place)));
            self.push_seen(order, &events, &seen, comes_in, |place| comes_in || is_new(place), facts);
        }
    }

    /// Adds what a key sees of an order, if that is wanted, and of those of its events that are.
    pub(super) fn push_seen(
        &self,
        order: &StoredOrder<'_>,
        events: &[&StoredEvent<'_>],
        KeySight { slice, events: happened, .. }: &KeySight<'_>,
        with_order: bool,
        is_wanted: impl Fn(usize) -> bool,
        facts: &mut Facts,
    ) {
        let bucket = Bucket::of_key_bytes(order.identity.tenant, slice.key.as_bytes());
        let shard = self.map().shard(StreamKind::Derived, bucket);
        if with_order {
            facts.push(Lane::Views, shard, |out| push_view(out, bucket, order, slice));
        }
        for (place, content) in happened.iter().filter(|(place, _)| is_wanted(*place)) {
            let of = (slice.view, &*slice.key);
            let write = |out: &mut Vec<u8>| push_view_event(out, bucket, &order.identity, of, events[*place], content);
            facts.push(Lane::ViewEvents, shard, write);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;
    use std::sync::Arc;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::fact::FramePart;
    use crate::{Hash, Identity, ShardMap, Timestamp, Tuples};

    /// Events of an order by when each is stored, and when the order is.
    type Arrivals = (Vec<(usize, usize)>, usize);

    fn happened(number: usize, choice: usize) -> Value {
        let items = |sellers: &[&str]| -> Vec<Value> {
            sellers.iter().map(|seller| json!({"s": seller, "sku": "A", "quantity": 1, "price": 1})).collect()
        };
        let (kind, content) = match choice {
            0 => ("shipped", json!({})),
            1 => ("returned", json!({"items": [{"sku": "A", "quantity": 1}]})),
            2 => ("note", json!({})),
            3 => ("amended", json!({"items": items(&["x", "z"])})),
            4 => {
                let depot = ["D", "E", "F"][number % 3];
                ("amended", json!({"set": {"d": depot}}))
            }
            _ => ("amended", json!({"items": items(&["z", "w"])})),
        };
        json!([format!("E{number}"), kind, number, content])
    }

    /// What is derived, fact by fact, where each commit is derived with what was stored up to `later` commits behind it.
    fn derived_by_commits((events, placed): &Arrivals, later: usize) -> Vec<(Lane, Vec<u8>)> {
        let deriver = deriver();
        let mut facts = Facts::default();
        for commit in 0..6 {
            let seen: Vec<_> = (0..events.len()).filter(|&event| events[event].1 <= commit + later).collect();
            let all = json!(seen.iter().map(|&event| happened(event, events[event].0)).collect::<Vec<_>>()).to_string();
            let with = |events| StoredOrder { events, ..order() };
            let (was_awaited, has_news) =
                (events.iter().any(|event| event.1 < commit), events.iter().any(|event| event.1 == commit));
            let is_new = |event_id: &str| events[event_id[1..].parse::<usize>().unwrap()].1 == commit;
            if *placed == commit {
                deriver.derive_views(&order(), &mut facts);
            }
            if *placed == commit && was_awaited {
                deriver.derive_news(&with(Some(all.as_bytes())), |_| true, &mut facts);
            } else if *placed <= commit && has_news {
                deriver.derive_news(&with(Some(all.as_bytes())), is_new, &mut facts);
            }
        }
        by_itself(facts)
    }

    fn by_itself(facts: Facts) -> Vec<(Lane, Vec<u8>)> {
        let tuples = |part: FramePart| {
            let of_part =
                Tuples::new(part.lane, &part.tuples).map(|tuple| (part.lane, tuple.unwrap().bytes().to_vec()));
            of_part.collect::<Vec<_>>()
        };
        facts.into_parts().into_iter().flat_map(tuples).collect()
    }

    fn deriver() -> Deriver {
        let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
        Deriver::new("seller=items[].s,depot=d".parse().unwrap(), Arc::new(map))
    }

    fn order() -> StoredOrder<'static> {
        let ordered_at = Timestamp::EARLIEST;
        let identity = Identity { bucket: 0, tenant: b"", customer_id: b"C", ordered_at, order_id: b"O" };
        let items = br#"[{"s":"x","sku":"A","quantity":1,"price":1},{"s":"y","sku":"B","quantity":1,"price":1}]"#;
        StoredOrder { identity, kind: b"sale", currency: b"EUR", items, attributes: br#"{"d":"D"}"#, events: None }
    }

    proptest! {
        #[test]
        fn what_each_event_adds_is_in_the_end_all_that_follows_whatever_comes_when(
            arrivals in (prop::collection::vec((0usize..6, 0usize..5), 0..8), 0usize..5),
            later in 0usize..3,
        ) {
            let mut derived = derived_by_commits(&arrivals, later);
            let all = json!(
                arrivals.0.iter().enumerate().map(|(event, (choice, _))| happened(event, *choice)).collect::<Vec<_>>()
            ).to_string();
            let mut facts = Facts::default();
            deriver().derive_views(&StoredOrder { events: Some(all.as_bytes()), ..order() }, &mut facts);
            let mut expected = by_itself(facts);
            derived.sort();
            expected.sort();
            let count = derived.len();
            derived.dedup();
            // Only a key that comes in may be told twice, and nothing is where every event is seen with its own commit.
            if arrivals.0.iter().all(|(choice, _)| *choice < 3) && later == 0 {
                prop_assert_eq!(count, derived.len());
            }
            prop_assert_eq!(derived, expected);
        }
    }
}
