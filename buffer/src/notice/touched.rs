//! What a commit touched, as far as caches need it: hashed keys and hours.

use std::collections::BTreeSet;

use forebay_model::tuple::{Tuple, Tuples};
use forebay_model::{Lane, Timestamp};
use md5::{Digest, Md5};

/// More keys than that are not listed: everything counts as touched. Enough for a batch of ten thousand rows, and
/// 128 KiB of a notice.
const KEYS_MAX: usize = 16_384;
/// More hours than that are not listed. A year has 8760.
const HOURS_MAX: usize = 2048;
const HOUR_US: i64 = 3_600_000_000;

/// What a commit touched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Touched {
    /// More than a notice can list.
    Everything,
    /// These keys and hours, and nothing else. Both without repetition, in rising order.
    These {
        /// Hashes of keys: see [`customer_key`] and [`view_key`].
        keys: BTreeSet<u64>,
        /// Hours since 1970: see [`hour_of`].
        hours: BTreeSet<i32>,
    },
}

impl Touched {
    /// Nothing yet.
    pub fn nothing() -> Self {
        Self::These { keys: BTreeSet::new(), hours: BTreeSet::new() }
    }

    /// What rows of a lane touch: the keys by which their facts are read, and their hours. `frames` are the tuples of each
    /// frame.
    pub fn by<'a>(lane: Lane, frames: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut touched = Self::nothing();
        for tuples in frames {
            for tuple in Tuples::new(lane, tuples) {
                // Behind a tuple that cannot be read the shard may find others, which are stored.
                let Ok(tuple) = tuple else { return Self::Everything };
                if touched == Self::Everything {
                    return touched;
                }
                touched.note(key(lane, &tuple), tuple.ordered_at());
            }
        }
        touched
    }

    /// Notes a row: the hash of its key, and its time.
    pub fn note(&mut self, key: u64, at: Timestamp) {
        if let Self::These { keys, hours } = self {
            keys.insert(key);
            hours.insert(hour_of(at));
            if keys.len() > KEYS_MAX || hours.len() > HOURS_MAX {
                *self = Self::Everything;
            }
        }
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

/// The hash of what a fact is looked up by. Bytes that are no text are refused by the shard, so what they hash to is no
/// matter.
fn key(lane: Lane, tuple: &Tuple<'_>) -> u64 {
    let text = |place| str::from_utf8(tuple.field(place)).unwrap_or_default();
    match lane {
        Lane::Orders => customer_key(text(1)),
        Lane::Index => customer_key(text(0)),
        Lane::Views => view_key(text(0), text(1)),
    }
}

/// The hash of a customer, or of an order id in the index lane.
pub fn customer_key(id: &str) -> u64 {
    first_half(&Md5::digest(id.as_bytes()))
}

/// The hash of a view's key, such as a seller.
pub fn view_key(view: &str, key: &str) -> u64 {
    let digest = Md5::new().chain_update(view.as_bytes()).chain_update([0]).chain_update(key.as_bytes()).finalize();
    first_half(&digest)
}

fn first_half(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}

/// The hour of an instant, counted from 1970.
pub fn hour_of(at: Timestamp) -> i32 {
    let hour = at.unix_us().div_euclid(HOUR_US);
    i32::try_from(hour).unwrap_or(if hour < 0 { i32::MIN } else { i32::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_first_half_of_its_md5() {
        // md5("") = d41d8cd98f00b204e9800998ecf8427e
        assert_eq!(customer_key(""), 0xd41d_8cd9_8f00_b204);
        assert_eq!(view_key("a", "b"), customer_key("a\0b"));
    }

    #[test]
    fn too_many_become_everything() {
        let mut touched = Touched::nothing();
        let at = Timestamp::from_unix_us(-1);
        touched.note(7, at);
        assert!(touched.has_key(7) && !touched.has_key(8));
        assert!(touched.has_hour(-1) && !touched.has_hour(0));
        for key in 0..20_000 {
            touched.note(key, at);
        }
        assert_eq!(touched, Touched::Everything);
        assert!(touched.has_key(8) && touched.has_hour(0));
    }
}
