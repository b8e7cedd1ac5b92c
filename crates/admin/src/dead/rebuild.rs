//! The orders that a letter was made of, as clients could send them.

use forebay_model::tuple::{Tuple, Tuples};
use forebay_model::{Lane, Tenant};
use forebay_shard::{DeadLetter, Reason};

use crate::facts::order::{OrderKey, StoredOrder, event_json, key_of, order_of, tenant_of};

/// What a dead tuple was a part of.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// It was this order.
    Order(StoredOrder),
    /// It was this event, as a client could send it.
    Event(Tenant, String),
    /// It was an index entry or a view of the order with this identity, or what a view sees of what happened to it.
    FactOf(OrderKey),
}

/// Reads every tuple of a letter, or says why the letter stays.
pub(super) fn origins(letter: &DeadLetter) -> Result<Vec<Origin>, String> {
    if letter.reason == Reason::Conflict {
        return Err(String::from(
            "it is a conflict: the fact that was stored first is kept, and this one would conflict with it again; \
             to have both, send this one under another id, else purge the letter",
        ));
    }
    let mut origins = Vec::new();
    for tuple in Tuples::new(letter.lane, &letter.tuple) {
        let tuple = tuple.map_err(|error| format!("its bytes cannot be read as facts: {error}"))?;
        origins.push(origin(letter.lane, &tuple)?);
    }
    if origins.is_empty() { Err(String::from("there are no bytes in it")) } else { Ok(origins) }
}

fn origin(lane: Lane, tuple: &Tuple<'_>) -> Result<Origin, String> {
    match lane {
        Lane::Orders => order_of(tuple).map(Origin::Order),
        Lane::Events => Ok(Origin::Event(tenant_of(tuple)?, event_json(tuple)?)),
        Lane::Index | Lane::Views | Lane::ViewEvents => key_of(tuple).map(Origin::FactOf),
    }
}
