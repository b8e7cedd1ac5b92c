//! An order's identity.

use super::home::Home;
use crate::Timestamp;

/// Which order a tuple of lane `orders` is. Nothing checks the texts: Postgres refuses what is no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The bucket of its customer, as its tuple has it; whether there is such a bucket is not checked.
    pub bucket: u16,
    /// Its tenant.
    pub tenant: &'a [u8],
    /// Its customer.
    pub customer_id: &'a [u8],
    /// Its time.
    pub ordered_at: Timestamp,
    /// Its id.
    pub order_id: &'a [u8],
}

impl Identity<'_> {
    /// Where the id says that the order is, as far as the order's bucket agrees.
    pub fn home(&self) -> Option<Home> {
        let home = Home::of(str::from_utf8(self.order_id).ok()?)?;
        Some(home).filter(|home| home.bucket.number() == self.bucket)
    }

    /// Whether the id tells the order's bucket and time, so that the order needs no index entry.
    pub fn routes_itself(&self) -> bool {
        self.home().is_some_and(|home| home.is_of(home.bucket, self.ordered_at))
    }
}
