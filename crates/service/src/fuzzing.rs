//! What must hold for bytes from anywhere: one function per fuzz target. Each panics where it does not hold.
//!
//! Only fuzz targets and tests are built with this module; the tests run it over the seeds of the targets.

use crate::auth::{Clients, is_token_taken, key_set};

/// A clients file is one, or has a fault that is told in one line.
///
/// # Panics
/// Where that does not hold.
pub fn clients(bytes: &[u8]) {
    if let Err(fault) = Clients::check(&String::from_utf8_lossy(bytes)) {
        assert!(!fault.is_empty() && !fault.contains('\n'), "{fault:?}");
    }
}

/// A key set (RFC 7517) is one, or has a fault that is told in one line. No key of it verifies by a secret that is shared.
///
/// # Panics
/// Where that does not hold.
pub fn keys(bytes: &[u8]) {
    match key_set(bytes) {
        Ok(algorithms) => assert!(algorithms.iter().all(|algorithm| !algorithm.starts_with("HS")), "{algorithms:?}"),
        Err(fault) => assert!(!fault.is_empty() && !fault.contains('\n'), "{fault:?}"),
    }
}

/// No token is taken that the issuer's key has not signed, and nobody here has its other half.
///
/// # Panics
/// Where that does not hold.
pub fn token(bytes: &[u8]) {
    assert!(!is_token_taken(bytes), "{}", String::from_utf8_lossy(bytes));
}

#[cfg(test)]
mod tests {
    use forebay_testkit::seeds;

    use super::*;

    #[test]
    fn the_seeds_of_the_fuzz_targets_hold() {
        seeds::each("clients", clients);
        seeds::each("keys", keys);
        seeds::each("token", token);
    }
}
