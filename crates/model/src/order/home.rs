//! The order ids that Forebay assigns itself: they say where their orders are.

use crate::{Bucket, OrderId, Timestamp};

/// Where an assigned order id says that its order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Home {
    /// The bucket of its customer.
    pub bucket: Bucket,
    /// The order's time, rounded down to a millisecond.
    pub unix_ms: i64,
}

impl Home {
    /// Where an order id says that its order is, if it has the form of an assigned id; see [`OrderId::home`].
    pub fn of(order_id: &str) -> Option<Self> {
        let is_lower_case = order_id.len() == 36 && !order_id.bytes().any(|b| b.is_ascii_uppercase());
        let bits = is_lower_case.then(|| uuid::Uuid::try_parse(order_id).ok()).flatten()?.as_u128();
        let is_v7 = (bits >> 76) & 0xf == 0x7 && (bits >> 62) & 0b11 == 0b10;
        let bucket = Bucket::new(((bits >> 64) & 0xfff) as u16)?;
        is_v7.then_some(Self { bucket, unix_ms: (bits >> 80) as i64 })
    }

    /// Whether an order of that bucket and time is there.
    pub fn is_of(self, bucket: Bucket, at: Timestamp) -> bool {
        self == Self { bucket, unix_ms: at.unix_ms() }
    }
}

impl OrderId {
    /// Assigns an id: a UUIDv7 (RFC 9562) whose time is the order's and whose 12 bits `rand_a` are the bucket.
    /// `random` fills the 62 bits of `rand_b`; its two top bits are not used.
    pub fn assign(at: Timestamp, bucket: Bucket, random: u64) -> Self {
        let ms = (at.unix_ms() as u128) & 0xffff_ffff_ffff;
        let bits =
            (ms << 80) | (0x7 << 76) | (u128::from(bucket.number()) << 64) | (0b10 << 62) | u128::from(random >> 2);
        Self::of_uuid(bits)
    }

    /// Where this id says that its order is, if it has the form of an assigned id. Any UUIDv7 has that form, so the
    /// answer is a hint: only [`OrderId::routes_itself`] knows.
    pub fn home(&self) -> Option<Home> {
        Home::of(self.as_str())
    }

    /// Whether the id leads to its order without an index entry: its bucket and its time are the order's.
    pub fn routes_itself(&self, bucket: Bucket, at: Timestamp) -> bool {
        self.home().is_some_and(|home| home.is_of(bucket, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_foreign_uuid_does_not_route_itself() {
        let id = OrderId::new("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
        let home = id.home().unwrap();
        let other = Bucket::new((home.bucket.number() + 1) % 4096).unwrap();
        assert!(!id.routes_itself(other, Timestamp::from_unix_us(home.unix_ms * 1000)));
        assert_eq!(OrderId::new("017F22E2-79B0-7CC3-98C4-DC0C0C07398F").unwrap().home(), None);
        assert_eq!(OrderId::new("ORD123456").unwrap().home(), None);
    }

    proptest! {
        #[test]
        fn an_assigned_id_routes_itself(us in 946_684_800_000_000i64..4_102_444_800_000_000, bucket in 0u16..4096, random: u64) {
            let (at, bucket) = (Timestamp::from_unix_us(us), Bucket::new(bucket).unwrap());
            let id = OrderId::assign(at, bucket, random);
            prop_assert!(id.routes_itself(bucket, at));
            prop_assert!(!id.routes_itself(bucket, at.plus_us(1000)));
        }
    }
}
