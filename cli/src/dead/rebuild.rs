//! The orders that a letter was made of, as clients could send them.

use forebay_model::tuple::{Tuple, Tuples};
use forebay_model::{Lane, Timestamp};
use forebay_shard::{DeadLetter, Reason};

use crate::stored_order::{OrderKey, StoredOrder};

/// What a dead tuple was a part of.
#[derive(Clone, Debug)]
pub(super) enum Origin {
    /// It was this order.
    Order(StoredOrder),
    /// It was an index entry or a view of the order with this identity.
    FactOf(OrderKey),
}

/// Reads every tuple of a letter, or says why the letter stays.
pub(super) fn origins(letter: &DeadLetter) -> Result<Vec<Origin>, String> {
    match letter.reason {
        Reason::Conflict => {
            return Err(String::from(
                "it is a conflict: the fact that was stored first is kept, and this one would conflict with it again; \
                 to have both, send this order under another order_id, else purge the letter",
            ));
        }
        Reason::UnknownFormat => {
            return Err(String::from("its format is not known to this version; requeue it with one that knows it"));
        }
        _ => {}
    }
    let mut origins = Vec::new();
    for tuple in Tuples::new(letter.lane, &letter.tuple) {
        let tuple = tuple.map_err(|error| format!("its bytes cannot be read as facts: {error}"))?;
        origins.push(origin(letter.lane, &tuple)?);
    }
    if origins.is_empty() { Err(String::from("there are no bytes in it")) } else { Ok(origins) }
}

fn origin(lane: Lane, tuple: &Tuple<'_>) -> Result<Origin, String> {
    let key = OrderKey {
        ordered_at: time(tuple)?,
        order_id: text(lane, tuple, "order_id")?,
        customer_id: text(lane, tuple, "customer_id")?,
    };
    if lane != Lane::Orders {
        return Ok(Origin::FactOf(key));
    }
    let OrderKey { ordered_at, order_id, customer_id } = key;
    let (items, attributes) = (text(lane, tuple, "items")?, text(lane, tuple, "attributes")?);
    Ok(Origin::Order(StoredOrder { ordered_at, order_id, customer_id, items, attributes }))
}

/// A time outside the years that can be written would be read as another one.
fn time(tuple: &Tuple<'_>) -> Result<Timestamp, String> {
    let at = tuple.ordered_at();
    match Timestamp::parse(&at.to_string()) {
        Ok(same) if same == at => Ok(at),
        _ => Err(format!("its time is {at}, which no order can have")),
    }
}

fn text(lane: Lane, tuple: &Tuple<'_>, column: &str) -> Result<String, String> {
    let place = lane.columns().iter().position(|known| known.name == column);
    let bytes = place.map(|place| tuple.field(place)).unwrap_or_default();
    str::from_utf8(bytes).map(str::to_owned).map_err(|_| format!("its {column} is not UTF-8"))
}
