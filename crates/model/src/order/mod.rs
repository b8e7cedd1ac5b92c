//! An order: what a client sends ([`Draft`]) and what is stored ([`Order`]).

pub mod fault;
pub mod home;
pub mod identity;
pub(crate) mod item;
pub mod kind;
pub(crate) mod parser;
mod passthrough;
pub(crate) mod reader;
pub(crate) mod size;
pub(crate) mod slot;
pub mod stored;

pub use parser::OrderParser;

use fault::{Fault, Rejection};

use crate::{Bucket, Currency, CustomerId, Identity, OrderId, OrderKind, ShardMap, Tenant, Timestamp};

/// The most bytes of one order's items and further fields, as JSON without white space and with numbers written out: what an order has
/// when it is read back is never more than what it had when it was accepted.
pub const ORDER_BYTES_MAX: usize = 256 * 1024;

/// The most bytes of one order's JSON, as it comes: there is room for what Forebay adds to an order that is read back.
pub const ORDER_TEXT_BYTES_MAX: usize = ORDER_BYTES_MAX + 4 * 1024;

/// The most items of one order.
pub const ITEMS_MAX: usize = 5000;

/// An order as a client sent it, checked completely. Only what Forebay itself fills in may be missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft<'j> {
    /// Who ordered.
    pub customer_id: CustomerId,
    /// Which order; Forebay assigns an id where it is missing.
    pub order_id: Option<OrderId>,
    /// When; missing only where `order_id` is missing too.
    pub timestamp: Option<Timestamp>,
    /// Whether it is a sale or a return.
    pub kind: OrderKind,
    /// What prices and sums are in.
    pub currency: Currency,
    /// Sum of quantity × price over the items, in minor units of the currency.
    pub total: i64,
    /// The items as they came: the text of a JSON array.
    pub items: &'j str,
    /// Every other field of the order: the text of a JSON object.
    pub attributes: String,
}

/// An order with its identity: a fact that never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order<'j> {
    /// The bucket of its customer.
    pub bucket: Bucket,
    /// Whose customer.
    pub tenant: Tenant,
    /// Which order of its customer.
    pub order_id: OrderId,
    /// When it was ordered.
    pub ordered_at: Timestamp,
    draft: Draft<'j>,
}

impl<'j> Draft<'j> {
    /// The same order, where it is the same each time that it is sent: it brings its time, if not its id.
    ///
    /// # Errors
    /// [`Rejection`] of one whose time, and so its identity, would be another each time.
    pub fn repeatable(self) -> Result<Self, Rejection> {
        if self.timestamp.is_some() {
            return Ok(self);
        }
        let reason = "is required in a request with an Idempotency-Key: without it, sending the order again would store it twice";
        Err(Rejection::Invalid(vec![Fault { pointer: "/timestamp".to_owned(), reason: reason.to_owned() }]))
    }

    /// Gives the draft its identity, as an order of that tenant. What the client left out is filled in: the time by `now`, the
    /// id by a new one made of the time, the bucket and `random`.
    pub fn settle(mut self, tenant: &Tenant, map: &ShardMap, now: Timestamp, random: u64) -> Order<'j> {
        let bucket = map.bucket_of(tenant, &self.customer_id);
        let ordered_at = self.timestamp.unwrap_or(now);
        let order_id = self.order_id.take().unwrap_or_else(|| OrderId::assign(ordered_at, bucket, random));
        Order { bucket, tenant: tenant.clone(), order_id, ordered_at, draft: self }
    }
}

impl<'j> Order<'j> {
    /// Who ordered.
    pub fn customer_id(&self) -> &CustomerId {
        &self.draft.customer_id
    }

    /// Its identity, as its tuple has it.
    pub fn identity(&self) -> Identity<'_> {
        Identity {
            bucket: self.bucket.number(),
            tenant: self.tenant.as_str().as_bytes(),
            customer_id: self.customer_id().as_str().as_bytes(),
            ordered_at: self.ordered_at,
            order_id: self.order_id.as_str().as_bytes(),
        }
    }

    /// Whether it is a sale or a return.
    pub fn kind(&self) -> OrderKind {
        self.draft.kind
    }

    /// What prices and sums are in.
    pub fn currency(&self) -> Currency {
        self.draft.currency
    }

    /// Sum of quantity × price over the items, in minor units of the currency.
    pub fn total(&self) -> i64 {
        self.draft.total
    }

    /// The items as they came: the text of a JSON array.
    pub fn items(&self) -> &'j str {
        self.draft.items
    }

    /// Every other field of the order: the text of a JSON object.
    pub fn attributes(&self) -> &str {
        &self.draft.attributes
    }
}
