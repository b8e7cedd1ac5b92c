//! Where the columns of a map stand in a certain file.

use csv::ByteRecord;

use crate::map::value::{NameNo, Row, Value};
use crate::map::{Map, Name};

/// A map's names among the columns of a file's header.
pub(crate) struct Columns {
    /// How many fields the header has, and every row must have.
    pub(super) count: usize,
    /// For each of the map's names its column; none where the file has none.
    places: Vec<Option<usize>>,
}

/// A row of a table.
pub(crate) struct TableRow<'r> {
    pub(super) columns: &'r Columns,
    pub(super) fields: &'r ByteRecord,
}

impl Columns {
    /// Finds every column of the map.
    ///
    /// # Errors
    /// One sentence that names what is missing and what is there.
    pub(super) fn find(map: &Map, header: &ByteRecord) -> Result<Self, String> {
        let place = |name: &Name| match name {
            Name::Path(_) => Ok(None),
            Name::Column { title, is_optional } => match place(title, header)? {
                None if !is_optional => Err(missing(title, header)),
                place => Ok(place),
            },
        };
        let places: Vec<Option<usize>> = map.names.iter().map(place).collect::<Result<_, String>>()?;
        let is_there = |names: &[NameNo]| names.is_empty() || names.iter().any(|name| places[name.0].is_some());
        let customer_id = map.customer_id.as_ref().filter(|_| map.event.is_none());
        let (event_id, kind) = map.event.as_ref().map(|event| (&event.id, &event.kind)).unzip();
        let needed = [customer_id, map.order_id.as_ref(), map.items.as_ref(), event_id, kind];
        let lost = needed.into_iter().flatten().find(|field| field.default.is_empty() && !is_there(&field.names));
        match lost {
            Some(field) => Err(missing(&field.title, header)),
            None => Ok(Self { count: header.len(), places }),
        }
    }
}

impl Row for TableRow<'_> {
    fn value(&self, name: NameNo) -> Value<'_> {
        // A field that the row does not have is empty.
        let field = self.columns.places[name.0].and_then(|place| self.fields.get(place));
        field.map_or(Value::Absent, Value::of_bytes)
    }
}

fn place(column: &str, header: &ByteRecord) -> Result<Option<usize>, String> {
    let mut places = header.iter().enumerate().filter(|(_, name)| *name == column.as_bytes()).map(|(index, _)| index);
    match (places.next(), places.next()) {
        (place, None) => Ok(place),
        (_, Some(_)) => Err(format!("the column `{column}` of the map stands there twice")),
    }
}

fn missing(column: &str, header: &ByteRecord) -> String {
    let names: Vec<_> = header.iter().take(20).map(String::from_utf8_lossy).collect();
    let more = if header.len() > names.len() { " …" } else { "" };
    format!("the column `{column}` of the map is not among its columns: {}{more}", names.join(", "))
}
