//! Buckets: the 4096 parts into which keys are hashed. A bucket, not a key, is what the shard map places.

use std::fmt;
use std::str::FromStr;

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// How many buckets there are. Fixed for ever: assigned order ids carry a bucket in 12 bits.
pub const BUCKETS: u16 = 4096;

/// One of the [`BUCKETS`] parts of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bucket(u16);

impl Bucket {
    /// The bucket of that number, where there is one.
    pub const fn new(number: u16) -> Option<Self> {
        if number < BUCKETS { Some(Self(number)) } else { None }
    }

    /// The bucket that MD5 gives a key: the digest as a 128-bit integer, modulo 4096.
    pub fn of_key(key: &str) -> Self {
        Self::of_key_bytes(key.as_bytes())
    }

    /// As [`Bucket::of_key`], of a key that may be no text.
    pub fn of_key_bytes(key: &[u8]) -> Self {
        let digest = Md5::digest(key);
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

    /// The bucket of a customer's id.
    pub fn bucket_of(self, customer_id: &str) -> Bucket {
        match self {
            Self::Md5 => Bucket::of_key(customer_id),
            Self::Modulo => canonical_integer(customer_id)
                .map_or_else(|| Bucket::of_key(customer_id), |n| Bucket(n.rem_euclid(i64::from(BUCKETS)) as u16)),
        }
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
            let digest: [u8; 16] = Md5::digest(key.as_bytes()).into();
            let expected = u128::from_be_bytes(digest) % u128::from(BUCKETS);
            assert_eq!(u128::from(Bucket::of_key(key).number()), expected, "{key}");
        }
    }

    #[test]
    fn modulo_takes_integers_and_leaves_the_rest_to_md5() {
        assert_eq!(Hash::Modulo.bucket_of("0").number(), 0);
        assert_eq!(Hash::Modulo.bucket_of("4097").number(), 1);
        assert_eq!(Hash::Modulo.bucket_of("-1").number(), 4095);
        for text in ["007", "+7", "-0", "7.0", "", "99999999999999999999", "CUST7"] {
            assert_eq!(Hash::Modulo.bucket_of(text), Bucket::of_key(text), "{text}");
        }
    }
}
