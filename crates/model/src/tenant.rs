//! Tenants: who shares a system, and sees nothing of the others.

use std::fmt;

use crate::id::{IdError, check_id};

/// What stands between a tenant and a key that both are routed by: no id has a control character.
const SEPARATOR: &[u8] = b"\x1f";

/// Whose orders they are: a part of every identity. Where tenants are not used there is one, the default, whose text is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tenant(String);

impl Tenant {
    /// Takes a text that keeps the rule for ids, or the empty text.
    ///
    /// # Errors
    /// [`IdError`] names the broken part of the rule.
    pub fn new(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        if text.is_empty() { Ok(Self(text)) } else { Self::named(text) }
    }

    /// Takes a text that keeps the rule for ids, and can stand in a header: somebody names a tenant.
    ///
    /// # Errors
    /// [`IdError`] names the broken part of the rule.
    pub fn named(text: impl Into<String>) -> Result<Self, IdError> {
        let text = text.into();
        check_id(&text)?;
        if text.trim() == text { Ok(Self(text)) } else { Err(IdError::Padded) }
    }

    /// As a stored fact names it: what somebody else has written is not checked.
    pub fn of_stored(text: String) -> Self {
        Self(text)
    }

    /// The only one where tenants are not used.
    pub fn none() -> &'static Self {
        static NONE: Tenant = Tenant(String::new());
        &NONE
    }

    /// Whether it is the one of systems that use none.
    pub fn is_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a tenant's key is routed by, in pieces: the key, or tenant, U+001F and key.
pub(crate) fn routing_key<'a>(tenant: &'a [u8], key: &'a [u8]) -> [&'a [u8]; 3] {
    [tenant, if tenant.is_empty() { b"" } else { SEPARATOR }, key]
}

impl fmt::Display for Tenant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn tenants() -> impl Strategy<Value = Tenant> {
        "[a-b\u{20ac}]{0,3}".prop_map(|text| Tenant::new(text).unwrap())
    }

    #[test]
    fn a_tenant_is_empty_or_an_id() {
        assert_eq!(Tenant::new(""), Ok(Tenant::default()));
        assert_eq!(Tenant::named(""), Err(IdError::Empty));
        assert_eq!(Tenant::named(" a"), Err(IdError::Padded));
        assert_eq!(Tenant::new("a\u{1f}b"), Err(IdError::Control));
        assert_eq!(Tenant::new("a".repeat(129)), Err(IdError::TooLong));
    }

    proptest! {
        #[test]
        fn no_two_keys_are_routed_by_the_same_text(a in tenants(), b in tenants(), one in "[a-b]{1,3}", other in "[a-b]{1,3}") {
            let routed_by = |tenant: &Tenant, key: &str| routing_key(tenant.as_str().as_bytes(), key.as_bytes()).concat();
            prop_assert_eq!(routed_by(&a, &one) == routed_by(&b, &other), a == b && one == other);
            prop_assert_eq!(routed_by(Tenant::none(), &one), one.as_bytes());
        }
    }
}
