//! Where the columns of a map stand in a certain file.

use std::borrow::Cow;

use csv::ByteRecord;

use super::map::{Map, Number, Text};

/// A map whose columns were found in a file's header.
pub(super) struct Columns {
    /// How many fields the header has, and every row must have.
    pub(super) count: usize,
    pub(super) order_id: Found<Text>,
    pub(super) customer_id: Found<Text>,
    pub(super) timestamp: usize,
    pub(super) sku: Found<Text>,
    pub(super) quantity: Found<Number>,
    pub(super) price: Found<Number>,
    pub(super) of_item: Vec<(String, Found<Text>)>,
    pub(super) of_order: Vec<(String, Found<Text>)>,
}

/// A column, and its place among the fields of a row.
pub(super) struct Found<T> {
    pub(super) column: T,
    pub(super) index: usize,
}

impl Columns {
    /// Finds every column of the map.
    ///
    /// # Errors
    /// One sentence that names what is missing and what is there.
    pub(super) fn find(map: &Map, header: &ByteRecord) -> Result<Self, String> {
        let text = |text: &Text| Ok::<_, String>(Found { index: place(&text.column, header)?, column: text.clone() });
        let texts = |texts: &[(String, Text)]| {
            texts.iter().map(|(name, column)| Ok((name.clone(), text(column)?))).collect::<Result<Vec<_>, String>>()
        };
        let number =
            |number: &Number| Ok::<_, String>(Found { index: place(&number.column, header)?, column: number.clone() });
        Ok(Self {
            count: header.len(),
            order_id: text(&map.order_id)?,
            customer_id: text(&map.customer_id)?,
            timestamp: place(&map.timestamp.column, header)?,
            sku: text(&map.sku)?,
            quantity: number(&map.quantity)?,
            price: number(&map.price)?,
            of_item: texts(&map.of_item)?,
            of_order: texts(&map.of_order)?,
        })
    }
}

impl Found<Text> {
    /// The value in a row, as the map wants it. What is not UTF-8 is replaced, and that is said.
    pub(super) fn value<'r>(&'r self, row: &'r ByteRecord) -> (Cow<'r, str>, Option<String>) {
        let (value, fault) = field(row, self.index, &self.column.column);
        let strip = |value: &str| value.strip_suffix(&self.column.strip_suffix).unwrap_or(value).len();
        let kept = strip(&value);
        let value = match value {
            Cow::Borrowed(value) => Cow::Borrowed(&value[..kept]),
            Cow::Owned(mut value) => {
                value.truncate(kept);
                Cow::Owned(value)
            }
        };
        if value.is_empty() { (Cow::Borrowed(&self.column.default), fault) } else { (value, fault) }
    }
}

/// The text of a field; a field that the row does not have is empty.
pub(super) fn field<'r>(row: &'r ByteRecord, index: usize, column: &str) -> (Cow<'r, str>, Option<String>) {
    let value = String::from_utf8_lossy(row.get(index).unwrap_or_default());
    let fault = matches!(value, Cow::Owned(_)).then(|| format!("{column} {value:?} is not UTF-8"));
    (value, fault)
}

fn place(column: &str, header: &ByteRecord) -> Result<usize, String> {
    let mut places = header.iter().enumerate().filter(|(_, name)| *name == column.as_bytes()).map(|(index, _)| index);
    match (places.next(), places.next()) {
        (Some(index), None) => Ok(index),
        (Some(_), Some(_)) => Err(format!("the column `{column}` of the map stands there twice")),
        (None, _) => {
            let names: Vec<_> = header.iter().take(20).map(String::from_utf8_lossy).collect();
            let more = if header.len() > names.len() { " …" } else { "" };
            Err(format!("the column `{column}` of the map is not among its columns: {}{more}", names.join(", ")))
        }
    }
}
