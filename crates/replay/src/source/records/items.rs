//! Items that stand in one array, in JSON or in a column that is JSON.

use serde_json::value::RawValue;

use super::tree::{Found, Tree, of_map};
use crate::map::Map;
use crate::map::assembly::Assembly;
use crate::map::fields::text::first;
use crate::map::path::Root;
use crate::map::value::{Fault, NameNo, Row, Value};

/// Makes items of what stands in one array.
pub(crate) struct MappedItems {
    tree: Tree,
    /// Which of the map's names are those of an item.
    is_of_item: Vec<bool>,
}

struct ItemRow<'r, R> {
    order: &'r R,
    is_of_item: &'r [bool],
    values: Found<'r>,
}

impl<R: Row> Row for ItemRow<'_, R> {
    fn value(&self, name: NameNo) -> Value<'_> {
        if self.is_of_item[name.0] { Value::of_json(self.values[name.0]) } else { self.order.value(name) }
    }
}

impl MappedItems {
    pub(crate) fn new(map: &Map) -> Self {
        let mut is_of_item = vec![false; map.names.len()];
        for (name, path) in map.paths() {
            is_of_item[name.0] = path.root == Root::Item;
        }
        Self { tree: of_map(map, Root::Item), is_of_item }
    }

    /// Adds the items that stand in a row which is a whole order.
    pub(crate) fn add_all(&self, order: &mut Assembly, map: &Map, row: &impl Row, line: u64) {
        order.on_one_line();
        let Some(field) = &map.items else { return };
        let stands = match first(&field.names, row) {
            Value::Absent => return,
            Value::Json(raw) => raw.get().to_owned(),
            Value::Text(text) if text.trim().is_empty() => return,
            Value::Text(text) => text.into_owned(),
            Value::NotUtf8(text) => {
                return order.refuse(line, &Fault::new(&field.title, text, "is not UTF-8").to_string());
            }
        };
        let read = elements(&stands)
            .and_then(|elements| elements.into_iter().try_for_each(|element| self.add(order, map, row, element, line)));
        if let Err(error) = read {
            let shown: String = stands.chars().take(80).collect();
            let what = format_args!("is no array of items: {error}");
            order.refuse(line, &Fault::new(&field.title, shown, what).to_string());
        }
    }

    fn add(
        &self,
        order: &mut Assembly,
        map: &Map,
        row: &impl Row,
        element: &RawValue,
        line: u64,
    ) -> serde_json::Result<()> {
        let mut values = vec![None; self.is_of_item.len()];
        self.tree.find(element, &mut values)?;
        let item = ItemRow { order: row, is_of_item: &self.is_of_item, values };
        if !map.skips_item(&item) {
            order.add_item(map, &item, line);
        }
        Ok(())
    }
}

/// The elements of an array. Programs that make JSON of XML write one item without an array around it.
fn elements(json: &str) -> serde_json::Result<Vec<&RawValue>> {
    if json.trim_start().starts_with('{') {
        return Ok(vec![serde_json::from_str(json)?]);
    }
    serde_json::from_str(json)
}
