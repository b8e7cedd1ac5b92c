//! The items of an order.

use jiter::Peek;

use super::ITEMS_MAX;
use super::reader::{Broken, Pointer, Reader, Slot};
use crate::view::ViewSet;

/// What the items of an order come to.
#[derive(Default)]
pub(crate) struct Items {
    pub(crate) total: i128,
}

/// The fields of one item as they are read.
#[derive(Default)]
struct Fields {
    sku: Slot<()>,
    quantity: Slot<i64>,
    price: Slot<i64>,
}

enum Key {
    Sku,
    Quantity,
    Price,
    Other,
}

impl Items {
    /// Reads the array of items.
    pub(crate) fn read(reader: &mut Reader<'_>, peek: Peek, views: &ViewSet) -> Result<Self, Broken> {
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

    fn read_item(&mut self, reader: &mut Reader<'_>, peek: Peek, index: usize, views: &ViewSet) -> Result<(), Broken> {
        if peek != Peek::Object {
            return reader.wrong_type(peek, Pointer::Item(index), "must be an object");
        }
        self.total += Fields::read(reader, index, views)?.sum();
        Ok(())
    }
}

impl Fields {
    fn read(reader: &mut Reader<'_>, index: usize, views: &ViewSet) -> Result<Self, Broken> {
        let mut fields = Self::default();
        let mut before_key = reader.jiter.current_index();
        let mut next = reader.jiter.known_object()?.map(|key| classify(key, views));
        while let Some((key, is_of_view)) = next {
            let peek = reader.jiter.peek()?;
            fields.read_field(reader, index, &key, is_of_view, peek, before_key)?;
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
        is_of_view: bool,
        peek: Peek,
        before_key: usize,
    ) -> Result<(), Broken> {
        match key {
            Key::Sku => {
                let place = Pointer::OfItem(index, "sku");
                let text = if is_of_view { reader.id(peek, place)? } else { reader.text(peek, place)? };
                self.sku.fill(reader, place, Some(()));
                if let Some(text) = text {
                    check_sku(reader, &text, place);
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
                if is_of_view && peek != Peek::Null {
                    reader.id(peek, place)?;
                } else {
                    reader.keep(peek, place)?;
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

/// Which field it is, and whether it is the key of a view.
fn classify(key: &str, views: &ViewSet) -> (Key, bool) {
    let kind = match key {
        "sku" => Key::Sku,
        "quantity" => Key::Quantity,
        "price" => Key::Price,
        _ => Key::Other,
    };
    (kind, views.of_item_field(key).is_some())
}

/// The key of an unknown field is stored too.
pub(crate) fn check_key(reader: &mut Reader<'_>, place: Pointer<'_>) {
    let raw = match place {
        Pointer::Order(raw) | Pointer::OfItem(_, raw) => raw,
        Pointer::Item(_) | Pointer::OfSet(_) => return,
    };
    // Behind an escaped backslash it is six characters like any others.
    if raw.contains(r"\u0000") && raw.replace(r"\\", "").contains(r"\u0000") {
        reader.fault(place, "must not have a key with the character U+0000");
    }
}

/// What an item is must have a name.
pub(crate) fn check_sku(reader: &mut Reader<'_>, sku: &str, place: Pointer<'_>) {
    let chars = sku.chars().count();
    if !(1..=128).contains(&chars) {
        reader.fault(place, "must have 1 to 128 characters");
    } else if sku.contains('\0') {
        reader.fault(place, "must not contain the character U+0000");
    }
}
