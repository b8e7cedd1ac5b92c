//! For whom a client may speak. Orders and events are read for a sender, and for nobody else.

use forebay_model::{CustomerId, Owner, RequestId, Tenant, Timestamp};
use forebay_service::auth::Binding;
use forebay_service::{Client, Problem};

use crate::app::App;

/// Who sends: for anybody, or for a customer alone.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    only: Option<CustomerId>,
}

impl Sender {
    /// By what a client is bound to.
    ///
    /// # Errors
    /// The problem `forbidden` for who is bound to what has no orders of its own. Or that there is no map yet, where it depends on its views.
    pub(crate) fn of(client: &Client, app: &App) -> Result<Self, Problem> {
        match client.binding(|| Ok(app.map()?.settings().views.in_force().clone()))? {
            None => Ok(Self { only: None }),
            Some(Binding::Customer(customer_id)) => Ok(Self { only: Some(customer_id.clone()) }),
            Some(binding @ Binding::Key { .. }) => {
                Err(Problem::forbidden(format!("a client that is bound to {binding} sends nothing")))
            }
        }
    }

    /// The customer, where it is for one alone.
    pub(crate) fn only(&self) -> Option<&CustomerId> {
        self.only.as_ref()
    }

    /// The number of a new request, which says whose it is.
    pub(crate) fn request(&self, now: Timestamp) -> RequestId {
        match &self.only {
            None => RequestId::new(now, rand::random()),
            Some(customer_id) => RequestId::of_owner(now, Owner::of(Tenant::none(), customer_id), rand::random()),
        }
    }
}
