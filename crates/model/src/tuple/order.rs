//! Orders, read from their tuples.

use super::read::{Tuple, leading_fields};
use super::write::push_index_of;
use crate::{Identity, Lane, StoredOrder, Timestamp};

const BUCKET: usize = Lane::Orders.place("bucket");
const TENANT: usize = Lane::Orders.place("tenant");
const CUSTOMER_ID: usize = Lane::Orders.place("customer_id");
const ORDER_ID: usize = Lane::Orders.place("order_id");
const FIELDS: usize = Lane::Orders.identity().len();
const KIND: usize = Lane::Orders.place("kind");
const CURRENCY: usize = Lane::Orders.place("currency");
const ITEMS: usize = Lane::Orders.place("items");
const ATTRIBUTES: usize = Lane::Orders.place("attributes");

impl<'a> Identity<'a> {
    /// Reads it from a tuple of lane `orders` that was found before, and whose time is that.
    pub fn of(tuple: &'a [u8], ordered_at: Timestamp) -> Self {
        let mut fields = [&[][..]; FIELDS];
        for (to, field) in fields.iter_mut().zip(leading_fields(tuple)) {
            *to = field;
        }
        Self {
            // Two bytes, which was checked when the tuple was found.
            bucket: fields[BUCKET].try_into().map(u16::from_be_bytes).unwrap_or_default(),
            tenant: fields[TENANT],
            customer_id: fields[CUSTOMER_ID],
            ordered_at,
            order_id: fields[ORDER_ID],
        }
    }

    /// Appends the tuple that the order has in the table `order_time`: its columns are those of lane `index`, and its bucket is
    /// the order's.
    pub fn push_time(&self, out: &mut Vec<u8>) {
        push_index_of(out, self.bucket, self);
    }
}

impl<'a> StoredOrder<'a> {
    /// Of a tuple of lane `orders`, which says nothing of what happened to it.
    pub fn of(tuple: &Tuple<'a>) -> Self {
        Self {
            identity: Identity::of(tuple.bytes(), tuple.ordered_at()),
            kind: tuple.field(KIND),
            currency: tuple.field(CURRENCY),
            items: tuple.field(ITEMS),
            attributes: tuple.field(ATTRIBUTES),
            events: None,
        }
    }
}
