//! Short names for long things: a hash that is the same on every machine and in every version.

use std::fmt;

/// The hash FNV-1a with 64 bits. The standard library promises nothing about its own from one version to the next. It
/// is not made against people who want two things to have one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    /// With these bytes behind those before.
    pub(crate) fn of(self, bytes: &[u8]) -> Self {
        Self(bytes.iter().fold(self.0, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
    }

    pub(crate) fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fingerprints_that_were_saved_keep_their_value() {
        assert_eq!(Fingerprint::default().of(b"foobar").get(), 0x8594_4171_f739_67e8);
    }
}
