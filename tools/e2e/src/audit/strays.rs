//! What is stored beside the orders and belongs to none of them.

use std::collections::{BTreeSet, HashMap, HashSet};

use forebay_model::Lane;

use super::known::Known;
use super::sent::slices;
use super::stored::{Stored, StoredView};
use crate::load::ledger::{Entry, Outcome};

/// Whose order, and which.
type Identity<'a> = (&'a str, &'a str);

/// What is wrong with index entries, views and times, as sentences.
pub(crate) fn compare(entries: &HashMap<String, Entry>, shards: &[Stored], known: &Known) -> Vec<String> {
    let mut faults = index_and_views(entries, shards, known);
    for (number, shard) in shards.iter().enumerate() {
        faults.extend(times(number, shard));
    }
    faults
}

/// Index and views are logged before their order: so they may be there where the order has died, or where nobody was told
/// that it is accepted. Whatever else has no order is wrong.
fn index_and_views(entries: &HashMap<String, Entry>, shards: &[Stored], known: &Known) -> Vec<String> {
    let orders = shards.iter().flat_map(|shard| &shard.orders);
    let stored: HashSet<Identity> = orders.map(|order| (&*order.customer_id, &*order.order_id)).collect();
    let dead = shards.iter().flat_map(|shard| &shard.dead).filter(|letter| letter.lane == Lane::Orders);
    let dead: HashSet<&str> = dead.filter_map(|letter| letter.mark.as_deref()).collect();
    let is_excused = |entry: &Entry| {
        let mark = entry.made.mark.as_str();
        entry.outcome != Some(Outcome::Accepted) || dead.contains(mark) || known.may_be_lost.contains(mark)
    };
    let senders = Senders::of(entries);
    let mut faults = Vec::new();
    for entry in shards.iter().flat_map(|shard| &shard.index) {
        let sent = senders.find(&entry.customer_id, &entry.order_id, entry.at);
        if !stored.contains(&(&*entry.customer_id, &*entry.order_id)) && !sent.is_some_and(is_excused) {
            faults.push(format!("{} of {} has an index entry and no order", entry.order_id, entry.customer_id));
        }
    }
    for view in shards.iter().flat_map(|shard| &shard.views) {
        let sent = senders.find(&view.customer_id, &view.order_id, view.at);
        let is_excused = sent.is_some_and(|entry| is_excused(entry) && is_of(view, entry));
        if !stored.contains(&(&*view.customer_id, &*view.order_id)) && !is_excused {
            faults.push(format!("{} of {} has a view and no order", view.order_id, view.customer_id));
        }
    }
    faults
}

fn is_of(view: &StoredView, entry: &Entry) -> bool {
    view.is_of(&slices(&entry.made.json["items"]), entry.made.at.unix_us())
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

/// The ledger by what index entries and views know of an order.
struct Senders<'a> {
    by_id: HashMap<Identity<'a>, &'a Entry>,
    /// Of those whose ids nobody knows: by customer and time.
    by_time: HashMap<(&'a str, i64), &'a Entry>,
}

impl<'a> Senders<'a> {
    fn of(entries: &'a HashMap<String, Entry>) -> Self {
        let (mut by_id, mut by_time) = (HashMap::new(), HashMap::new());
        for entry in entries.values() {
            let made = &entry.made;
            match &made.order_id {
                Some(id) => drop(by_id.insert((made.customer_id.as_str(), id.as_str()), entry)),
                None => drop(by_time.insert((made.customer_id.as_str(), made.at.unix_us()), entry)),
            }
        }
        Self { by_id, by_time }
    }

    fn find(&self, customer_id: &str, order_id: &str, at: i64) -> Option<&'a Entry> {
        let by_id = self.by_id.get(&(customer_id, order_id)).filter(|entry| entry.made.at.unix_us() == at);
        by_id.or_else(|| self.by_time.get(&(customer_id, at))).copied()
    }
}
