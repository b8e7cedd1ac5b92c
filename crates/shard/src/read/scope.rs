//! What may be seen, and of that what is read.
//!
//! Every statement over facts is about a [`Subject`], and nothing outside this crate can make one but from a [`Scope`]: so every reader has
//! said first who asks. A service makes the scope of a request in one place, from who its client is.

use std::fmt;
use std::sync::Arc;

use forebay_model::ownership::Unit;
use forebay_model::{Bucket, CustomerId, Lane, Owner, RequestId, ShardId, ShardMap, Tenant, ViewId};

/// What may be seen of the system. Its `Display` tells it from every other one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    tenant: Tenant,
    sight: Sight,
}

/// How much of a tenant's orders.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// All of them.
    All,
    /// A customer's.
    Customer(CustomerId),
    /// What one key of a view sees.
    Key {
        /// Which view.
        view: ViewId,
        /// Which of its keys.
        key: Arc<str>,
    },
}

/// Whose orders are read, of one tenant.
#[derive(Clone, Debug)]
pub enum Subject {
    /// All of them.
    #[non_exhaustive]
    Everybody {
        /// Which tenant's.
        tenant: Tenant,
    },
    /// A customer's.
    #[non_exhaustive]
    Customer {
        /// Of which tenant.
        tenant: Tenant,
        /// The customer's bucket.
        bucket: Bucket,
        /// Which customer.
        customer_id: Arc<str>,
    },
    /// Those that one key of a view sees.
    #[non_exhaustive]
    View {
        /// Of which tenant.
        tenant: Tenant,
        /// The key's bucket.
        bucket: Bucket,
        /// Which view.
        view: ViewId,
        /// Which of its keys.
        key: Arc<str>,
    },
}

/// What is asked for is neither in sight nor out of it: orders of a customer for who sees a key's part of orders, and the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("who sees one side of orders does not read by the other")]
pub struct OtherSide;

/// The evidence that everything may be seen: for what is about the system as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Unbound(());

impl Scope {
    /// That much of a tenant's orders.
    pub fn new(tenant: Tenant, sight: Sight) -> Self {
        Self { tenant, sight }
    }

    /// Whose orders.
    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// All that is in sight.
    pub fn everything(&self, map: &ShardMap) -> Subject {
        match &self.sight {
            Sight::All => Subject::Everybody { tenant: self.tenant.clone() },
            Sight::Customer(customer_id) => self.of_customer(map, customer_id),
            Sight::Key { view, key } => self.of_key(*view, key),
        }
    }

    /// A customer's orders; `None` where they are out of sight, whether there are any or not.
    ///
    /// # Errors
    /// [`OtherSide`].
    pub fn customer(&self, map: &ShardMap, customer_id: &CustomerId) -> Result<Option<Subject>, OtherSide> {
        match &self.sight {
            Sight::Customer(own) if own != customer_id => Ok(None),
            Sight::All | Sight::Customer(_) => Ok(Some(self.of_customer(map, customer_id))),
            Sight::Key { .. } => Err(OtherSide),
        }
    }

    /// What a key of a view sees; `None` where that is out of sight, whether there is anything or not.
    ///
    /// # Errors
    /// [`OtherSide`].
    pub fn key(&self, view: ViewId, key: &str) -> Result<Option<Subject>, OtherSide> {
        match &self.sight {
            Sight::Key { view: own, key: own_key } if (*own, &**own_key) != (view, key) => Ok(None),
            Sight::All | Sight::Key { .. } => Ok(Some(self.of_key(view, key))),
            Sight::Customer(_) => Err(OtherSide),
        }
    }

    /// Where everything is in sight, and it is not about one tenant.
    pub fn unbound(&self) -> Option<Unbound> {
        (self.sight == Sight::All && self.tenant.is_none()).then_some(Unbound(()))
    }

    /// Whether what became of a request is in sight: of the tenant's, or of one's own where not everything of the tenant is.
    pub fn sees(&self, request: RequestId) -> bool {
        match &self.sight {
            Sight::All => request.is_of(Owner::of(&self.tenant, None)),
            Sight::Customer(customer_id) => request.is_of(Owner::of(&self.tenant, Some(customer_id))),
            Sight::Key { .. } => false,
        }
    }

    /// The only customer in sight.
    pub(super) fn only_customer(&self) -> Option<&str> {
        match &self.sight {
            Sight::Customer(customer_id) => Some(customer_id.as_str()),
            Sight::All | Sight::Key { .. } => None,
        }
    }

    fn of_customer(&self, map: &ShardMap, customer_id: &CustomerId) -> Subject {
        let bucket = map.bucket_of(&self.tenant, customer_id);
        Subject::Customer { tenant: self.tenant.clone(), bucket, customer_id: customer_id.as_str().into() }
    }

    fn of_key(&self, view: ViewId, key: &str) -> Subject {
        let bucket = Bucket::of_key(&self.tenant, key);
        Subject::View { tenant: self.tenant.clone(), bucket, view, key: key.into() }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.tenant.as_str())?;
        // No id has a control character.
        match &self.sight {
            Sight::All => Ok(()),
            Sight::Customer(customer_id) => write!(f, "\u{1f}customer\u{1f}{customer_id}"),
            Sight::Key { view, key } => write!(f, "\u{1f}view\u{1f}{view}\u{1f}{key}"),
        }
    }
}

impl Subject {
    /// Whose orders they are all of.
    pub fn tenant(&self) -> &Tenant {
        match self {
            Self::Everybody { tenant } | Self::Customer { tenant, .. } | Self::View { tenant, .. } => tenant,
        }
    }

    /// The lane whose facts they are.
    pub fn lane(&self) -> Lane {
        match self {
            Self::View { .. } => Lane::Views,
            Self::Everybody { .. } | Self::Customer { .. } => Lane::Orders,
        }
    }

    /// The unit that they are all of; nothing where they are everybody's.
    pub fn unit(&self) -> Option<Unit> {
        match self {
            Self::Everybody { .. } => None,
            Self::Customer { bucket, .. } | Self::View { bucket, .. } => Some(Unit::of(self.lane().kind(), *bucket)),
        }
    }

    /// The shards that have something of it.
    pub fn shards(&self, map: &ShardMap) -> Vec<ShardId> {
        match self {
            Self::Everybody { .. } => map.shards().collect(),
            Self::Customer { bucket, .. } | Self::View { bucket, .. } => vec![map.shard(self.lane().kind(), *bucket)],
        }
    }

    /// The only customer whose orders they can be.
    pub(super) fn only_customer(&self) -> Option<&str> {
        match self {
            Self::Customer { customer_id, .. } => Some(customer_id),
            Self::Everybody { .. } | Self::View { .. } => None,
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "what is tested is what a scope gives")]
mod tests {
    use std::num::NonZeroU16;

    use forebay_model::Hash;
    use proptest::prelude::*;

    use super::*;

    fn sights() -> impl Strategy<Value = Sight> {
        prop_oneof![
            Just(Sight::All),
            "[ab]".prop_map(|id| Sight::Customer(CustomerId::new(id).unwrap())),
            (1u16..3, "[ab]").prop_map(|(view, key)| Sight::Key { view: ViewId::new(view).unwrap(), key: key.into() }),
        ]
    }

    proptest! {
        #[test]
        fn nothing_is_read_that_is_not_in_sight(
            tenant in "[a]{0,1}", sight in sights(), customer in "[ab]", view in 1u16..3, key in "[ab]",
        ) {
            let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
            let tenant = Tenant::new(tenant).unwrap();
            let scope = Scope::new(tenant.clone(), sight.clone());
            let (customer, view) = (CustomerId::new(customer).unwrap(), ViewId::new(view).unwrap());
            let subjects = [
                Some(scope.everything(&map)),
                scope.customer(&map, &customer).ok().flatten(),
                scope.key(view, &key).ok().flatten(),
            ];
            for subject in subjects.into_iter().flatten() {
                prop_assert_eq!(subject.tenant(), &tenant);
                match (&sight, &subject) {
                    (Sight::All, _) => {}
                    (Sight::Customer(own), Subject::Customer { customer_id, .. }) => prop_assert_eq!(own.as_str(), &**customer_id),
                    (Sight::Key { view: own, key: own_key }, Subject::View { view, key, .. }) => {
                        prop_assert_eq!((own, own_key), (view, key));
                    }
                    _ => prop_assert!(false, "{:?} of {:?}", subject, sight),
                }
            }
            prop_assert_eq!(scope.unbound().is_some(), sight == Sight::All && tenant.is_none());
        }

        #[test]
        fn no_two_scopes_have_one_text(one in ("[ab]{0,1}", sights()), other in ("[ab]{0,1}", sights())) {
            let of = |(tenant, sight): &(String, Sight)| {
                Scope::new(Tenant::new(tenant.as_str()).unwrap(), sight.clone()).to_string()
            };
            prop_assert_eq!(of(&one) == of(&other), one == other);
        }
    }
}
