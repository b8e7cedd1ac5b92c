//! Parses one event and checks it completely, as orders are: whatever Postgres would refuse is refused here.

use jiter::Peek;

use super::items::{check_amended, check_returned};
use super::{EventDraft, EventKind};
use crate::id::EventId;
use crate::order::fault::Rejection;
use crate::order::item::check_key;
use crate::order::parser::object_text;
use crate::order::reader::{Broken, Pointer, Reader};
use crate::order::size::is_larger;
use crate::order::slot::Slot;
use crate::order::{ORDER_BYTES_MAX, ORDER_TEXT_BYTES_MAX};
use crate::view::ViewSet;
use crate::{CustomerId, OrderId, Timestamp};

/// Fields of an order that no event can set: what it is, when it was, what it comes to.
const NOT_SET: [&str; 7] = ["order_id", "customer_id", "timestamp", "currency", "kind", "items", "total"];

/// Parses events by fixed settings.
#[derive(Clone, Debug)]
pub struct EventParser {
    views: ViewSet,
    ahead_max_us: i64,
}

/// The fields of an event as they are read.
#[derive(Default)]
struct Fields<'j> {
    order_id: Slot<OrderId>,
    customer_id: Slot<CustomerId>,
    event_id: Slot<EventId>,
    kind: Slot<EventKind>,
    at: Slot<Timestamp>,
    items: Slot<&'j str>,
    amount: Slot<&'j str>,
    set: Slot<&'j str>,
    /// Every field but the first five.
    content: String,
}

enum Key {
    OrderId,
    CustomerId,
    EventId,
    Kind,
    At,
    Items,
    Amount,
    Set,
    Other,
}

impl EventParser {
    /// A parser that checks the keys of these views in amended items, and accepts times up to `ahead_max_us` microseconds after now.
    pub fn new(views: ViewSet, ahead_max_us: i64) -> Self {
        Self { views, ahead_max_us }
    }

    /// Parses one event, of that order where the request says of which. `now` bounds its time.
    ///
    /// # Errors
    /// [`Rejection`] names every fault of the event, up to [`FAULTS_MAX`](crate::order::fault::FAULTS_MAX).
    pub fn parse(&self, json: &[u8], of: Option<&OrderId>, now: Timestamp) -> Result<EventDraft, Rejection> {
        let text = object_text(json, ORDER_TEXT_BYTES_MAX, "event")?;
        let mut reader = Reader::new(text);
        let fields = match Fields::read(&mut reader, now.plus_us(self.ahead_max_us)) {
            Ok(Some(fields)) => fields,
            Ok(None) => return Err(Rejection::Malformed(String::from("an event must be a JSON object"))),
            Err(broken) => return Err(reader.rejection(&broken)),
        };
        // What was read once is no broken JSON.
        if let Err(broken) = self.check_details(&fields, &mut reader) {
            return Err(reader.rejection(&broken));
        }
        let draft = fields.into_draft(of, &mut reader);
        let faults = reader.into_faults();
        match draft {
            Some(draft) if faults.is_empty() => {
                if is_larger([&draft.content, ""], json.len(), ORDER_BYTES_MAX) {
                    return Err(Rejection::TooLarge { bytes_max: ORDER_BYTES_MAX });
                }
                Ok(draft)
            }
            _ => Err(Rejection::Invalid(faults)),
        }
    }

    /// What only some kinds have: it means something only there, and is any other field elsewhere.
    fn check_details<'j>(&self, fields: &Fields<'j>, reader: &mut Reader<'j>) -> Result<(), Broken> {
        match &fields.kind.value {
            Some(EventKind::Returned) => {
                if let Some(items) = fields.items.value {
                    reader.within(items, check_returned)?;
                }
            }
            Some(EventKind::Paid | EventKind::Refunded) => {
                if let Some(amount) = fields.amount.value {
                    reader.within(amount, |reader, peek| {
                        reader.integer(peek, Pointer::Order("amount"), 0..=i64::MAX).map(|_| ())
                    })?;
                }
            }
            Some(EventKind::Amended) => {
                if let Some(items) = fields.items.value {
                    check_amended(reader, items, &self.views)?;
                }
                if let Some(set) = fields.set.value {
                    reader.within(set, |reader, peek| self.amended_fields(reader, peek))?;
                }
                if fields.items.is_missing() && fields.set.is_missing() {
                    reader.fault(Pointer::Order("set"), "is required, or items: what is amended");
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn amended_fields(&self, reader: &mut Reader<'_>, peek: Peek) -> Result<(), Broken> {
        if peek != Peek::Object {
            return reader.wrong_type(peek, Pointer::Order("set"), "must be an object");
        }
        let mut next = reader.jiter.known_object()?.map(str::to_owned);
        while let Some(field) = next {
            let place = Pointer::OfSet(&field);
            if NOT_SET.contains(&&*field) {
                reader.fault(place, "cannot be amended here: an order keeps what it is, and items stand beside set");
            }
            let peek = reader.jiter.peek()?;
            if peek != Peek::Null && self.views.of_order_field(&field).is_some() {
                reader.id(peek, place)?;
            } else {
                reader.jiter.known_skip(peek)?;
            }
            next = reader.jiter.next_key()?.map(str::to_owned);
        }
        Ok(())
    }
}

impl<'j> Fields<'j> {
    fn read(reader: &mut Reader<'j>, latest: Timestamp) -> Result<Option<Self>, Broken> {
        if reader.jiter.peek()? != Peek::Object {
            return Ok(None);
        }
        let mut fields = Self::default();
        let mut before_key = reader.jiter.current_index();
        let mut next = reader.jiter.known_object()?.map(classify);
        while let Some(key) = next {
            let peek = reader.jiter.peek()?;
            fields.read_field(reader, &key, peek, before_key, latest)?;
            before_key = reader.jiter.current_index();
            next = reader.jiter.next_key()?.map(classify);
        }
        reader.jiter.finish()?;
        Ok(Some(fields))
    }

    fn read_field(
        &mut self,
        reader: &mut Reader<'j>,
        key: &Key,
        peek: Peek,
        before_key: usize,
        latest: Timestamp,
    ) -> Result<(), Broken> {
        match key {
            // A null stands for a field that was left out, as many clients write it.
            Key::CustomerId | Key::OrderId if peek == Peek::Null => reader.jiter.known_null()?,
            Key::OrderId => self.order_id.read_id(reader, peek, Pointer::Order("order_id"), OrderId::new)?,
            Key::CustomerId => {
                self.customer_id.read_id(reader, peek, Pointer::Order("customer_id"), CustomerId::new)?;
            }
            Key::EventId => self.event_id.read_id(reader, peek, Pointer::Order("event_id"), EventId::new)?,
            Key::Kind => self.kind.read_word(reader, peek, Pointer::Order("kind"))?,
            Key::At => self.at.read_time(reader, peek, Pointer::Order("at"), latest)?,
            Key::Items | Key::Amount | Key::Set | Key::Other => self.read_content(reader, key, peek, before_key)?,
        }
        Ok(())
    }

    fn read_content(
        &mut self,
        reader: &mut Reader<'j>,
        key: &Key,
        peek: Peek,
        before_key: usize,
    ) -> Result<(), Broken> {
        let raw_key = reader.raw_key_since(before_key);
        let place = Pointer::Order(raw_key);
        check_key(reader, place);
        let text = reader.keep(peek, place)?;
        match key {
            Key::Items => self.items.fill(reader, place, Some(text)),
            Key::Amount => self.amount.fill(reader, place, Some(text)),
            Key::Set => self.set.fill(reader, place, Some(text)),
            _ => {}
        }
        self.content.push(if self.content.is_empty() { '{' } else { ',' });
        self.content.extend(["\"", raw_key, "\":", text]);
        Ok(())
    }

    /// The draft, where nothing that it needs is missing.
    fn into_draft(mut self, of: Option<&OrderId>, reader: &mut Reader<'_>) -> Option<EventDraft> {
        for (is_missing, field) in
            [(self.event_id.is_missing(), "event_id"), (self.kind.is_missing(), "kind"), (self.at.is_missing(), "at")]
        {
            if is_missing {
                reader.fault(Pointer::Order(field), "is required");
            }
        }
        match of {
            None if self.order_id.is_missing() => reader.fault(Pointer::Order("order_id"), "is required"),
            Some(of) if self.order_id.value.as_ref().is_some_and(|id| id != of) => {
                reader.fault(Pointer::Order("order_id"), "must be left out, or be the one of the path");
            }
            _ => {}
        }
        self.content.push_str(if self.content.is_empty() { "{}" } else { "}" });
        Some(EventDraft {
            order_id: of.cloned().or(self.order_id.value)?,
            customer_id: self.customer_id.value,
            event_id: self.event_id.value?,
            kind: self.kind.value?,
            at: self.at.value?,
            content: self.content,
        })
    }
}

fn classify(key: &str) -> Key {
    match key {
        "order_id" => Key::OrderId,
        "customer_id" => Key::CustomerId,
        "event_id" => Key::EventId,
        "kind" => Key::Kind,
        "at" => Key::At,
        "items" => Key::Items,
        "amount" => Key::Amount,
        "set" => Key::Set,
        _ => Key::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn now() -> Timestamp {
        Timestamp::parse("2026-01-01T00:00:00Z").unwrap()
    }

    fn parse(event: &Value) -> Result<EventDraft, Rejection> {
        let views = "seller=items[].seller_id,warehouse=warehouse_id".parse().unwrap();
        EventParser::new(views, 86_400_000_000).parse(event.to_string().as_bytes(), None, now())
    }

    fn event(more: &Value) -> Value {
        let mut event =
            json!({"event_id": "E1", "order_id": "O1", "customer_id": 7, "at": "2025-12-24T10:00:00+01:00"});
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    fn faults(event: &Value) -> Vec<String> {
        match parse(event) {
            Err(Rejection::Invalid(faults)) => faults.into_iter().map(|fault| fault.pointer).collect(),
            other => panic!("{event}: {other:?}"),
        }
    }

    #[test]
    fn further_fields_are_kept_as_they_came() {
        let draft = parse(&event(&json!({"kind": "shipped", "carrier": "X", "items": 7}))).unwrap();
        assert_eq!(
            (draft.customer_id.unwrap().as_str(), draft.at.to_string()),
            ("7", "2025-12-24T09:00:00Z".to_owned())
        );
        let content: Value = serde_json::from_str(&draft.content).unwrap();
        assert_eq!(content, json!({"carrier": "X", "items": 7}));
    }

    #[test]
    fn every_fault_is_told_with_its_place() {
        assert_eq!(faults(&json!({})), ["/event_id", "/kind", "/at", "/order_id"]);
        assert_eq!(faults(&event(&json!({"kind": "sent"}))), ["/kind"]);
        assert_eq!(faults(&event(&json!({"kind": "note", "at": "2026-01-03T00:00:00Z"}))), ["/at"]);
        let items = json!([{"sku": "A", "quantity": 0}, {"quantity": 1}, 3]);
        assert_eq!(
            faults(&event(&json!({"kind": "returned", "items": items}))),
            ["/items/0/quantity", "/items/1/sku", "/items/2"]
        );
        assert_eq!(faults(&event(&json!({"kind": "returned", "items": []}))), ["/items"]);
        assert_eq!(faults(&event(&json!({"kind": "paid", "amount": -1}))), ["/amount"]);
        assert_eq!(faults(&event(&json!({"kind": "amended"}))), ["/set"]);
        let set = json!({"note": 1, "timestamp": "x", "warehouse_id": "W2"});
        assert_eq!(faults(&event(&json!({"kind": "amended", "set": set}))), ["/set/timestamp"]);
        let set = json!({"note": [1], "warehouse_id": [1]});
        assert_eq!(faults(&event(&json!({"kind": "amended", "set": set}))), ["/set/warehouse_id"]);
        for key in [json!("W2"), json!(7), Value::Null] {
            parse(&event(&json!({"kind": "amended", "set": {"warehouse_id": key}}))).unwrap();
        }
        let items = json!([{"sku": "A", "quantity": 1, "price": 1, "seller_id": [1]}]);
        assert_eq!(faults(&event(&json!({"kind": "amended", "items": items}))), ["/items/0/seller_id"]);
    }

    #[test]
    fn amended_items_come_to_what_those_of_an_order_can_come_to() {
        let amended = |items: &[(i64, i64)]| {
            let item = |&(quantity, price): &(i64, i64)| json!({"sku": "A", "quantity": quantity, "price": price});
            event(&json!({"kind": "amended", "items": items.iter().map(item).collect::<Vec<_>>()}))
        };
        for items in [&[(1, 5), (1, -5)][..], &[(-1, 5)], &[(1, i64::MAX)], &[(-1, i64::MAX), (-1, 1)]] {
            parse(&amended(items)).unwrap();
        }
        for items in [&[(1, -1)][..], &[(-1, -1)], &[(1, i64::MAX), (1, i64::MAX), (1, -i64::MAX)], &[(-2, i64::MAX)]] {
            assert_eq!(faults(&amended(items)), ["/items"], "{items:?}");
        }
    }

    #[test]
    fn the_order_of_the_path_may_be_repeated_but_not_be_another() {
        let parser = EventParser::new(ViewSet::default(), 0);
        let of = OrderId::new("O1").unwrap();
        let text = |id: Value| {
            let mut event = event(&json!({"kind": "note"}));
            event["order_id"] = id;
            event.to_string()
        };
        for id in [json!("O1"), Value::Null] {
            assert_eq!(parser.parse(text(id).as_bytes(), Some(&of), now()).unwrap().order_id, of);
        }
        assert!(parser.parse(text(json!("O2")).as_bytes(), Some(&of), now()).is_err());
    }

    proptest! {
        #[test]
        fn bytes_from_anywhere_do_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = EventParser::new(ViewSet::default(), 0).parse(&bytes, None, now());
        }
    }
}
