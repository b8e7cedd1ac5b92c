//! The items of an order.

use jiter::Peek;

use super::ITEMS_MAX;
use super::kind::OrderKind;
use super::reader::{Broken, Pointer, Reader, out_of};
use super::slot::Slot;
use crate::view::ViewSet;

/// What the items of an order come to.
pub(crate) struct Items {
    /// What they were read as the items of.
    pub(crate) kind: OrderKind,
    /// The sum of what is above zero, and that of what is below.
    above: i128,
    below: i128,
    /// Whether they are what a return has, whatever they were read as.
    pub(crate) are_returned: bool,
}

/// The fields of one item as they are read.
#[derive(Default)]
struct Fields {
    /// Of the order.
    kind: OrderKind,
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
    /// Reads the array of items of such an order.
    pub(crate) fn read(reader: &mut Reader<'_>, peek: Peek, views: &ViewSet, kind: OrderKind) -> Result<Self, Broken> {
        let mut items = Self { kind, above: 0, below: 0, are_returned: true };
        if peek != Peek::Array {
            reader.wrong_type(peek, Pointer::Order("items"), "must be an array")?;
            return Ok(Self { are_returned: false, ..items });
        }
        let mut next = reader.jiter.known_array()?;
        let mut index = 0;
        while let Some(peek) = next {
            items.read_item(reader, peek, index, views)?;
            next = reader.jiter.array_step()?;
            index += 1;
        }
        items.are_returned &= index > 0;
        if index == 0 || index > ITEMS_MAX {
            reader.fault(Pointer::Order("items"), format!("must have 1 to {ITEMS_MAX} items"));
        }
        Ok(items)
    }

    fn read_item(&mut self, reader: &mut Reader<'_>, peek: Peek, index: usize, views: &ViewSet) -> Result<(), Broken> {
        if peek != Peek::Object {
            self.are_returned = false;
            return reader.wrong_type(peek, Pointer::Item(index), "must be an object");
        }
        let fields = Fields::read(reader, index, views, self.kind)?;
        self.are_returned &= fields.quantity.value.is_some_and(|quantity| quantity < 0);
        let sum = fields.sum();
        self.above += sum.max(0);
        self.below += sum.min(0);
        Ok(())
    }

    /// What they come to, if that is right for what they were read as. Whatever a part of them comes to lies between what is above zero and
    /// what is below: so that a view can have the sum of any of them, both are to fit 64 bits, and not only the total.
    pub(crate) fn checked_total(&self, reader: &mut Reader<'_>) -> Option<i64> {
        let place = Pointer::Order("items");
        if i64::try_from(self.above).is_err() || i64::try_from(self.below).is_err() {
            reader.fault(
                place,
                "must come to a total (quantity × price) that fits 64 bits, without what is below zero, too",
            );
            return None;
        }
        let (total, kind) = ((self.above + self.below) as i64, self.kind);
        if !kind.can_come_to(total) {
            let side = if total < 0 { "below" } else { "above" };
            reader.fault(place, format!("must not come to a total {side} zero in a {kind}, and come to {total}"));
        }
        Some(total)
    }

    /// Whether goods only leave the stock: the order does not say that it is a return, and nobody gets or pays anything.
    pub(super) fn are_written_off(&self) -> bool {
        self.kind == OrderKind::Sale && self.are_returned && self.above + self.below == 0
    }
}

impl Fields {
    fn read(reader: &mut Reader<'_>, index: usize, views: &ViewSet, kind: OrderKind) -> Result<Self, Broken> {
        let mut fields = Self { kind, ..Self::default() };
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
            Key::Price => {
                let place = Pointer::OfItem(index, "price");
                let price = reader.integer(peek, place, i64::MIN..=i64::MAX)?;
                self.price.fill(reader, place, price);
            }
            Key::Quantity => self.read_quantity(reader, index, peek)?,
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

    /// Keeps a quantity that some kind of order can have, and notes where this one cannot.
    fn read_quantity(&mut self, reader: &mut Reader<'_>, index: usize, peek: Peek) -> Result<(), Broken> {
        let place = Pointer::OfItem(index, "quantity");
        let found = reader.whole(peek, place)?;
        let number = found.map(|found| i64::try_from(found).unwrap_or_default());
        if number.is_some_and(|number| !self.kind.quantities().contains(&number)) {
            reader.fault(place, out_of(&self.kind.quantities()));
        }
        let is_of_any = |number: &i64| OrderKind::ALL.iter().any(|kind| kind.quantities().contains(number));
        self.quantity.fill(reader, place, number.filter(is_of_any));
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
