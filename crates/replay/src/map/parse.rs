//! A map as its TOML is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::RawCondition;
use super::fields::further::{ALL, Further};
use super::fields::number::{Number, Separators};
use super::fields::text::Text;
use super::fields::time::Time;
use super::fields::{Names, RawField, separators};
use super::path::Path;
use super::rules::Rules;
use super::{Envelope, EventFields, ItemFields, Map};
use crate::format::Format;

type RawFields = BTreeMap<String, RawField>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    /// Which shape of file it is for. For people.
    #[serde(rename = "about")]
    _about: Option<String>,
    format: Option<Format>,
    delimiter: Option<char>,
    encoding: Option<String>,
    decimal: Option<char>,
    thousands: Option<char>,
    orders: Option<String>,
    events: Option<String>,
    envelope: Option<Envelope>,
    event_id: Option<RawField>,
    order_id: Option<RawField>,
    lines_apart: Option<u64>,
    customer_id: Option<RawField>,
    kind: Option<RawField>,
    timestamp: Option<RawField>,
    at: Option<RawField>,
    currency: Option<RawField>,
    amount: Option<RawField>,
    items: Option<RawField>,
    item: Option<RawItem>,
    #[serde(default)]
    set: RawFields,
    #[serde(default)]
    attributes: RawFields,
    #[serde(default)]
    skip_when: Vec<RawCondition>,
    #[serde(default)]
    return_when: Vec<RawCondition>,
}

#[derive(Deserialize)]
struct RawItem {
    sku: RawField,
    quantity: RawField,
    price: Option<RawField>,
    #[serde(flatten)]
    others: RawFields,
}

/// Reads a map.
///
/// # Errors
/// One sentence.
pub(super) fn parse(text: &str) -> Result<Map, String> {
    let raw: RawMap = toml::from_str(text).map_err(|error| one_line(&error, text))?;
    raw.check()?;
    let map = raw.into_map()?;
    super::check::check(&map)?;
    Ok(map)
}

impl RawMap {
    /// Whether it has what its records need, and nothing that only others have. Events have an id of their own.
    fn check(&self) -> Result<(), String> {
        let is_of_events = self.event_id.is_some();
        let of_orders = [
            ("orders", self.orders.is_some()),
            ("timestamp", self.timestamp.is_some()),
            ("return_when", !self.return_when.is_empty()),
            ("write_off", self.skip_when.iter().any(|condition| condition.write_off.is_some())),
        ];
        let of_events = [
            ("events", self.events.is_some()),
            ("kind", self.kind.is_some()),
            ("at", self.at.is_some()),
            ("amount", self.amount.is_some()),
            ("set", !self.set.is_empty()),
        ];
        let is_said =
            |fields: &[(&'static str, bool)]| fields.iter().find(|(_, is_said)| *is_said).map(|(name, _)| *name);
        match (is_of_events, is_said(&of_orders), is_said(&of_events)) {
            (true, Some(name), _) => {
                return Err(format!("`{name}` is a field of orders, and the map is for events: it has an event_id"));
            }
            (false, _, Some(name)) => {
                return Err(format!("`{name}` is a field of events, which have an event_id, and the map has none"));
            }
            _ => {}
        }
        let has_price = self.item.as_ref().is_some_and(|item| item.price.is_some());
        let needed: &[(&str, bool)] = if is_of_events {
            &[("order_id", self.order_id.is_some()), ("kind", self.kind.is_some()), ("at", self.at.is_some())]
        } else {
            &[
                ("customer_id", self.customer_id.is_some()),
                ("timestamp", self.timestamp.is_some()),
                ("item", self.item.is_some()),
                ("item.price", has_price),
            ]
        };
        match needed.iter().find(|(_, is_said)| !is_said) {
            Some((name, _)) => Err(format!("missing field `{name}`")),
            None => Ok(()),
        }
    }

    fn into_map(mut self) -> Result<Map, String> {
        let usual = separators(self.decimal, self.thousands, Separators::default())?;
        let mut read = Read { names: Names::default(), usual };
        let delimiter = u8::try_from(self.delimiter.unwrap_or(',')).ok().filter(u8::is_ascii);
        let rules = Rules::new(self.skip_when, self.return_when, &mut read.names, usual)?;
        let currency = self.currency.take().or_else(|| self.attributes.remove("currency"));
        let records = self.orders.or(self.events);
        let time = self.timestamp.map(|field| ("timestamp", field)).or_else(|| self.at.map(|field| ("at", field)));
        let (time_name, time) = time.ok_or("missing field `timestamp`")?;
        Ok(Map {
            format: self.format,
            delimiter: delimiter.ok_or("the delimiter must be one ASCII character")?,
            encoding: self.encoding,
            records: records.as_deref().map(Path::parse).transpose()?,
            envelope: self.envelope,
            blank_is_as_before: self.order_id.as_ref().is_some_and(RawField::is_as_before),
            order_id: read.text("order_id", self.order_id)?,
            event: match (self.event_id, self.kind) {
                (Some(id), Some(kind)) => Some(read.event(id, kind, self.amount, self.set)?),
                _ => None,
            },
            lines_apart: self.lines_apart,
            customer_id: read.text("customer_id", self.customer_id)?,
            currency: read.text("currency", currency)?,
            items: read.text("items", self.items)?,
            item: self.item.map(|item| read.item(item)).transpose()?,
            further: read.further("attributes", self.attributes)?,
            time: read.time(time_name, time)?,
            skip_when: rules.skip_when,
            skips_headers: rules.skips_headers,
            skips_write_offs: rules.skips_write_offs,
            return_when: rules.return_when,
            names: read.names.0,
        })
    }
}

/// Reads fields, and takes note of the columns and paths that they name. What is wrong is told with the name of the field.
struct Read {
    names: Names,
    usual: Separators,
}

impl Read {
    fn text(&mut self, name: &str, field: Option<RawField>) -> Result<Option<Text>, String> {
        field.map(|field| self.some_text(name, field)).transpose()
    }

    fn some_text(&mut self, name: &str, field: RawField) -> Result<Text, String> {
        field.into_text(&mut self.names).map_err(|what| format!("{name}: {what}"))
    }

    fn number(&mut self, name: &str, field: RawField) -> Result<Number, String> {
        field.into_number(&mut self.names, self.usual).map_err(|what| format!("{name}: {what}"))
    }

    fn time(&mut self, name: &str, field: RawField) -> Result<Time, String> {
        field.into_time(&mut self.names).map_err(|what| format!("{name}: {what}"))
    }

    fn further(&mut self, place: &str, mut fields: RawFields) -> Result<Further, String> {
        let all_of = self.text(&format!("{place}.{ALL}"), fields.remove(ALL))?;
        let read = |(name, field): (String, RawField)| {
            let text = self.some_text(&format!("{place}.{name}"), field)?;
            Ok((name, text))
        };
        let named = fields.into_iter().map(read).collect::<Result<_, String>>()?;
        Ok(Further { named, all_of: all_of.map(|field| Text { is_json: true, ..field }) })
    }

    fn item(&mut self, item: RawItem) -> Result<ItemFields, String> {
        Ok(ItemFields {
            sku: self.some_text("item.sku", item.sku)?,
            quantity: self.number("item.quantity", item.quantity)?,
            price: item.price.map(|price| self.number("item.price", price)).transpose()?,
            further: self.further("item", item.others)?,
        })
    }

    fn event(
        &mut self,
        id: RawField,
        kind: RawField,
        amount: Option<RawField>,
        set: RawFields,
    ) -> Result<EventFields, String> {
        Ok(EventFields {
            id: self.some_text("event_id", id)?,
            kind: self.some_text("kind", kind)?,
            amount: amount.map(|amount| self.number("amount", amount)).transpose()?,
            set: self.further("set", set)?,
        })
    }
}

fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim().replace('\n', ", ");
    match error.span() {
        Some(span) => format!("line {}: {message}", text[..span.start.min(text.len())].lines().count().max(1)),
        None => message,
    }
}
