//! The hashes by which facts are looked up and touched. Notices and entries in Redis hold such hashes: who changes them raises the
//! versions of both formats.

use xxhash_rust::xxh3::xxh3_64_with_seed;

/// The hash of a customer, or of an order id in the index lane.
pub fn customer_key(id: &str) -> u64 {
    hash([id.as_bytes()])
}

/// The hash of a view's key, such as a seller.
pub fn view_key(view: &str, key: &str) -> u64 {
    hash([view, key].map(str::as_bytes))
}

/// The hash of the fields that a lane's facts are looked up by: each one's is the seed of the next one's.
pub(crate) fn hash<'a>(fields: impl IntoIterator<Item = &'a [u8]>) -> u64 {
    fields.into_iter().fold(0, |seed, field| xxh3_64_with_seed(field, seed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_views_are_told_apart() {
        assert_ne!(view_key("a", "k"), view_key("b", "k"));
        assert_ne!(view_key("ab", "c"), view_key("a", "bc"));
        assert_ne!(view_key("a", "k"), customer_key("k"));
    }

    #[test]
    fn hashes_are_what_other_processes_take_them_for() {
        // XXH3_64bits("") of the reference implementation.
        assert_eq!(customer_key(""), 0x2d06_8005_38d3_94c2);
        assert_eq!(view_key("seller", "S1"), 0x1c7c_b12f_7d4a_edd9);
    }
}
