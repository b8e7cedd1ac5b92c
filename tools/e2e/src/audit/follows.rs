//! What follows from the stored orders, and from nothing else: index entries, views and times.
//!
//! An order that was not stored, because it conflicts with another, was refused or was never logged whole, has none of them,
//! whatever was sent.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use forebay_model::{Bucket, ShardMap, StreamKind, Tenant};

use super::sent::slices;
use super::stored::{Stored, StoredOrder, StoredView};

/// Whose order, and which.
type Identity<'a> = (&'a str, &'a str);

/// What is wrong with index entries, views and times, as sentences. The map says where readers look for them.
pub(crate) fn compare(shards: &[Stored], map: &ShardMap) -> Vec<String> {
    let mut faults = index(shards);
    faults.extend(views(shards));
    for (number, shard) in shards.iter().enumerate() {
        faults.extend(places(number, shard, map));
        faults.extend(times(number, shard));
    }
    faults
}

fn orders(shards: &[Stored]) -> impl Iterator<Item = &StoredOrder> {
    shards.iter().flat_map(|shard| &shard.orders)
}

/// Ids that Forebay assigned lead to their orders by themselves; every other order has an entry.
fn index(shards: &[Stored]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut wanted: BTreeMap<Identity<'_>, i64> =
        orders(shards).filter(|order| !order.is_assigned()).map(|order| (order.identity(), order.at)).collect();
    for entry in shards.iter().flat_map(|shard| &shard.index) {
        let (order, customer) = (&entry.order_id, &entry.customer_id);
        match wanted.remove(&(customer, order)) {
            Some(at) if at == entry.at => {}
            Some(_) => faults.push(format!("{order} of {customer} is found by its id at another time than its own")),
            None => faults.push(format!("{order} of {customer} has an index entry and no order, or two entries")),
        }
    }
    faults.extend(wanted.keys().map(|(_, order)| format!("{order} is stored and not found by its id")));
    faults
}

/// Each seller sees each order with items of theirs, and those items.
fn views(shards: &[Stored]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut seen: HashMap<Identity<'_>, Vec<&StoredView>> = HashMap::new();
    for view in shards.iter().flat_map(|shard| &shard.views) {
        seen.entry((&view.customer_id, &view.order_id)).or_default().push(view);
    }
    for order in orders(shards) {
        let found = seen.remove(&order.identity()).unwrap_or_default();
        let wanted = slices(&order.items);
        let is_right = found.len() == wanted.len() && found.iter().all(|view| view.is_of(&wanted, order));
        if !is_right {
            faults.push(format!("the sellers of {} do not see it as it is", order.order_id));
        }
    }
    faults.extend(seen.keys().map(|(customer, order)| format!("{order} of {customer} has a view and no order")));
    faults
}

/// Every entry and view lies on the shard of its id and its key.
fn places(number: usize, shard: &Stored, map: &ShardMap) -> Vec<String> {
    let is_away =
        |key: &str| usize::from(map.shard(StreamKind::Derived, Bucket::of_key(Tenant::none(), key)).0) != number;
    let tell = |what: &str, order: &str| format!("{what} of {order} lies on shard {number}, where nobody looks for it");
    let entries = shard.index.iter().filter(|entry| is_away(&entry.order_id));
    let views = shard.views.iter().filter(|view| is_away(&view.key));
    let entries = entries.map(|entry| tell("the index entry", &entry.order_id));
    entries.chain(views.map(|view| tell("a view", &view.order_id))).collect()
}

/// Each order with an id of its own has its time, in its shard, and there are no other times.
fn times(number: usize, shard: &Stored) -> Vec<String> {
    let own = shard.orders.iter().filter(|order| !order.is_assigned());
    let orders: BTreeSet<_> = own.map(|order| (&order.customer_id, &order.order_id, order.at)).collect();
    let times: BTreeSet<_> = shard.times.iter().map(|time| (&time.customer_id, &time.order_id, time.at)).collect();
    let tell = |what: &str, (customer, order, at): &(&String, &String, i64)| {
        format!("{order} of {customer} at {at} {what} in order_time of shard {number}")
    };
    let missing = orders.difference(&times).map(|order| tell("is not", order));
    missing.chain(times.difference(&orders).map(|time| tell("has no order and is", time))).collect()
}
