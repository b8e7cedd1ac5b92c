//! The map that says what of a file makes an order, or an event, and how (TOML).
//!
//! Whatever kind of file it is, its rows are read through one trait, [`Row`](value::Row), and orders and events are made of them
//! in one place, [`assembly`]. What a map does not say is not guessed.
//!
//! | module | concept |
//! |---|---|
//! | `parse`, `check` | the TOML, as it is written; whether it makes sense |
//! | [`path`] | places in JSON |
//! | [`value`] | what stands in a row |
//! | [`fields`] | fields: texts, exact numbers, times |
//! | [`condition`], `rules` | when a rule applies, and the rules |
//! | [`assembly`], `json` | an order or an event while it is made |
//! | [`named`] | the maps that come with Forebay |
//! | `returns` | sales, returns and write-offs |

pub(crate) mod assembly;
mod check;
mod condition;
pub(crate) mod fields;
mod json;
pub(crate) mod named;
mod parse;
pub(crate) mod path;
mod returns;
mod rules;
pub(crate) mod value;

use std::path::Path as FilePath;

use forebay_client::RecordKind;
use forebay_service::BadSetting;

use self::condition::Condition;
pub(crate) use self::fields::Name;
use self::fields::further::Further;
use self::fields::number::Number;
use self::fields::text::Text;
use self::fields::time::Time;
use self::named::NamedMap;
use self::path::Path;
use self::value::{NameNo, Row};
use crate::format::Format;

/// What makes an order or an event.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    /// Every column and path that it names.
    pub(crate) names: Vec<Name>,
    /// The format of its files, where it says it.
    pub(crate) format: Option<Format>,
    /// What separates the columns, a comma if nothing is said.
    pub(crate) delimiter: u8,
    /// The encoding, where it says it.
    pub(crate) encoding: Option<String>,
    /// Where in a JSON document the records stand.
    pub(crate) records: Option<Path>,
    /// What each of them comes in.
    pub(crate) envelope: Option<Envelope>,
    /// Without it a line is an order; events have one.
    pub(crate) order_id: Option<Text>,
    /// What events have, and orders have not.
    pub(crate) event: Option<EventFields>,
    /// Whether a line without an order id belongs to the order before it.
    pub(crate) blank_is_as_before: bool,
    /// How many lines may stand between two lines of an order; without it they stand together.
    pub(crate) lines_apart: Option<u64>,
    /// Orders have one.
    pub(crate) customer_id: Option<Text>,
    /// When the order was, or what happened to it.
    pub(crate) time: Time,
    pub(crate) currency: Option<Text>,
    /// Where the items stand: a path, or a column that is JSON. Without it a row is an item.
    pub(crate) items: Option<Text>,
    /// What makes an item. Orders have some.
    pub(crate) item: Option<ItemFields>,
    /// Further fields.
    further: Further,
    /// Rows for which one of these holds are no part of any record.
    skip_when: Vec<Condition>,
    /// Whether rows that repeat the header are passed over.
    pub(crate) skips_headers: bool,
    /// Whether write-offs are passed over, and not refused.
    skips_write_offs: bool,
    /// Orders for whose every item one of these holds are returns.
    return_when: Vec<Condition>,
}

/// What makes an item.
#[derive(Clone, Debug)]
pub(crate) struct ItemFields {
    sku: Text,
    quantity: Number,
    /// Items of orders have one.
    price: Option<Number>,
    further: Further,
}

/// What makes an event.
#[derive(Clone, Debug)]
pub(crate) struct EventFields {
    pub(crate) id: Text,
    pub(crate) kind: Text,
    amount: Option<Number>,
    /// What an amendment sets.
    set: Further,
}

/// How a line of a map begins that names what only a person can decide.
pub(crate) const TO_DECIDE: &str = "# ? DECIDE";

/// What records come in when they come from another system's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Envelope {
    /// That of change data capture: `op`, `before`, `after`, with or without `schema` and `payload` around it.
    Cdc,
    /// That of the `CloudEvents` specification 1.0: the order is the `data`.
    CloudEvents,
}

/// Refuses what `map suggest` has left to a person: one of two readings stands there, and orders would be stored by it.
fn nothing_is_to_be_decided(text: &str) -> Result<(), String> {
    let line = |(number, line): (usize, &str)| Some((number + 1, line.trim().strip_prefix(TO_DECIDE)?.to_owned()));
    match text.lines().enumerate().find_map(line) {
        None => Ok(()),
        Some((number, what)) => Err(format!(
            "line {number} says what is to be decided before it can be used{what}; put it right below, and delete that line"
        )),
    }
}

impl Map {
    /// Reads the map of a file, or the one of that name that comes with Forebay. Gives its text, too.
    ///
    /// # Errors
    /// [`BadSetting`] with the file and, where it is known, the line.
    pub(crate) fn load(path: &FilePath) -> Result<(Self, String), BadSetting> {
        let named = path.to_str().and_then(NamedMap::find);
        let text = match (std::fs::read_to_string(path), named) {
            (Ok(text), _) => text,
            (Err(error), Some(named)) if error.kind() == std::io::ErrorKind::NotFound => named.text.to_owned(),
            (Err(error), _) => {
                return Err(BadSetting::new(format!("cannot read the map {}: {error}", path.display())));
            }
        };
        let map = Self::parse(&text).and_then(|map| nothing_is_to_be_decided(&text).map(|()| map));
        let map = map.map_err(|reason| BadSetting::new(format!("the map {}: {reason}", path.display())))?;
        Ok((map, text))
    }

    /// Reads a map.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        parse::parse(text)
    }

    /// The columns that it names.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let columns = self.names.iter().filter_map(|name| match name {
            Name::Column { title, .. } => Some(title.as_str()),
            Name::Path(_) => None,
        });
        columns.collect()
    }

    /// The paths that it names, each with its number.
    pub(crate) fn paths(&self) -> impl Iterator<Item = (NameNo, &Path)> {
        self.names.iter().enumerate().filter_map(|(at, name)| match name {
            Name::Path(path) => Some((NameNo(at), path)),
            Name::Column { .. } => None,
        })
    }

    /// What it makes.
    pub(crate) fn kind(&self) -> RecordKind {
        if self.event.is_some() { RecordKind::Events } else { RecordKind::Orders }
    }

    /// Whether prices are for whole lines, of which one may be two items.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn has_prices_of_lines(&self) -> bool {
        self.item.iter().filter_map(|item| item.price.as_ref()).any(|price| price.is_of_line)
    }

    /// Whether it is for JSON, and not for tables.
    pub(crate) fn is_of_json(&self) -> bool {
        let is_of_order = |path: &Path| path.root != path::Root::Item;
        self.records.is_some() || self.envelope.is_some() || self.paths().any(|(_, path)| is_of_order(path))
    }

    /// Whether a row of a table, or an order of JSON, is passed over.
    pub(crate) fn skips(&self, row: &impl Row) -> bool {
        self.skip_when.iter().any(|condition| !condition.is_of_item && condition.holds(row))
    }

    /// Whether an item within an order is passed over.
    pub(crate) fn skips_item(&self, row: &impl Row) -> bool {
        self.skip_when.iter().any(|condition| condition.is_of_item && condition.holds(row))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::fields::number::Scale;
    use super::*;

    /// The map of the manual.
    pub(crate) const RETAIL: &str = r#"
order_id = "InvoiceNo"
customer_id = { column = "CustomerID", strip_suffix = ".0", default = "guest" }
timestamp = { column = "InvoiceDate", format = "%Y-%m-%d %H:%M:%S", zone = "Europe/London" }
[item]
sku = "StockCode"
quantity = "Quantity"
price = { column = "UnitPrice", scale = 2 }
description = "Description"
[attributes]
country = "Country"
"#;

    #[test]
    fn the_map_of_the_manual_is_read() {
        let map = Map::parse(RETAIL).unwrap();
        let (customer_id, item) = (map.customer_id.unwrap(), map.item.unwrap());
        assert_eq!((customer_id.strip_suffix.as_str(), customer_id.default.as_str()), (".0", "guest"));
        assert_eq!((item.price.unwrap().scale, item.quantity.scale), (Scale::Digits(2), Scale::Digits(0)));
        assert_eq!(item.further.named[0].0, "description");
        assert_eq!((map.further.named[0].0.as_str(), map.delimiter), ("country", b','));
    }

    #[test]
    fn a_map_that_is_wrong_is_told_in_one_sentence() {
        let said = |from: &str, to: &str| {
            let changed = RETAIL.replace(from, to);
            assert_ne!(changed, RETAIL);
            let said = Map::parse(&changed).unwrap_err();
            assert!(!said.contains('\n'), "{said}");
            said
        };
        assert!(said("sku = \"StockCode\"", "").contains("sku"));
        assert!(said("strip_suffix", "strip_sufix").contains("line 3"));
        assert!(said("order_id = \"InvoiceNo\"", "order_id = 7").contains("line 2"));
        assert!(said("[attributes]", "[atributes]").contains("atributes"));
        assert!(said("country =", "total =").contains("total"));
        assert!(said("Europe/London", "Europe/Paradise").contains("Europe/Paradise"));
        assert!(said("scale = 2", "scale = -2").contains("expected a column"));
        assert!(said("scale = 2", "zone = \"UTC\"").contains("price: `zone` is for times"));
        assert!(said("scale = 2", "constant = 7").contains("a `constant` stands alone"));
        assert!(said("[item]", "decimal = \";\"\n[item]").contains("decimal"));
        assert!(said("[item]", "skip_when = [{ column = \"A\" }]\n[item]").contains("says nothing"));
        assert!(said("[item]", "orders = \"$.a\"\n[item]").contains("column"));
        assert!(said("sku = \"StockCode\"", "sku = \"@.sku\"").contains("items"));
        assert!(said("[item]", "[item").contains("line"));
        assert!(said("order_id =", "delimiter = \"€\"\norder_id =").contains("delimiter"));
        assert!(said("customer_id =", "kind = \"K\"\n#").contains("`kind` is a field of events"));
        assert!(said("[item]", "[itme]").contains("itme"));
    }

    /// One of events.
    pub(crate) const SHIPPING: &str = r#"
event_id = { constant = "out" }
order_id = "Order"
customer_id = "Customer"
kind = { column = "Status", values = { sent = "shipped", back = "returned" } }
at = { column = "When", zone = "UTC" }
amount = { column = "Amount", scale = 2 }
item = { sku = "Sku", quantity = "Pieces" }
set = { note = "Note" }
attributes = { carrier = "Carrier" }
"#;

    #[test]
    fn a_map_of_events_is_read_and_what_only_orders_have_is_refused() {
        assert_eq!(Map::parse(SHIPPING).unwrap().kind(), RecordKind::Events);
        let said = |from: &str, to: &str| Map::parse(&SHIPPING.replace(from, to)).unwrap_err();
        assert!(said("at =", "timestamp =").contains("`timestamp` is a field of orders"));
        assert!(said("order_id = \"Order\"", "").contains("missing field `order_id`"));
        assert!(said("kind =", "#").contains("missing field `kind`"));
        assert!(said("item =", "return_when = [{ column = \"A\", empty = true }]\nitem =").contains("return_when"));
        assert!(said("item =", "skip_when = [{ write_off = true }]\nitem =").contains("write_off"));
        assert!(said("carrier =", "kind =").contains("`kind` is a field"));
        assert!(said("item = { sku = \"Sku\", quantity = \"Pieces\" }", "lines_apart = 7").contains("lines_apart"));
    }
}
