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
    /// Reads it from a tuple of lane `orders`, whose time is that. `None` where its bytes are not those of one: of what was found whole
    /// that is never so, and it must not be taken for an order of bucket 0.
    pub fn of(tuple: &'a [u8], ordered_at: Timestamp) -> Option<Self> {
        let (mut fields, mut leading) = ([&[][..]; FIELDS], leading_fields(tuple));
        for field in &mut fields {
            *field = leading.next()?;
        }
        Some(Self {
            bucket: u16::from_be_bytes(fields[BUCKET].try_into().ok()?),
            tenant: fields[TENANT],
            customer_id: fields[CUSTOMER_ID],
            ordered_at,
            order_id: fields[ORDER_ID],
        })
    }

    /// Appends the tuple that the order has in the table `order_time`: its columns are those of lane `index`, and its bucket is
    /// the order's.
    pub fn push_time(&self, out: &mut Vec<u8>) {
        push_index_of(out, self.bucket, self);
    }
}

impl<'a> StoredOrder<'a> {
    /// Of a tuple of lane `orders`, which says nothing of what happened to it.
    ///
    /// # Panics
    /// Never: what is a [`Tuple`] has been checked field by field.
    pub fn of(tuple: &Tuple<'a>) -> Self {
        Self {
            identity: Identity::of(tuple.bytes(), tuple.ordered_at()).expect("a tuple has its fields"),
            kind: tuple.field(KIND),
            currency: tuple.field(CURRENCY),
            items: tuple.field(ITEMS),
            attributes: tuple.field(ATTRIBUTES),
            events: None,
        }
    }
}
