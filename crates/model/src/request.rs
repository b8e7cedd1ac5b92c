//! The numbers of requests to ingest: by them it is counted what became of their orders.

use std::fmt;

use crate::touched::id_key;
use crate::{CustomerId, Tenant, Timestamp};

/// How many bytes a request's number has.
pub const REQUEST_BYTES: usize = 12;

/// For how long it can be said what became of a request, in microseconds: 30 days.
pub const FATES_KEPT_US: i64 = 30 * 86_400_000_000;

/// The number of a request to ingest, or of one piece of it: the second of its arrival, so that old ones stand together, and 63
/// random bits, so that nobody guesses it who was not given its receipt. The pieces of a request are numbered on from its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; REQUEST_BYTES]);

/// Who alone may ask what became of a request, beside those who may ask of all: a customer, as 24 bits of a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner(u32);

/// How many bits tell a request from others of the same owner and second.
const OF_OWNER_BITS: u32 = 39;

impl Owner {
    /// A tenant's customer.
    pub fn of(tenant: &Tenant, customer_id: &CustomerId) -> Self {
        Self((id_key(tenant, customer_id.as_str()) >> 40) as u32)
    }
}

impl RequestId {
    /// A new one that belongs to somebody. The owner is a part of its number, and what became of a request is kept by its number: so who
    /// writes another owner into a receipt asks of a request that there never was.
    pub fn of_owner(at: Timestamp, owner: Owner, random: u64) -> Self {
        let random = random >> (u64::BITS - OF_OWNER_BITS);
        Self::new(at, (u64::from(owner.0) << OF_OWNER_BITS | random) << 1)
    }

    /// Whether it belongs to them. One that belongs to nobody does with a probability of one in 16 million.
    pub fn is_of(self, owner: Owner) -> bool {
        (self.number() as u64) >> OF_OWNER_BITS == u64::from(owner.0)
    }

    /// A new one. The top bit of `random` is not used: pieces are counted up without reaching the time.
    pub fn new(at: Timestamp, random: u64) -> Self {
        let second = u32::try_from(at.unix_us() / 1_000_000).unwrap_or(if at.unix_us() < 0 { 0 } else { u32::MAX });
        Self::from_number(u128::from(second) << 64 | u128::from(random >> 1))
    }

    /// The least that a request of that time, or a later one, can have.
    pub fn first_at(at: Timestamp) -> Self {
        Self::new(at, 0)
    }

    /// The piece with that number, from 0.
    #[must_use]
    pub fn piece(self, number: u32) -> Self {
        Self::from_number(self.number().wrapping_add(u128::from(number)))
    }

    /// When it arrived, rounded down to a second.
    pub fn arrived_at(self) -> Timestamp {
        Timestamp::from_unix_us((self.number() >> 64) as i64 * 1_000_000)
    }

    /// As bytes, whose order is that of time.
    pub fn as_bytes(&self) -> &[u8; REQUEST_BYTES] {
        &self.0
    }

    /// From its bytes.
    pub fn from_bytes(bytes: [u8; REQUEST_BYTES]) -> Self {
        Self(bytes)
    }

    pub(crate) fn number(self) -> u128 {
        self.0.iter().fold(0, |number, &byte| number << 8 | u128::from(byte))
    }

    /// What is above its bits is lost.
    pub(crate) fn from_number(number: u128) -> Self {
        let mut bytes = [0; REQUEST_BYTES];
        bytes.copy_from_slice(&number.to_be_bytes()[16 - REQUEST_BYTES..]);
        Self(bytes)
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:024x}", self.number())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_belongs_to_its_owner_alone(s in 0i64..4_102_444_800, random: u64, one in "[a-z]{1,3}", other in "[a-z]{1,3}") {
            let owner = |id: &str| Owner::of(Tenant::none(), &CustomerId::new(id).unwrap());
            let request = RequestId::of_owner(Timestamp::from_unix_us(s * 1_000_000), owner(&one), random);
            prop_assert!(request.is_of(owner(&one)));
            prop_assert_eq!(request.is_of(owner(&other)), one == other);
            prop_assert_eq!(request.arrived_at().unix_us(), s * 1_000_000);
        }

        #[test]
        fn pieces_follow_each_other_within_the_second_of_their_request(
            s in 0i64..4_102_444_800,
            random in prop_oneof![any::<u64>(), Just(u64::MAX)],
            piece: u32,
        ) {
            let at = Timestamp::from_unix_us(s * 1_000_000 + 17);
            let request = RequestId::new(at, random);
            prop_assert_eq!(request.piece(piece).arrived_at().unix_us(), s * 1_000_000);
            prop_assert_eq!(request.piece(0), request);
            prop_assert!(request.piece(piece) >= request && request >= RequestId::first_at(at));
            prop_assert!(request.piece(u32::MAX) < RequestId::first_at(at.plus_us(1_000_000)));
            prop_assert_eq!(RequestId::from_bytes(*request.as_bytes()), request);
        }
    }
}
