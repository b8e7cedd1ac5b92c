//! Orders, read from their tuples.

use super::read::Tuple;
use super::write::push_index_of;
use crate::{Identity, Lane, StoredOrder};

const BUCKET: usize = Lane::Orders.place("bucket");
const TENANT: usize = Lane::Orders.place("tenant");
const CUSTOMER_ID: usize = Lane::Orders.place("customer_id");
const ORDER_ID: usize = Lane::Orders.place("order_id");
const KIND: usize = Lane::Orders.place("kind");
const CURRENCY: usize = Lane::Orders.place("currency");
const ITEMS: usize = Lane::Orders.place("items");
const ATTRIBUTES: usize = Lane::Orders.place("attributes");

impl<'a> Identity<'a> {
    /// Of a tuple of lane `orders`.
    pub fn of(tuple: &Tuple<'a>) -> Self {
        Self {
            bucket: tuple.int2(BUCKET).cast_unsigned(),
            tenant: tuple.field(TENANT),
            customer_id: tuple.field(CUSTOMER_ID),
            ordered_at: tuple.ordered_at(),
            order_id: tuple.field(ORDER_ID),
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
            identity: Identity::of(tuple),
            kind: tuple.field(KIND),
            currency: tuple.field(CURRENCY),
            items: tuple.field(ITEMS),
            attributes: tuple.field(ATTRIBUTES),
            events: None,
        }
    }
}
