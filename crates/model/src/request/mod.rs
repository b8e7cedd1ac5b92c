//! The numbers of requests to ingest: by them it is counted what became of their orders.

pub mod claim;

use std::fmt;

use crate::key_hash::id_key;
use crate::{CustomerId, Tenant, Timestamp};

/// How many bytes a request's number has.
pub const REQUEST_BYTES: usize = 12;

/// For how long it can be said what became of a request, in microseconds: 30 days.
pub const FATES_KEPT_US: i64 = 30 * 86_400_000_000;

/// The number of a request to ingest, or of one piece of it: the second of its arrival, so that old ones stand together, and 64 bits that
/// say whose it is and are random otherwise, so that nobody guesses it who was not given its receipt. The pieces of a request are numbered on
/// from its own.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId([u8; REQUEST_BYTES]);

/// Who may ask what became of a request, as the first bits of its number behind the second: of a request of no tenant `0` and, where it is of
/// a customer alone, 24 bits of the customer's hash; of one of a tenant `10`, 16 bits of the tenant's hash and, where it is of a customer alone,
/// 16 bits of the customer's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    bits: u64,
    length: u32,
}

impl Owner {
    /// A tenant, or one of its customers alone.
    pub fn of(tenant: &Tenant, only: Option<&CustomerId>) -> Self {
        let nobody = Self { bits: 0, length: 0 };
        let customer = only.map(|customer_id| id_key(tenant, customer_id.as_str()));
        if tenant.is_none() {
            return nobody.and(0, 1).and_hash(customer, 24);
        }
        nobody.and(0b10, 2).and_hash(Some(id_key(tenant, "")), 16).and_hash(customer, 16)
    }

    fn and(self, bits: u64, more: u32) -> Self {
        let length = self.length + more;
        Self { bits: self.bits | bits << (u64::BITS - length), length }
    }

    /// The first bits of a hash, where there is one.
    fn and_hash(self, hash: Option<u64>, bits: u32) -> Self {
        hash.map_or(self, |hash| self.and(hash >> (u64::BITS - bits), bits))
    }
}

impl RequestId {
    /// A new one that belongs to somebody. The owner is a part of its number, and what became of a request is kept by its number: so who
    /// writes another owner into a receipt asks of a request that there never was.
    pub fn of_owner(at: Timestamp, owner: Owner, random: u64) -> Self {
        Self::at(at, owner.bits | random >> owner.length)
    }

    /// Whether it is in sight of them: one of a customer alone is in sight of its tenant, too.
    pub fn is_of(self, owner: Owner) -> bool {
        ((self.number() as u64) ^ owner.bits) >> (u64::BITS - owner.length) == 0
    }

    fn at(at: Timestamp, number: u64) -> Self {
        let second = u32::try_from(at.unix_us() / 1_000_000).unwrap_or(if at.unix_us() < 0 { 0 } else { u32::MAX });
        Self::from_number(u128::from(second) << 64 | u128::from(number))
    }

    /// A new one of nobody alone, and of no tenant: pieces are counted up from 63 random bits without reaching the time.
    pub fn new(at: Timestamp, random: u64) -> Self {
        Self::of_owner(at, Owner::of(Tenant::none(), None), random)
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
    use proptest::option;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_request_is_in_sight_of_its_owner_and_of_the_owners_tenant_alone(
            s in 0i64..4_102_444_800,
            random: u64,
            one in ("[a-c]{0,1}", option::of("[a-e]")),
            other in ("[a-c]{0,1}", option::of("[a-e]")),
        ) {
            let owner = |(tenant, only): &(String, Option<String>)| {
                let only = only.as_ref().map(|id| CustomerId::new(id.as_str()).unwrap());
                Owner::of(&Tenant::new(tenant.as_str()).unwrap(), only.as_ref())
            };
            let request = RequestId::of_owner(Timestamp::from_unix_us(s * 1_000_000), owner(&one), random);
            prop_assert!(request.is_of(owner(&one)) && request.is_of(owner(&(one.0.clone(), None))));
            // That of nobody alone may have the bits of a customer by chance.
            if one.1.is_some() || other.1.is_none() || one.0 != other.0 {
                prop_assert_eq!(request.is_of(owner(&other)), one.0 == other.0 && (other.1.is_none() || one.1 == other.1));
            }
            prop_assert_eq!(request.arrived_at().unix_us(), s * 1_000_000);
            prop_assert!(request.piece(1 << 20) < RequestId::first_at(request.arrived_at().plus_us(1_000_000)));
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
