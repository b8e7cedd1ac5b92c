//! An event: something that happened to an order. A fact of its own, with an id of its own: orders do not change, and what an order has
//! become is folded from it and its events where it is read ([`life`]). So events may come late, twice, in any order, or before their order.

mod items;
mod kind;
pub mod life;
mod parser;
mod part;
mod status;
pub mod stored;
pub mod worth;

pub use kind::{EventKind, NotAKind};
pub use parser::EventParser;
pub use status::{NotAStatus, Status};
pub use stored::{BadEvents, StoredEvent, StoredEvents};
pub use worth::{AmendedItems, Worth};

use crate::id::EventId;
use crate::order::fault::{Fault, Rejection};
use crate::{Bucket, CustomerId, OrderId, ShardMap, Tenant, Timestamp};

/// An event as a client sent it, checked completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventDraft {
    /// What happened to which order of its customer.
    pub order_id: OrderId,
    /// Whose order; may be missing where Forebay assigned the order's id.
    pub customer_id: Option<CustomerId>,
    /// Which event of its order.
    pub event_id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Every other field of the event: the text of a JSON object.
    pub content: String,
}

/// An event with its place: a fact that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The bucket of the order's customer.
    pub bucket: Bucket,
    /// Whose customer.
    pub tenant: Tenant,
    /// What happened to which order.
    pub order_id: OrderId,
    /// Whose order; `None` where the order's id leads to it, so that an event that was sent with the customer and without is one.
    pub customer_id: Option<CustomerId>,
    /// Which event of its order.
    pub event_id: EventId,
    /// What happened.
    pub kind: EventKind,
    /// When.
    pub at: Timestamp,
    /// Every other field: the text of a JSON object.
    pub content: String,
}

impl EventDraft {
    /// Gives the event its place, as one of that tenant. Where its sender speaks for a customer alone, it is one of that customer's orders,
    /// and names the customer wherever the order's id leads: that may be to another one of the same bucket.
    ///
    /// # Errors
    /// Where neither a customer is named nor the order's id leads to one, or another one is named than its sender speaks for.
    pub fn settle(self, tenant: &Tenant, map: &ShardMap, only: Option<&CustomerId>) -> Result<Event, Rejection> {
        let Self { order_id, customer_id, event_id, kind, at, content } = self;
        if let Some(only) = only {
            let customer_id = customer_id.unwrap_or_else(|| only.clone());
            check_sender(&customer_id, Some(only))?;
            let (bucket, customer_id) = (map.bucket_of(tenant, &customer_id), Some(customer_id));
            return Ok(Event { bucket, tenant: tenant.clone(), order_id, customer_id, event_id, kind, at, content });
        }
        let home = order_id.home().map(|home| home.bucket);
        let of_customer = customer_id.as_ref().map(|customer_id| map.bucket_of(tenant, customer_id));
        let (bucket, customer_id) = match (home, of_customer) {
            (Some(home), None) => (home, None),
            (Some(home), Some(bucket)) if home == bucket => (home, None),
            (_, Some(bucket)) => (bucket, customer_id),
            (None, None) => {
                let reason = "is required: only an order id that Forebay assigned leads to its customer".to_owned();
                return Err(Rejection::Invalid(vec![Fault { pointer: "/customer_id".to_owned(), reason }]));
            }
        };
        Ok(Event { bucket, tenant: tenant.clone(), order_id, customer_id, event_id, kind, at, content })
    }
}

impl EventDraft {
    /// The same of one that was settled before: it names its customer only where it did then.
    ///
    /// # Errors
    /// As [`EventDraft::settle`].
    pub fn settle_as_named(self, tenant: &Tenant, map: &ShardMap) -> Result<Event, Rejection> {
        let named = self.customer_id.clone();
        self.settle(tenant, map, named.as_ref())
    }
}

/// Checks that an order, or an event of one, is of the customer that its sender speaks for, where that is only one.
///
/// # Errors
/// [`Rejection`], which says nothing of whether there is such a customer or order.
pub fn check_sender(customer_id: &CustomerId, only: Option<&CustomerId>) -> Result<(), Rejection> {
    match only {
        Some(only) if only != customer_id => {
            let reason = "must be the customer that the client is bound to".to_owned();
            Err(Rejection::Invalid(vec![Fault { pointer: "/customer_id".to_owned(), reason }]))
        }
        _ => Ok(()),
    }
}

impl Event {
    /// The customer as its tuple has it: empty where the order's id leads to it.
    pub fn customer_text(&self) -> &str {
        self.customer_id.as_ref().map_or("", CustomerId::as_str)
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use super::*;
    use crate::Hash;

    fn settled(order_id: &OrderId, customer_id: Option<&str>) -> Result<Event, Rejection> {
        settled_by(order_id, customer_id, None)
    }

    fn settled_by(order_id: &OrderId, customer_id: Option<&str>, only: Option<&str>) -> Result<Event, Rejection> {
        let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
        let draft = EventDraft {
            order_id: order_id.clone(),
            customer_id: customer_id.map(|id| CustomerId::new(id).unwrap()),
            event_id: EventId::new("E1").unwrap(),
            kind: EventKind::Shipped,
            at: Timestamp::EARLIEST,
            content: "{}".to_owned(),
        };
        draft.settle(Tenant::none(), &map, only.map(|id| CustomerId::new(id).unwrap()).as_ref())
    }

    #[test]
    fn who_speaks_for_a_customer_says_nothing_of_the_orders_of_another() {
        let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
        let bucket = |id: &str| map.bucket_of(Tenant::none(), &CustomerId::new(id).unwrap());
        let of_other = OrderId::assign(Timestamp::EARLIEST, bucket("C2"), 7);
        let of_neighbour = OrderId::assign(Timestamp::EARLIEST, bucket("C1"), 7);
        for order_id in [&of_other, &of_neighbour, &OrderId::new("ORD1").unwrap()] {
            for customer_id in [None, Some("C1")] {
                let event = settled_by(order_id, customer_id, Some("C1")).unwrap();
                assert_eq!((event.bucket, event.customer_text()), (bucket("C1"), "C1"));
            }
            let Err(Rejection::Invalid(faults)) = settled_by(order_id, Some("C2"), Some("C1")) else {
                panic!("it was accepted")
            };
            assert_eq!(faults[0].pointer, "/customer_id");
        }
    }

    #[test]
    fn an_event_of_an_assigned_id_is_one_with_its_customer_and_without() {
        let map = ShardMap::even(NonZeroU16::MIN, Hash::Md5);
        let customer = CustomerId::new("C1").unwrap();
        let bucket = map.bucket_of(Tenant::none(), &customer);
        let assigned = OrderId::assign(Timestamp::EARLIEST, bucket, 7);
        let without = settled(&assigned, None).unwrap();
        assert_eq!(settled(&assigned, Some("C1")).unwrap(), without);
        assert_eq!((without.bucket, without.customer_id), (bucket, None));
    }

    #[test]
    fn an_event_of_another_id_goes_by_its_customer_who_must_be_named() {
        let order_id = OrderId::new("ORD1").unwrap();
        let event = settled(&order_id, Some("C1")).unwrap();
        assert_eq!(event.customer_text(), "C1");
        let Err(Rejection::Invalid(faults)) = settled(&order_id, None) else { panic!("it was accepted") };
        assert_eq!(faults[0].pointer, "/customer_id");
        // A UUIDv7 of somebody else's: its bits say another bucket.
        let foreign = OrderId::new("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
        assert_eq!(settled(&foreign, Some("C1")).unwrap().customer_text(), "C1");
    }
}
