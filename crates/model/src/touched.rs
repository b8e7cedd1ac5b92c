//! What a commit touched, as far as caches need it: hashed keys and hours.

use crate::tuple::TupleIndex;
use crate::{Lane, Tenant, Timestamp};

pub use crate::key_hash::{id_key, view_key};

/// The microseconds of an hour.
pub const HOUR_US: i64 = 3_600_000_000;

/// What a commit touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// More than can be told.
    Everything,
    /// These keys and hours, and nothing else. Those of [`Touched::these`] are without repetition, in rising order.
    These {
        /// Hashes of keys: see [`id_key`] and [`view_key`].
        keys: Vec<u64>,
        /// Hours since 1970: see [`hour_of`].
        hours: Vec<i32>,
    },
}

impl Touched {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self::These { keys: Vec::new(), hours: Vec::new() }
    }

    /// These keys and hours, in any order, repeated or not.
    pub fn these(mut keys: Vec<u64>, mut hours: Vec<i32>) -> Self {
        keys.sort_unstable();
        keys.dedup();
        hours.sort_unstable();
        hours.dedup();
        Self::These { keys, hours }
    }

    /// What the rows of these payloads touch: the keys by which their facts are read, and their hours. (The hour of an event is not that of
    /// its order, by which it is read.)
    pub fn by<'a>(payloads: impl IntoIterator<Item = (Option<Lane>, &'a TupleIndex)>) -> Self {
        let (mut keys, mut hours) = (Vec::new(), Vec::new());
        for (lane, index) in payloads {
            // Of a tuple that cannot be read nobody knows what it touches.
            if !index.faults().is_empty() {
                return Self::Everything;
            }
            for entry in index.entries() {
                keys.push(entry.key);
                let hour = hour_of(entry.ordered_at);
                // The next fact is often of the same hour.
                if lane != Some(Lane::Events) && hours.last() != Some(&hour) {
                    hours.push(hour);
                }
            }
        }
        Self::these(keys, hours)
    }

    /// The same, and what belongs to these orders: each one's tenant, customer and time.
    #[must_use]
    pub fn and_orders<'a>(self, orders: impl IntoIterator<Item = (&'a Tenant, &'a str, Timestamp)>) -> Self {
        let Self::These { mut keys, mut hours } = self else { return self };
        for (tenant, customer_id, ordered_at) in orders {
            keys.push(id_key(tenant, customer_id));
            hours.push(hour_of(ordered_at));
        }
        Self::these(keys, hours)
    }

    /// Whether a row with that key may be among what was touched.
    pub fn has_key(&self, key: u64) -> bool {
        match self {
            Self::Everything => true,
            Self::These { keys, .. } => keys.contains(&key),
        }
    }

    /// Whether a row of that hour may be among what was touched.
    pub fn has_hour(&self, hour: i32) -> bool {
        match self {
            Self::Everything => true,
            Self::These { hours, .. } => hours.contains(&hour),
        }
    }
}

/// The hour of an instant, counted from 1970.
pub fn hour_of(at: Timestamp) -> i32 {
    let hour = at.unix_us().div_euclid(HOUR_US);
    i32::try_from(hour).unwrap_or(if hour < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn everything_has_every_key_and_hour() {
        assert!(Touched::Everything.has_key(8) && Touched::Everything.has_hour(0));
        assert!(!Touched::nothing().has_key(8) && !Touched::nothing().has_hour(0));
    }

    #[test]
    fn an_hour_begins_with_its_first_microsecond() {
        let hours = [-1, 0, HOUR_US - 1, HOUR_US].map(|us| hour_of(Timestamp::from_unix_us(us)));
        assert_eq!(hours, [-1, 0, 0, 1]);
    }

    proptest! {
        #[test]
        fn what_is_listed_is_what_was_given_once_and_in_order(
            keys in prop::collection::vec(0u64..20, 0..40),
            hours in prop::collection::vec(-3i32..3, 0..20),
        ) {
            let touched = Touched::these(keys.clone(), hours.clone());
            for key in 0..20 {
                prop_assert_eq!(touched.has_key(key), keys.contains(&key));
            }
            for hour in -3..3 {
                prop_assert_eq!(touched.has_hour(hour), hours.contains(&hour));
            }
            let Touched::These { keys, hours } = touched else { panic!("{touched:?}") };
            prop_assert!(keys.is_sorted_by(|a, b| a < b) && hours.is_sorted_by(|a, b| a < b));
        }
    }
}
