//! An order's identity, read from its tuple.

use crate::id::Home;
use crate::tuple::{leading_fields, push_index_of};
use crate::{Bucket, Lane, Timestamp};

/// Which order a tuple of lane `orders` is. Nothing checks the texts: Postgres refuses what is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The bucket of its customer; `None` where there is no such bucket.
    pub bucket: Option<Bucket>,
    /// Its customer.
    pub customer_id: &'a [u8],
    /// Its time.
    pub ordered_at: Timestamp,
    /// Its id.
    pub order_id: &'a [u8],
}

const BUCKET: usize = Lane::Orders.place("bucket");
const CUSTOMER_ID: usize = Lane::Orders.place("customer_id");
const ORDER_ID: usize = Lane::Orders.place("order_id");
const FIELDS: usize = Lane::Orders.identity().len();

impl<'a> Identity<'a> {
    /// Reads it from a tuple of lane `orders` that was found before, and whose time is that.
    pub fn of(tuple: &'a [u8], ordered_at: Timestamp) -> Self {
        let mut fields = [&[][..]; FIELDS];
        for (to, field) in fields.iter_mut().zip(leading_fields(tuple)) {
            *to = field;
        }
        let bucket = fields[BUCKET].try_into().map(u16::from_be_bytes);
        Self {
            bucket: bucket.ok().and_then(Bucket::new),
            customer_id: fields[CUSTOMER_ID],
            ordered_at,
            order_id: fields[ORDER_ID],
        }
    }

    /// Where the id says that the order is, as far as the order's bucket agrees.
    pub fn home(&self) -> Option<Home> {
        let home = Home::of(str::from_utf8(self.order_id).ok()?)?;
        Some(home).filter(|home| Some(home.bucket) == self.bucket)
    }

    /// Whether the id tells the order's bucket and time, so that the order needs no index entry.
    pub fn routes_itself(&self) -> bool {
        self.home().is_some_and(|home| home.is_of(home.bucket, self.ordered_at))
    }

    /// Appends the tuple that the order has in lane `index`.
    pub fn push_index(&self, out: &mut Vec<u8>) {
        push_index_of(out, self.order_id, self.customer_id, self.ordered_at);
    }
}
