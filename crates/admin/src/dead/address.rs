//! Which letter: its shard, and its number there.

use std::fmt;
use std::str::FromStr;

use forebay_model::ShardId;
use serde::{Serialize, Serializer};

/// The address of a dead letter, such as `0/17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LetterAddress {
    /// The shard that keeps it.
    pub shard: ShardId,
    /// Its number on that shard.
    pub id: i64,
}

/// A text that is no address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no dead letter's address: write SHARD/ID, such as 0/17")]
pub struct NoAddress(String);

impl fmt::Display for LetterAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.shard, self.id)
    }
}

impl Serialize for LetterAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for LetterAddress {
    type Err = NoAddress;

    fn from_str(text: &str) -> Result<Self, NoAddress> {
        let parsed = text.split_once('/').and_then(|(shard, id)| {
            Some(Self { shard: ShardId(shard.parse().ok()?), id: id.parse().ok().filter(|&id| id > 0)? })
        });
        parsed.ok_or_else(|| NoAddress(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let address: LetterAddress = "2/17".parse().unwrap();
        assert_eq!((address.shard, address.id, address.to_string().as_str()), (ShardId(2), 17, "2/17"));
        for text in ["", "17", "0/", "/1", "0/0", "0/-1", "a/1", "0/1/2", "99999/1"] {
            assert!(text.parse::<LetterAddress>().is_err(), "{text}");
        }
    }
}
