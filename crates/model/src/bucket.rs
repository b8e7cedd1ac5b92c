//! Buckets: the 4096 parts into which keys are hashed. A bucket, not a key, is what the shard map places.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

use crate::Tenant;
use crate::tenant::routing_key;

/// How many buckets there are. Fixed for ever: assigned order ids carry a bucket in 12 bits.
pub const BUCKETS: u16 = 4096;

/// One of the [`BUCKETS`] parts of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of that number, where there is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number < BUCKETS { Some(Self(number)) } else { None }
    }

    /// The bucket that MD5 gives a tenant's key: the digest, as a 128-bit integer, of the key, or of tenant, U+001F and key
    /// where there is a tenant; modulo 4096.
    pub fn of_key(tenant: &Tenant, key: &str) -> Self {
        Self::of_key_bytes(tenant.as_str().as_bytes(), key.as_bytes())
    }

    /// As [`Bucket::of_key`], of a tenant and a key that may be no text.
    pub fn of_key_bytes(tenant: &[u8], key: &[u8]) -> Self {
        let digest = routing_key(tenant, key).iter().fold(Md5::new(), Digest::chain_update).finalize();
        Self(u16::from_be_bytes([digest[14], digest[15]]) % BUCKETS)
    }

    /// Its number, 0 to 4095.
    pub const fn number(self) -> u16 {
        self.0
    }

    /// Every bucket, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..BUCKETS).map(Self)
    }
}

/// A number that no bucket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no bucket {0}: they are 0 to 4095")]
pub struct NoSuchBucket(u16);

impl TryFrom<u16> for Bucket {
    type Error = NoSuchBucket;

    fn try_from(number: u16) -> Result<Self, NoSuchBucket> {
        Self::new(number).ok_or(NoSuchBucket(number))
    }
}

impl From<Bucket> for u16 {
    fn from(bucket: Bucket) -> Self {
        bucket.0
    }
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How a customer's id becomes a bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hash {
    /// MD5 of the id: even for any ids.
    #[default]
    Md5,
    /// Ids that are integers (as canonical decimal strings) modulo 4096, all others by MD5.
    Modulo,
}

impl Hash {
    /// Its name in settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "md5",
            Self::Modulo => "modulo",
        }
    }

    /// The bucket of a tenant's customer.
    pub fn bucket_of(self, tenant: &Tenant, customer_id: &str) -> Bucket {
        let number = match self {
            // What is routed by with a tenant is no integer.
            Self::Modulo if tenant.is_none() => canonical_integer(customer_id),
            Self::Md5 | Self::Modulo => None,
        };
        number.map_or_else(
            || Bucket::of_key(tenant, customer_id),
            |number| Bucket(number.rem_euclid(i64::from(BUCKETS)) as u16),
        )
    }
}

impl FromStr for Hash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Md5, Self::Modulo].into_iter().find(|hash| hash.as_str() == text).ok_or("there are md5 and modulo")
    }
}

/// The integer that a text is, where it is written as an integer is written: `7` and `-7`, but not `007` or `+7`.
fn canonical_integer(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = text == "0" || digits.starts_with(|c: char| ('1'..='9').contains(&c));
    canonical.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn md5_bucket_is_the_digest_as_an_integer_modulo_4096() {
        // md5("CUST789") = …; taken as a 128-bit integer by the long way.
        for key in ["CUST789", "", "0", "Ünïcode"] {
            for (tenant, text) in [("", key.to_owned()), ("T1", format!("T1\u{1f}{key}"))] {
                let digest: [u8; 16] = Md5::digest(text.as_bytes()).into();
                let expected = u128::from_be_bytes(digest) % u128::from(BUCKETS);
                let bucket = Bucket::of_key(&Tenant::new(tenant).unwrap(), key);
                assert_eq!(u128::from(bucket.number()), expected, "{text}");
            }
        }
    }

    #[test]
    fn modulo_takes_integers_and_leaves_the_rest_to_md5() {
        let none = Tenant::none();
        assert_eq!(Hash::Modulo.bucket_of(none, "0").number(), 0);
        assert_eq!(Hash::Modulo.bucket_of(none, "4097").number(), 1);
        assert_eq!(Hash::Modulo.bucket_of(none, "-1").number(), 4095);
        for text in ["007", "+7", "-0", "7.0", "", "99999999999999999999", "CUST7"] {
            assert_eq!(Hash::Modulo.bucket_of(none, text), Bucket::of_key(none, text), "{text}");
        }
        let tenant = Tenant::new("7").unwrap();
        assert_eq!(Hash::Modulo.bucket_of(&tenant, "4097"), Bucket::of_key(&tenant, "4097"));
    }
}
