//! For whom a client may speak. Orders and events are read for a sender, and for nobody else.

use forebay_model::{CustomerId, Owner, RequestId, Tenant, Timestamp, ViewSet};
use forebay_service::auth::Binding;
use forebay_service::{Client, Problem};

/// Who sends: for a tenant, and of that for anybody or for a customer alone.
#[derive(Clone, Debug)]
#[cfg_attr(test, derive(Default))]
pub(crate) struct Sender {
    tenant: Tenant,
    only: Option<CustomerId>,
}

impl Sender {
    /// By what a client is bound to.
    ///
    /// # Errors
    /// The problem `forbidden` for who is bound to what has no orders of its own. Or that there is no map yet, where it depends on the views.
    pub(crate) fn of(client: &Client, views: impl FnOnce() -> Result<ViewSet, Problem>) -> Result<Self, Problem> {
        let only = match client.binding(views)? {
            None => None,
            Some(Binding::Customer(customer_id)) => Some(customer_id.clone()),
            Some(binding @ Binding::Key { .. }) => {
                return Err(Problem::forbidden(format!("a client that is bound to {binding} sends nothing")));
            }
        };
        Ok(Self { tenant: client.tenant().clone(), only })
    }

    /// Whose orders and events it sends.
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The customer, where it is for one alone.
    pub(crate) fn only(&self) -> Option<&CustomerId> {
        self.only.as_ref()
    }

    /// The number of a new request, which says whose it is.
    pub(crate) fn request(&self, now: Timestamp) -> RequestId {
        RequestId::of_owner(now, Owner::of(&self.tenant, self.only()), rand::random())
    }
}
