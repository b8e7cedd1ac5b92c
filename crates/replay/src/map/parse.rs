//! A map as its TOML is written.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::condition::{Condition, RawCondition};
use super::fields::number::Separators;
use super::fields::text::Text;
use super::fields::{Names, RawField, separators};
use super::path::{Path, Root, Step};
use super::{Envelope, Map, Name};
use crate::source::format::Format;

/// The fields of an order that a map sets otherwise.
const ORDER_FIELDS: [&str; 6] = ["order_id", "customer_id", "timestamp", "items", "total", "kind"];
/// The largest distance between two lines of an order: what is kept of open orders must fit into memory.
const LINES_APART_MAX: u64 = 1_000_000;

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
    envelope: Option<Envelope>,
    order_id: Option<RawField>,
    lines_apart: Option<u64>,
    customer_id: RawField,
    timestamp: RawField,
    currency: Option<RawField>,
    items: Option<RawField>,
    item: RawItem,
    #[serde(default)]
    attributes: BTreeMap<String, RawField>,
    #[serde(default)]
    skip_when: Vec<RawCondition>,
    #[serde(default)]
    return_when: Vec<RawCondition>,
}

#[derive(Deserialize)]
struct RawItem {
    sku: RawField,
    quantity: RawField,
    price: RawField,
    #[serde(flatten)]
    others: BTreeMap<String, RawField>,
}

/// Reads a map.
///
/// # Errors
/// One sentence.
pub(super) fn parse(text: &str) -> Result<Map, String> {
    let raw: RawMap = toml::from_str(text).map_err(|error| one_line(&error, text))?;
    let map = raw.into_map()?;
    check(&map)?;
    Ok(map)
}

impl RawMap {
    fn into_map(mut self) -> Result<Map, String> {
        let mut names = Names::default();
        let names = &mut names;
        let usual = separators(self.decimal, self.thousands, Separators::default())?;
        let delimiter = u8::try_from(self.delimiter.unwrap_or(',')).ok().filter(u8::is_ascii);
        let rules = Rules::new(self.skip_when, self.return_when, names, usual)?;
        let currency = self.currency.take().or_else(|| self.attributes.remove("currency"));
        let mut text = |name: &str, field: RawField| field.into_text(names).map_err(|what| format!("{name}: {what}"));
        let mut map = Map {
            format: self.format,
            delimiter: delimiter.ok_or("the delimiter must be one ASCII character")?,
            encoding: self.encoding,
            orders: self.orders.as_deref().map(Path::parse).transpose()?,
            envelope: self.envelope,
            blank_is_as_before: self.order_id.as_ref().is_some_and(RawField::is_as_before),
            order_id: self.order_id.map(|field| text("order_id", field)).transpose()?,
            lines_apart: self.lines_apart,
            customer_id: text("customer_id", self.customer_id)?,
            currency: currency.map(|field| text("currency", field)).transpose()?,
            items: self.items.map(|field| text("items", field)).transpose()?,
            sku: text("item.sku", self.item.sku)?,
            of_item: texts("item", self.item.others, &mut text)?,
            of_order: texts("attributes", self.attributes, &mut text)?,
            timestamp: self.timestamp.into_time(names).map_err(|what| format!("timestamp: {what}"))?,
            quantity: self.item.quantity.into_number(names, usual).map_err(|what| format!("item.quantity: {what}"))?,
            price: self.item.price.into_number(names, usual).map_err(|what| format!("item.price: {what}"))?,
            skip_when: rules.skip_when,
            skips_headers: rules.skips_headers,
            skips_write_offs: rules.skips_write_offs,
            return_when: rules.return_when,
            names: Vec::new(),
        };
        map.names = std::mem::take(&mut names.0);
        Ok(map)
    }
}

type Texts = Vec<(String, Text)>;

fn texts(
    place: &str,
    fields: BTreeMap<String, RawField>,
    text: &mut impl FnMut(&str, RawField) -> Result<Text, String>,
) -> Result<Texts, String> {
    fields
        .into_iter()
        .map(|(name, field)| {
            let read = text(&format!("{place}.{name}"), field)?;
            Ok((name, read))
        })
        .collect()
}

/// The rules of a map.
struct Rules {
    skip_when: Vec<Condition>,
    skips_headers: bool,
    skips_write_offs: bool,
    return_when: Vec<Condition>,
}

impl Rules {
    fn new(
        skip_when: Vec<RawCondition>,
        return_when: Vec<RawCondition>,
        names: &mut Names,
        usual: Separators,
    ) -> Result<Self, String> {
        let mut rules =
            Self { skip_when: Vec::new(), skips_headers: false, skips_write_offs: false, return_when: Vec::new() };
        for raw in skip_when {
            match (raw.header, raw.write_off) {
                (None, None) => rules.skip_when.push(condition("skip_when", raw, names, usual)?),
                _ if raw.has_column_or_test() => {
                    return Err("skip_when: `header` and `write_off` stand alone".to_owned());
                }
                (header, write_off) => {
                    rules.skips_headers |= header.unwrap_or(false);
                    rules.skips_write_offs |= write_off.unwrap_or(false);
                }
            }
        }
        for raw in return_when {
            if raw.header.is_some() || raw.write_off.is_some() {
                return Err("return_when: `header` and `write_off` are for skip_when".to_owned());
            }
            rules.return_when.push(condition("return_when", raw, names, usual)?);
        }
        Ok(rules)
    }
}

fn condition(rule: &str, mut raw: RawCondition, names: &mut Names, usual: Separators) -> Result<Condition, String> {
    let column = raw.column.take().ok_or_else(|| format!("{rule}: expected `column`"))?;
    let subject = RawField::Name(column).into_text(names)?;
    let is_of_item =
        subject.names.iter().any(|name| matches!(&names.0[name.0], Name::Path(path) if path.root == Root::Item));
    raw.on(subject, usual, is_of_item).map_err(|what| format!("{rule}: {what}"))
}

/// Checks that everything fits together.
fn check(map: &Map) -> Result<(), String> {
    let set = map.of_order.iter().find(|(name, _)| ORDER_FIELDS.contains(&name.as_str()));
    if let Some((name, _)) = set {
        return Err(format!("attributes: `{name}` is a field that every order has already"));
    }
    let is_inner = |path: &Path| path.steps.split_last().is_some_and(|(_, before)| before.contains(&Step::Each));
    if let Some((_, path)) = map.paths().find(|(_, path)| is_inner(path)) {
        return Err(format!("the path {path} has a [*] that is not its end: a field has one value"));
    }
    let is_json = map.is_of_json();
    let has_item_paths = map.paths().any(|(_, path)| path.root == Root::Item);
    match (is_json, map.columns().first()) {
        (true, Some(column)) => {
            return Err(format!(
                "the map is for JSON, and `{column}` is the name of a column: expected a path such as $.{column}"
            ));
        }
        (true, None) if map.items.is_none() => {
            return Err("a map for JSON needs `items`, such as \"$.items[*]\"".to_owned());
        }
        (false, _) if has_item_paths && map.items.is_none() => {
            return Err("the map has paths from @ on, so it needs `items`: where they begin".to_owned());
        }
        _ => {}
    }
    if is_json && map.format == Some(Format::Csv)
        || !is_json && matches!(map.format, Some(Format::Json | Format::Ndjson))
    {
        return Err(
            "its format does not fit its fields: JSON is read by paths such as $.name, tables by columns".to_owned()
        );
    }
    match map.lines_apart {
        Some(lines) if lines > LINES_APART_MAX => Err(format!("lines_apart must be at most {LINES_APART_MAX}")),
        Some(_) if map.order_id.is_none() => {
            Err("lines_apart needs an order_id to know the lines of an order by".to_owned())
        }
        _ => Ok(()),
    }
}

fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim().replace('\n', ", ");
    match error.span() {
        Some(span) => format!("line {}: {message}", text[..span.start.min(text.len())].lines().count().max(1)),
        None => message,
    }
}
