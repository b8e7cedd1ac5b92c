//! The map that says which columns of lines of items make an order (TOML).

use std::collections::BTreeMap;
use std::path::Path;

use forebay_service::BadSetting;
use serde::Deserialize;

use super::local_time::TimeFormat;

/// The fields of an order and of an item that a map sets otherwise.
const ORDER_FIELDS: [&str; 5] = ["order_id", "customer_id", "timestamp", "items", "total"];

/// Which columns make an order.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    /// What separates the columns, a comma if nothing is said.
    pub(crate) delimiter: u8,
    pub(crate) order_id: Text,
    pub(crate) customer_id: Text,
    pub(crate) timestamp: Time,
    pub(crate) sku: Text,
    pub(crate) quantity: Number,
    pub(crate) price: Number,
    /// Further fields of items.
    pub(crate) of_item: Vec<(String, Text)>,
    /// Further fields of orders.
    pub(crate) of_order: Vec<(String, Text)>,
}

/// A column that is taken as text.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Text {
    pub(crate) column: String,
    /// What is cut off its end, where it stands there.
    #[serde(default)]
    pub(crate) strip_suffix: String,
    /// What stands for an empty value.
    #[serde(default)]
    pub(crate) default: String,
}

/// A column that is taken as an exact number.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Number {
    pub(crate) column: String,
    /// How many decimals the number may have: it is sent as an integer of the unit that these make.
    #[serde(default)]
    pub(crate) scale: u32,
}

/// A column that is taken as a time.
#[derive(Clone, Debug)]
pub(crate) struct Time {
    pub(crate) column: String,
    pub(crate) format: TimeFormat,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTime {
    column: String,
    format: Option<String>,
    zone: Option<String>,
}

/// A column, by its name alone or with more to say.
#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "expected a column's name, or a table such as { column = \"…\" } with keys that fit the field"
)]
enum Column<T> {
    Name(String),
    Full(T),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawMap {
    delimiter: Option<char>,
    order_id: Column<Text>,
    customer_id: Column<Text>,
    timestamp: Column<RawTime>,
    item: RawItem,
    #[serde(default)]
    attributes: BTreeMap<String, Column<Text>>,
}

#[derive(Deserialize)]
struct RawItem {
    sku: Column<Text>,
    quantity: Column<Number>,
    price: Column<Number>,
    #[serde(flatten)]
    others: BTreeMap<String, Column<Text>>,
}

impl Map {
    /// Reads the map of a file.
    ///
    /// # Errors
    /// [`BadSetting`] with the file and, where it is known, the line.
    pub(crate) fn load(path: &Path) -> Result<Self, BadSetting> {
        let text = std::fs::read_to_string(path)
            .map_err(|error| BadSetting::new(format!("cannot read the map {}: {error}", path.display())))?;
        Self::parse(&text).map_err(|reason| BadSetting::new(format!("the map {}: {reason}", path.display())))
    }

    /// Reads a map.
    ///
    /// # Errors
    /// One sentence.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let raw: RawMap = toml::from_str(text).map_err(|error| one_line(&error, text))?;
        let delimiter = u8::try_from(raw.delimiter.unwrap_or(',')).ok().filter(u8::is_ascii);
        let map = Self {
            delimiter: delimiter.ok_or("the delimiter must be one ASCII character")?,
            order_id: raw.order_id.into_text(),
            customer_id: raw.customer_id.into_text(),
            timestamp: raw.timestamp.into_time().map_err(|reason| format!("timestamp: {reason}"))?,
            sku: raw.item.sku.into_text(),
            quantity: raw.item.quantity.into_number(),
            price: raw.item.price.into_number(),
            of_item: into_texts(raw.item.others),
            of_order: into_texts(raw.attributes),
        };
        if let Some((name, _)) = map.of_order.iter().find(|(name, _)| ORDER_FIELDS.contains(&name.as_str())) {
            return Err(format!("attributes: `{name}` is a field that every order has already"));
        }
        if map.quantity.scale > 18 || map.price.scale > 18 {
            return Err("a scale must be at most 18".to_owned());
        }
        Ok(map)
    }

    /// The columns that it names.
    pub(crate) fn columns(&self) -> Vec<&str> {
        let texts = [&self.order_id, &self.customer_id, &self.sku].into_iter();
        let further = self.of_item.iter().chain(&self.of_order).map(|(_, text)| text);
        let texts = texts.chain(further).map(|text| text.column.as_str());
        let numbers = [&self.quantity, &self.price].map(|number| number.column.as_str());
        texts.chain(numbers).chain([self.timestamp.column.as_str()]).collect()
    }
}

impl Column<Text> {
    fn into_text(self) -> Text {
        match self {
            Self::Name(column) => Text { column, strip_suffix: String::new(), default: String::new() },
            Self::Full(text) => text,
        }
    }
}

impl Column<Number> {
    fn into_number(self) -> Number {
        match self {
            Self::Name(column) => Number { column, scale: 0 },
            Self::Full(number) => number,
        }
    }
}

impl Column<RawTime> {
    fn into_time(self) -> Result<Time, String> {
        let RawTime { column, format, zone } = match self {
            Self::Name(column) => RawTime { column, format: None, zone: None },
            Self::Full(time) => time,
        };
        Ok(Time { column, format: TimeFormat::new(format, zone.as_deref())? })
    }
}

fn into_texts(columns: BTreeMap<String, Column<Text>>) -> Vec<(String, Text)> {
    columns.into_iter().map(|(name, column)| (name, column.into_text())).collect()
}

fn one_line(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().trim().replace('\n', ", ");
    match error.span() {
        Some(span) => format!("line {}: {message}", text[..span.start.min(text.len())].lines().count().max(1)),
        None => message,
    }
}

#[cfg(test)]
pub(super) mod tests {
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
        assert_eq!((map.customer_id.strip_suffix.as_str(), map.customer_id.default.as_str()), (".0", "guest"));
        assert_eq!((map.price.scale, map.quantity.scale), (2, 0));
        assert_eq!(map.of_item[0].0, "description");
        assert_eq!((map.of_order[0].0.as_str(), map.delimiter), ("country", b','));
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
        assert!(said("order_id = \"InvoiceNo\"", "").contains("order_id"));
        assert!(said("sku = \"StockCode\"", "").contains("sku"));
        assert!(said("strip_suffix", "strip_sufix").contains("line 3"));
        assert!(said("order_id = \"InvoiceNo\"", "order_id = 7").contains("line 2"));
        assert!(said("[attributes]", "[atributes]").contains("atributes"));
        assert!(said("country =", "total =").contains("total"));
        assert!(said("Europe/London", "Europe/Paradise").contains("Europe/Paradise"));
        assert!(said("scale = 2", "scale = -2").contains("expected a column"));
        assert!(said("[item]", "[item").contains("line"));
        assert!(said("order_id =", "delimiter = \"€\"\norder_id =").contains("delimiter"));
    }
}
