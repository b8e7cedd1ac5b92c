//! The items of an event: what came back, or what an order has from then on.

use jiter::Peek;

use crate::order::ITEMS_MAX;
use crate::order::item::{Items, check_sku};
use crate::order::kind::OrderKind;
use crate::order::reader::{Broken, Pointer, Reader};
use crate::order::slot::Slot;
use crate::view::ViewSet;

/// What came back: `[{"sku": …, "quantity": …}, …]`.
pub(super) fn check_returned(reader: &mut Reader<'_>, peek: Peek) -> Result<(), Broken> {
    if peek != Peek::Array {
        return reader.wrong_type(peek, Pointer::Order("items"), "must be an array");
    }
    let mut next = reader.jiter.known_array()?;
    let mut index = 0;
    while let Some(peek) = next {
        returned_item(reader, peek, index)?;
        next = reader.jiter.array_step()?;
        index += 1;
    }
    if index == 0 || index > ITEMS_MAX {
        reader.fault(Pointer::Order("items"), format!("must have 1 to {ITEMS_MAX} items, or be left out: all of them"));
    }
    Ok(())
}

fn returned_item(reader: &mut Reader<'_>, peek: Peek, index: usize) -> Result<(), Broken> {
    if peek != Peek::Object {
        return reader.wrong_type(peek, Pointer::Item(index), "must be an object");
    }
    let (mut sku, mut quantity) = (Slot::<()>::default(), Slot::<i64>::default());
    let mut next = reader.jiter.known_object()?.map(str::to_owned);
    while let Some(field) = next {
        let peek = reader.jiter.peek()?;
        let place = Pointer::OfItem(index, &field);
        match &*field {
            "sku" => {
                let text = reader.id(peek, place)?;
                sku.fill(reader, place, Some(()));
                if let Some(text) = text {
                    check_sku(reader, &text, place);
                }
            }
            "quantity" => {
                let value = reader.integer(peek, place, 1..=1_000_000)?;
                quantity.fill(reader, place, value);
            }
            _ => reader.jiter.known_skip(peek)?,
        }
        next = reader.jiter.next_key()?.map(str::to_owned);
    }
    for (is_missing, field) in [(sku.is_missing(), "sku"), (quantity.is_missing(), "quantity")] {
        if is_missing {
            reader.fault(Pointer::OfItem(index, field), "is required");
        }
    }
    Ok(())
}

/// The items that an order has from then on, by the rules of its own. An event may be here before its order, so they alone say of what kind it
/// is; of an order of the other kind they change nothing ([`is_returned`](super::life::is_returned)).
pub(super) fn check_amended<'j>(reader: &mut Reader<'j>, items: &'j str, views: &ViewSet) -> Result<(), Broken> {
    let kind = kind_of(items, views);
    reader.within(items, |reader, peek| {
        Items::read(reader, peek, views, kind)?.checked_total(reader);
        Ok(())
    })
}

fn kind_of(items: &str, views: &ViewSet) -> OrderKind {
    let mut reader = Reader::new(items);
    let read =
        reader.jiter.peek().map_err(Broken::from).map(|peek| Items::read(&mut reader, peek, views, OrderKind::Sale));
    match read {
        Ok(Ok(items)) if items.are_returned => OrderKind::Return,
        _ => OrderKind::Sale,
    }
}
