//! The items of an order.

use std::sync::Arc;

use jiter::Peek;

use super::reader::{Broken, Pointer, Reader, Slot};
use super::{ITEMS_MAX, ViewSlice};
use crate::view::ViewSet;

/// What the items of an order come to.
#[derive(Default)]
pub(super) struct Items<'j> {
    pub(super) total: i128,
    keyed: Vec<KeyedItem<'j>>,
    /// Each item's text and sum; kept only where the views need them.
    all: Vec<(&'j str, i128)>,
}

/// An item that a view's key sees.
struct KeyedItem<'j> {
    view: Arc<str>,
    key: String,
    index: usize,
    text: &'j str,
    sum: i128,
}

/// The fields of one item as they are read.
#[derive(Default)]
struct Fields {
    sku: Slot<()>,
    quantity: Slot<i64>,
    price: Slot<i64>,
    keys: Vec<(Arc<str>, String)>,
}

enum Key {
    Sku,
    Quantity,
    Price,
    Other,
}

impl<'j> Items<'j> {
    /// Reads the array of items.
    pub(super) fn read(reader: &mut Reader<'j>, peek: Peek, views: &ViewSet) -> Result<Self, Broken> {
        let mut items = Self::default();
        if peek != Peek::Array {
            reader.wrong_type(peek, Pointer::Order("items"), "must be an array")?;
            return Ok(items);
        }
        let mut next = reader.jiter.known_array()?;
        let mut index = 0;
        while let Some(peek) = next {
            items.read_item(reader, peek, index, views)?;
            next = reader.jiter.array_step()?;
            index += 1;
        }
        if index == 0 || index > ITEMS_MAX {
            reader.fault(Pointer::Order("items"), format!("must have 1 to {ITEMS_MAX} items"));
        }
        Ok(items)
    }

    fn read_item(&mut self, reader: &mut Reader<'j>, peek: Peek, index: usize, views: &ViewSet) -> Result<(), Broken> {
        if peek != Peek::Object {
            return reader.wrong_type(peek, Pointer::Item(index), "must be an object");
        }
        let start = reader.jiter.current_index();
        let fields = Fields::read(reader, index, views)?;
        let text = reader.since(start);
        let sum = fields.sum();
        self.total += sum;
        self.all.push((text, sum));
        let keyed = fields.keys.into_iter().map(|(view, key)| KeyedItem { view, key, index, text, sum });
        self.keyed.extend(keyed);
        Ok(())
    }

    /// The items as the keys of the views see them; `of_order` are the keys that see every item. Their sums fit 64 bits
    /// where the total does.
    pub(super) fn into_views(mut self, of_order: Vec<(Arc<str>, String)>) -> Vec<ViewSlice<'j>> {
        self.keyed.sort_by(|a, b| (&a.view, &a.key, a.index).cmp(&(&b.view, &b.key, b.index)));
        let mut views: Vec<ViewSlice<'j>> = Vec::new();
        for KeyedItem { view, key, text, sum, .. } in self.keyed {
            match views.last_mut() {
                Some(last) if last.view == view && last.key == key => {
                    last.subtotal += sum as i64;
                    last.items.push(text);
                }
                _ => views.push(ViewSlice { view, key, subtotal: sum as i64, items: vec![text] }),
            }
        }
        for (view, key) in of_order {
            let items = self.all.iter().map(|&(text, _)| text).collect();
            views.push(ViewSlice { view, key, subtotal: self.total as i64, items });
        }
        views
    }
}

impl Fields {
    fn read(reader: &mut Reader<'_>, index: usize, views: &ViewSet) -> Result<Self, Broken> {
        let mut fields = Self::default();
        let mut before_key = reader.jiter.current_index();
        let mut next = reader.jiter.known_object()?.map(|key| classify(key, views));
        while let Some((key, view)) = next {
            let peek = reader.jiter.peek()?;
            fields.read_field(reader, index, &key, view, peek, before_key)?;
            before_key = reader.jiter.current_index();
            next = reader.jiter.next_key()?.map(|key| classify(key, views));
        }
        for (missing, name) in [
            (fields.sku.is_missing(), "sku"),
            (fields.quantity.is_missing(), "quantity"),
            (fields.price.is_missing(), "price"),
        ] {
            if missing {
                reader.fault(Pointer::OfItem(index, name), "is required");
            }
        }
        Ok(fields)
    }

    fn read_field(
        &mut self,
        reader: &mut Reader<'_>,
        index: usize,
        key: &Key,
        view: Option<Arc<str>>,
        peek: Peek,
        before_key: usize,
    ) -> Result<(), Broken> {
        match key {
            Key::Sku => {
                let place = Pointer::OfItem(index, "sku");
                let text = if view.is_some() { reader.id(peek, place)? } else { reader.text(peek, place)? };
                self.sku.fill(reader, place, Some(()));
                if let Some(text) = text {
                    check_sku(reader, &text, place);
                    self.keys.extend(view.map(|view| (view, text)));
                }
            }
            Key::Quantity => {
                let place = Pointer::OfItem(index, "quantity");
                let quantity = reader.integer(peek, place, 1..=1_000_000)?;
                self.quantity.fill(reader, place, quantity);
            }
            Key::Price => {
                let place = Pointer::OfItem(index, "price");
                let price = reader.integer(peek, place, 0..=i64::MAX)?;
                self.price.fill(reader, place, price);
            }
            Key::Other => {
                let place = Pointer::OfItem(index, reader.raw_key_since(before_key));
                check_key(reader, place);
                match view {
                    Some(view) if peek != Peek::Null => {
                        self.keys.extend(reader.id(peek, place)?.map(|key| (view, key)));
                    }
                    _ => {
                        reader.keep(peek, place)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Quantity × price, 0 where one of them is wrong.
    fn sum(&self) -> i128 {
        i128::from(self.quantity.value.unwrap_or(0)) * i128::from(self.price.value.unwrap_or(0))
    }
}

fn classify(key: &str, views: &ViewSet) -> (Key, Option<Arc<str>>) {
    let kind = match key {
        "sku" => Key::Sku,
        "quantity" => Key::Quantity,
        "price" => Key::Price,
        _ => Key::Other,
    };
    (kind, views.of_item_field(key).map(|view| view.name().clone()))
}

/// The key of an unknown field is stored too.
pub(super) fn check_key(reader: &mut Reader<'_>, place: Pointer<'_>) {
    let raw = match place {
        Pointer::Order(raw) | Pointer::OfItem(_, raw) => raw,
        Pointer::Item(_) => return,
    };
    // Behind an escaped backslash it is six characters like any others.
    if raw.contains(r"\u0000") && raw.replace(r"\\", "").contains(r"\u0000") {
        reader.fault(place, "must not have a key with the character U+0000");
    }
}

fn check_sku(reader: &mut Reader<'_>, sku: &str, place: Pointer<'_>) {
    let chars = sku.chars().count();
    if !(1..=128).contains(&chars) {
        reader.fault(place, "must have 1 to 128 characters");
    } else if sku.contains('\0') {
        reader.fault(place, "must not contain the character U+0000");
    }
}
