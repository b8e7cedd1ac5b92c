//! The hashes by which facts are looked up and touched. Notices and entries in Redis hold such hashes: who changes them raises the
//! versions of both formats.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::{Tenant, ViewId};

/// The hash of a tenant's customer, or of an order id in the index lane.
pub fn id_key(tenant: &Tenant, id: &str) -> u64 {
    hash([tenant.as_str(), id].map(str::as_bytes))
}

/// The hash of a view's key, such as a tenant's seller.
pub fn view_key(tenant: &Tenant, view: ViewId, key: &str) -> u64 {
    hash([tenant.as_str().as_bytes(), &view.number().to_be_bytes(), key.as_bytes()])
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
        let none = Tenant::none();
        let [one, other] = [1, 2].map(|number| ViewId::new(number).unwrap());
        assert_ne!(view_key(none, one, "k"), view_key(none, other, "k"));
        assert_ne!(view_key(none, one, "k"), id_key(none, "k"));
    }

    #[test]
    fn keys_of_different_tenants_are_told_apart() {
        let view = ViewId::new(1).unwrap();
        let tenants = ["", "a", "ab"].map(|text| Tenant::new(text).unwrap());
        let hashes: std::collections::BTreeSet<u64> = tenants
            .iter()
            .flat_map(|tenant| ["a", "ab", "b"].map(|id| [id_key(tenant, id), view_key(tenant, view, id)]))
            .flatten()
            .collect();
        assert_eq!(hashes.len(), 3 * 3 * 2);
    }

    #[test]
    fn hashes_are_what_other_processes_take_them_for() {
        // XXH3_64bits("") of the reference implementation.
        assert_eq!(hash([&b""[..]]), 0x2d06_8005_38d3_94c2);
        assert_eq!(hash([b"seller", &b"S1"[..]]), 0x1c7c_b12f_7d4a_edd9);
        // That is what an absent tenant leaves for the next field.
        assert_eq!(id_key(Tenant::none(), "C1"), xxh3_64_with_seed(b"C1", 0x2d06_8005_38d3_94c2));
    }
}
