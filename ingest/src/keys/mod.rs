//! Which idempotency keys were used of late, and for which orders.
//!
//! This is what is *told*. That an order is not stored twice does not rest on it: the key is a part of the id ([`Assigner`](crate::assign::Assigner)),
//! and its shard decides, whichever process the order came by and whenever.

pub(crate) mod meaning;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forebay_model::Tenant;
use forebay_service::Client;
use forebay_service::auth::ClientName;
use tokio::time::Instant;
use xxhash_rust::xxh3::Xxh3;

/// How long a key is known at least, where there are not too many.
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// How many keys are known at least, however fast they come: some 20 MB with those that are about to be forgotten.
const KNOWN: usize = 250_000;

/// The keys of single orders.
#[derive(Debug)]
pub(crate) struct Keys(Mutex<Generations>);

/// A hash of each key, and one of what its order means. What is forgotten is forgotten together, when a younger generation is full or old.
#[derive(Debug)]
struct Generations {
    young: HashMap<u128, u64>,
    old: HashMap<u128, u64>,
    young_since: Instant,
}

impl Keys {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Generations { young: HashMap::new(), old: HashMap::new(), young_since: now }))
    }

    /// Notes a client's key, of the tenant that its request is about, for an order that means `meaning`. Whether it was not used for another one.
    pub(crate) fn take(&self, client: &Client, key: &[u8], meaning: u64, now: Instant) -> bool {
        self.take_of(&client.name, client.tenant(), key, meaning, now)
    }

    fn take_of(&self, client: &ClientName, tenant: &Tenant, key: &[u8], meaning: u64, now: Instant) -> bool {
        let mut hash = Xxh3::new();
        for name in [client.as_str(), tenant.as_str()] {
            hash.update(name.as_bytes());
            hash.update(&[0]);
        }
        hash.update(key);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(hash.digest128(), meaning, now)
    }
}

impl Generations {
    fn take(&mut self, key: u128, meaning: u64, now: Instant) -> bool {
        if now >= self.young_since + KNOWN_FOR || self.young.len() >= KNOWN {
            self.old = std::mem::take(&mut self.young);
            self.young_since = now;
        }
        let known = self.young.get(&key).or_else(|| self.old.get(&key));
        if let Some(known) = known {
            return *known == meaning;
        }
        self.young.insert(key, meaning);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_known_for_as_long_as_is_said_and_then_forgotten() {
        let start = Instant::now();
        let keys = Keys::new(start);
        let take_of = |client: &str, tenant: &str, meaning, after| {
            keys.take_of(&client.into(), &Tenant::new(tenant).unwrap(), b"key", meaning, start + after)
        };
        let take = |client: &str, meaning, after| take_of(client, "", meaning, after);
        assert!(take("a", 1, Duration::ZERO) && take("a", 1, Duration::ZERO) && !take("a", 2, Duration::ZERO));
        assert!(take("b", 2, Duration::ZERO), "keys are each client's own");
        assert!(take_of("a", "T", 2, Duration::ZERO), "and each tenant's");
        assert!(!take("a", 2, KNOWN_FOR) && !take("a", 2, KNOWN_FOR + Duration::from_secs(599)));
        assert!(take("a", 2, KNOWN_FOR * 2));
    }

    #[test]
    fn however_many_there_are_the_last_ones_are_known_and_room_is_bounded() {
        let start = Instant::now();
        let keys = Keys::new(start);
        let take =
            |number: usize, meaning| keys.take_of(&"a".into(), Tenant::none(), &number.to_be_bytes(), meaning, start);
        for number in 0..KNOWN * 5 / 2 {
            assert!(take(number, 1));
        }
        let first_known = KNOWN * 3 / 2;
        assert!((first_known..KNOWN * 5 / 2).step_by(1000).all(|number| !take(number, 2)));
        let generations = keys.0.lock().unwrap();
        assert!(generations.young.len() + generations.old.len() <= 2 * KNOWN);
    }
}
