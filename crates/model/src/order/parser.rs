//! Parses one order and checks it completely: whatever Postgres would refuse is refused here.

use jiter::Peek;

use super::item::{Items, check_key};
use super::reader::{Broken, Pointer, Reader};
use super::size::is_larger;
use super::slot::Slot;
use super::{Draft, ORDER_BYTES_MAX, ORDER_TEXT_BYTES_MAX};
use crate::order::fault::Rejection;
use crate::view::ViewSet;
use crate::{Currency, CustomerId, OrderId, OrderKind, Timestamp};

/// Parses orders by fixed settings.
#[derive(Clone, Debug)]
pub struct OrderParser {
    views: ViewSet,
    currency: Currency,
    ahead_max_us: i64,
    bytes_max: usize,
    text_bytes_max: usize,
}

/// The fields of an order as they are read.
#[derive(Default)]
struct Fields<'j> {
    customer_id: Slot<CustomerId>,
    order_id: Slot<OrderId>,
    timestamp: Slot<Timestamp>,
    kind: Slot<OrderKind>,
    currency: Slot<Currency>,
    items: Slot<(Items, &'j str)>,
    total: Slot<i64>,
    attributes: String,
}

enum Key {
    CustomerId,
    OrderId,
    Timestamp,
    Kind,
    Currency,
    Items,
    Total,
    Other,
}

impl OrderParser {
    /// A parser that checks the keys of these views, takes orders that name no currency for orders in that one, and accepts
    /// times up to `ahead_max_us` microseconds after now.
    pub fn new(views: ViewSet, currency: Currency, ahead_max_us: i64) -> Self {
        Self { views, currency, ahead_max_us, bytes_max: ORDER_BYTES_MAX, text_bytes_max: ORDER_TEXT_BYTES_MAX }
    }

    /// A parser for orders that were accepted before, as Postgres writes them: with their currency, at any time, and of any
    /// size, because `jsonb` adds white space.
    pub fn of_stored(views: ViewSet) -> Self {
        let currency = Currency::DEFAULT;
        Self { views, currency, ahead_max_us: i64::MAX, bytes_max: usize::MAX, text_bytes_max: usize::MAX }
    }

    /// Parses one order. `now` bounds its time.
    ///
    /// # Errors
    /// [`Rejection`] names every fault of the order, up to [`FAULTS_MAX`](crate::order::fault::FAULTS_MAX).
    pub fn parse<'j>(&self, json: &'j [u8], now: Timestamp) -> Result<Draft<'j>, Rejection> {
        let json = object_text(json, self.text_bytes_max, "order")?;
        let mut reader = Reader::new(json);
        let latest = now.plus_us(self.ahead_max_us);
        let mut read = self.read(&mut reader, latest, OrderKind::Sale);
        if let Ok(Some(Fields { kind: Slot { value: Some(kind), .. }, items, .. })) = &read
            && items.value.as_ref().is_some_and(|(items, _)| items.kind != *kind)
        {
            // It stands behind the items, which were read as those of the other kind.
            let kind = *kind;
            reader = Reader::new(json);
            read = self.read(&mut reader, latest, kind);
        }
        let fields = match read {
            Ok(Some(fields)) => fields,
            Ok(None) => {
                return Err(Rejection::Malformed(String::from("an order must be a JSON object")));
            }
            Err(broken) => return Err(reader.rejection(&broken)),
        };
        if fields.items.value.as_ref().is_some_and(|(items, _)| items.are_written_off()) {
            return Err(Rejection::WriteOff);
        }
        let draft = fields.into_draft(&mut reader, self.currency);
        let faults = reader.into_faults();
        match draft {
            Some(draft) if faults.is_empty() => {
                if is_larger([draft.items, &draft.attributes], json.len(), self.bytes_max) {
                    return Err(Rejection::TooLarge { bytes_max: self.bytes_max });
                }
                Ok(draft)
            }
            _ => Err(Rejection::Invalid(faults)),
        }
    }

    /// Reads an order, which is of that kind unless it has said another one before its items.
    fn read<'j>(
        &self,
        reader: &mut Reader<'j>,
        latest: Timestamp,
        kind: OrderKind,
    ) -> Result<Option<Fields<'j>>, Broken> {
        if reader.jiter.peek()? != Peek::Object {
            return Ok(None);
        }
        let mut fields = Fields::default();
        let mut before_key = reader.jiter.current_index();
        let mut next = reader.jiter.known_object()?.map(|key| self.classify(key));
        while let Some((key, is_of_view)) = next {
            let peek = reader.jiter.peek()?;
            match key {
                Key::Other => fields.read_other(reader, is_of_view, peek, before_key)?,
                Key::Items => {
                    let start = reader.jiter.current_index();
                    let items = Items::read(reader, peek, &self.views, fields.kind.value.unwrap_or(kind))?;
                    let text = reader.since(start);
                    fields.items.fill(reader, Pointer::Order("items"), Some((items, text)));
                }
                _ => fields.read_scalar(reader, &key, peek, latest)?,
            }
            before_key = reader.jiter.current_index();
            next = reader.jiter.next_key()?.map(|key| self.classify(key));
        }
        reader.jiter.finish()?;
        Ok(Some(fields))
    }

    /// Which field it is, and whether it is the key of a view.
    fn classify(&self, key: &str) -> (Key, bool) {
        match key {
            "customer_id" => (Key::CustomerId, false),
            "order_id" => (Key::OrderId, false),
            "timestamp" => (Key::Timestamp, false),
            "kind" => (Key::Kind, false),
            "currency" => (Key::Currency, false),
            "items" => (Key::Items, false),
            "total" => (Key::Total, false),
            _ => (Key::Other, self.views.of_order_field(key).is_some()),
        }
    }
}

impl<'j> Fields<'j> {
    fn read_scalar(&mut self, reader: &mut Reader<'j>, key: &Key, peek: Peek, latest: Timestamp) -> Result<(), Broken> {
        match key {
            Key::CustomerId => {
                self.customer_id.read_id(reader, peek, Pointer::Order("customer_id"), CustomerId::new)?;
            }
            // A null stands for a field that was left out, as many clients write it.
            Key::OrderId | Key::Timestamp | Key::Kind | Key::Currency if peek == Peek::Null => {
                reader.jiter.known_null()?;
            }
            Key::OrderId => self.order_id.read_id(reader, peek, Pointer::Order("order_id"), OrderId::new)?,
            Key::Timestamp => self.timestamp.read_time(reader, peek, Pointer::Order("timestamp"), latest)?,
            Key::Kind => self.kind.read_word(reader, peek, Pointer::Order("kind"))?,
            Key::Currency => self.currency.read_word(reader, peek, Pointer::Order("currency"))?,
            _ => {
                let place = Pointer::Order("total");
                let total = reader.integer(peek, place, i64::MIN..=i64::MAX)?;
                self.total.fill(reader, place, total);
            }
        }
        Ok(())
    }

    fn read_other(
        &mut self,
        reader: &mut Reader<'j>,
        is_of_view: bool,
        peek: Peek,
        before_key: usize,
    ) -> Result<(), Broken> {
        let raw_key = reader.raw_key_since(before_key);
        let place = Pointer::Order(raw_key);
        check_key(reader, place);
        let start = reader.jiter.current_index();
        if is_of_view && peek != Peek::Null {
            reader.id(peek, place)?;
        } else {
            reader.keep(peek, place)?;
        }
        let text = reader.since(start);
        self.attributes.push(if self.attributes.is_empty() { '{' } else { ',' });
        self.attributes.extend(["\"", raw_key, "\":", text]);
        Ok(())
    }

    /// The draft, where nothing that it needs is missing; the faults that only the whole order shows are noted.
    fn into_draft(mut self, reader: &mut Reader<'j>, currency: Currency) -> Option<Draft<'j>> {
        if self.customer_id.is_missing() {
            reader.fault(Pointer::Order("customer_id"), "is required");
        }
        if self.timestamp.is_missing() && !self.order_id.is_missing() {
            let reason = "is required with an order_id: without it, sending the order again would store it twice";
            reader.fault(Pointer::Order("timestamp"), reason);
        }
        if self.items.is_missing() {
            reader.fault(Pointer::Order("items"), "is required");
        }
        let (items, text) = self.items.value.take()?;
        let total = items.checked_total(reader)?;
        if self.total.value.is_some_and(|given| given != total) {
            reader.fault(
                Pointer::Order("total"),
                format!("must be left out, or be the sum of quantity × price, which is {total}"),
            );
        }
        self.attributes.push_str(if self.attributes.is_empty() { "{}" } else { "}" });
        Some(Draft {
            customer_id: self.customer_id.value?,
            order_id: self.order_id.value,
            timestamp: self.timestamp.value,
            kind: items.kind,
            currency: self.currency.value.unwrap_or(currency),
            total,
            items: text,
            attributes: self.attributes,
        })
    }
}

/// What should be the text of a JSON object: of bytes from anywhere, where it is not too large.
pub(crate) fn object_text<'j>(json: &'j [u8], bytes_max: usize, what: &str) -> Result<&'j str, Rejection> {
    if json.len() > bytes_max {
        return Err(Rejection::TooLarge { bytes_max });
    }
    let json = std::str::from_utf8(json)
        .map_err(|error| Rejection::Malformed(format!("the text is not UTF-8 from byte {} on", error.valid_up_to())))?;
    // A byte order mark, as some programs put in front of a file.
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    if json.trim_ascii().is_empty() {
        return Err(Rejection::Malformed(format!("there is no {what}: the body is empty")));
    }
    Ok(json)
}
