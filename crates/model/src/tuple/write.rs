//! Facts written as tuples. How many fields a tuple has is checked by the compiler against the table of lanes.

use super::JSONB_VERSION;
use crate::event::StoredEvent;
use crate::view::{ViewId, ViewSlice};
use crate::{Bucket, Event, Identity, Lane, Order, StoredOrder};

const ORDERS: usize = Lane::Orders.columns().len();
const EVENTS: usize = Lane::Events.columns().len();
const INDEX: usize = Lane::Index.columns().len();
const VIEWS: usize = Lane::Views.columns().len();
const VIEW_EVENTS: usize = Lane::ViewEvents.columns().len();

/// The value of a field.
enum Field<'a> {
    Int2(u16),
    Int8(i64),
    Text(&'a [u8]),
    /// The pieces of its text.
    Json(&'a [&'a str]),
}

/// Appends an order's tuple in lane `orders`.
pub fn push_order(out: &mut Vec<u8>, order: &Order<'_>) {
    let currency = order.currency();
    let fields: [Field<'_>; ORDERS] = [
        Field::Int2(order.bucket.number()),
        Field::Text(order.tenant.as_str().as_bytes()),
        Field::Text(order.customer_id().as_str().as_bytes()),
        Field::Int8(order.ordered_at.postgres_us()),
        Field::Text(order.order_id.as_str().as_bytes()),
        Field::Text(order.kind().as_str().as_bytes()),
        Field::Text(currency.as_str().as_bytes()),
        Field::Int8(order.total()),
        Field::Json(&[order.items()]),
        Field::Json(&[order.attributes()]),
    ];
    push(out, &fields);
}

/// Appends an event's tuple in lane `events`.
pub fn push_event(out: &mut Vec<u8>, event: &Event) {
    let fields: [Field<'_>; EVENTS] = [
        Field::Int2(event.bucket.number()),
        Field::Text(event.tenant.as_str().as_bytes()),
        Field::Text(event.order_id.as_str().as_bytes()),
        Field::Text(event.customer_text().as_bytes()),
        Field::Text(event.event_id.as_str().as_bytes()),
        Field::Text(event.kind.as_str().as_bytes()),
        Field::Int8(event.at.postgres_us()),
        Field::Json(&[&event.content]),
    ];
    push(out, &fields);
}

/// Appends the tuple with the columns of lane `index` of an order with that identity, in that bucket. Nothing checks the texts.
pub(crate) fn push_index_of(out: &mut Vec<u8>, bucket: u16, order: &Identity<'_>) {
    let fields: [Field<'_>; INDEX] = [
        Field::Int2(bucket),
        Field::Text(order.tenant),
        Field::Text(order.order_id),
        Field::Text(order.customer_id),
        Field::Int8(order.ordered_at.postgres_us()),
    ];
    push(out, &fields);
}

/// Appends the tuple in lane `views` of what one key sees of a stored order; `bucket` is that of the key. Nothing checks the
/// texts.
pub fn push_view(out: &mut Vec<u8>, bucket: Bucket, order: &StoredOrder<'_>, slice: &ViewSlice<'_>) {
    let identity = &order.identity;
    let mut array = Vec::with_capacity(slice.items.len() * 2 + 2);
    array.push("[");
    for (i, &item) in slice.items.iter().enumerate() {
        array.extend([if i == 0 { "" } else { "," }, item]);
    }
    array.push("]");
    let fields: [Field<'_>; VIEWS] = [
        Field::Int2(bucket.number()),
        Field::Text(identity.tenant),
        Field::Int2(slice.view.number()),
        Field::Text(slice.key.as_bytes()),
        Field::Int8(identity.ordered_at.postgres_us()),
        Field::Text(identity.order_id),
        Field::Text(identity.customer_id),
        Field::Text(order.kind),
        Field::Text(order.currency),
        Field::Int8(slice.subtotal),
        Field::Json(&array),
    ];
    push(out, &fields);
}

/// Appends the tuple in lane `view_events` of what one key of a view sees of an event of an order; `bucket` is that of the key.
pub(crate) fn push_view_event(
    out: &mut Vec<u8>,
    bucket: Bucket,
    order: &Identity<'_>,
    (view, key): (ViewId, &str),
    event: &StoredEvent<'_>,
    content: &str,
) {
    let fields: [Field<'_>; VIEW_EVENTS] = [
        Field::Int2(bucket.number()),
        Field::Text(order.tenant),
        Field::Int2(view.number()),
        Field::Text(key.as_bytes()),
        Field::Int8(order.ordered_at.postgres_us()),
        Field::Text(order.order_id),
        Field::Text(order.customer_id),
        Field::Text(event.event_id.as_bytes()),
        Field::Text(event.kind.as_str().as_bytes()),
        Field::Int8(event.at.postgres_us()),
        Field::Json(&[content]),
    ];
    push(out, &fields);
}

fn push(out: &mut Vec<u8>, fields: &[Field<'_>]) {
    out.extend_from_slice(&(fields.len() as i16).to_be_bytes());
    for field in fields {
        match *field {
            Field::Int2(number) => push_bytes(out, &number.to_be_bytes()),
            Field::Int8(number) => push_bytes(out, &number.to_be_bytes()),
            Field::Text(text) => push_bytes(out, text),
            Field::Json(text) => push_jsonb(out, text),
        }
    }
}

/// No field comes near 2³¹ bytes: an order has at most 256 KiB.
fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn push_jsonb(out: &mut Vec<u8>, text: &[&str]) {
    let bytes: usize = text.iter().map(|part| part.len()).sum();
    out.extend_from_slice(&(bytes as i32 + 1).to_be_bytes());
    out.push(JSONB_VERSION);
    for part in text {
        out.extend_from_slice(part.as_bytes());
    }
}
