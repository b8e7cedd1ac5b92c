//! What each key of each view sees of an order as it was placed.

use jiter::Peek;

use crate::StoredOrder;
use crate::order::reader::{Broken, Pointer, Reader};
use crate::view::{ViewId, ViewSet, ViewSlice};

/// An item, as far as views see it.
struct Item<'j> {
    text: &'j str,
    sum: i128,
}

/// The order as each view's key sees it. What is no order, as only a foreign frame can have it, is seen by nobody.
pub fn slices<'a>(views: &ViewSet, order: &StoredOrder<'a>) -> Vec<ViewSlice<'a>> {
    if views.is_empty() {
        return Vec::new();
    }
    let (Ok(items), Ok(attributes)) = (str::from_utf8(order.items), str::from_utf8(order.attributes)) else {
        return Vec::new();
    };
    try_slices(views, items, attributes).unwrap_or_default()
}

/// The items as each key sees them that stands in an item. What is no JSON is seen by nobody.
pub(super) fn item_slices<'a>(views: &ViewSet, items: &'a str) -> Vec<ViewSlice<'a>> {
    try_slices(views, items, "{}").unwrap_or_default()
}

/// The views whose keys an amendment sets in the order itself, each with its new key, where it has one.
pub(super) fn set_keys(views: &ViewSet, set: &str) -> Vec<(ViewId, Option<String>)> {
    read_order_fields(views, set).unwrap_or_default()
}

/// Nothing of what is no JSON, and of what has a sum beyond 64 bits, as no part of an order can have it that was accepted.
fn try_slices<'a>(views: &ViewSet, items: &'a str, attributes: &'a str) -> Option<Vec<ViewSlice<'a>>> {
    let (all, mut keyed) = read_items(views, items).ok()?;
    keyed.sort_by(|a, b| (&a.0, &a.1, a.2).cmp(&(&b.0, &b.1, b.2)));
    let mut slices: Vec<ViewSlice<'a>> = Vec::with_capacity(keyed.len());
    for (view, key, index) in keyed {
        let Item { text, sum } = all[index];
        match slices.last_mut() {
            Some(last) if last.view == view && last.key == key => {
                last.subtotal = i128::from(last.subtotal).checked_add(sum)?.try_into().ok()?;
                last.items.push(text);
            }
            _ => slices.push(ViewSlice { view, key, subtotal: sum.try_into().ok()?, items: vec![text] }),
        }
    }
    for (view, key) in read_order_keys(views, attributes).ok()? {
        let total = all.iter().try_fold(0i128, |total, item| total.checked_add(item.sum))?;
        let items = all.iter().map(|item| item.text).collect();
        slices.push(ViewSlice { view, key, subtotal: total.try_into().ok()?, items });
    }
    Some(slices)
}

/// A view, its key, and the place of the item that it sees.
type Keyed = (ViewId, String, usize);

fn read_items<'a>(views: &ViewSet, items: &'a str) -> Result<(Vec<Item<'a>>, Vec<Keyed>), Broken> {
    let mut reader = Reader::new(items);
    let (mut all, mut keyed) = (Vec::new(), Vec::new());
    let mut next = match reader.jiter.peek()? {
        Peek::Array => reader.jiter.known_array()?,
        _ => None,
    };
    while let Some(peek) = next {
        let start = reader.jiter.current_index();
        let first = keyed.len();
        let sum = if peek == Peek::Object {
            read_item(&mut reader, views, all.len(), &mut keyed, first)?
        } else {
            reader.jiter.known_skip(peek)?;
            0
        };
        all.push(Item { text: reader.since(start), sum });
        next = reader.jiter.array_step()?;
    }
    Ok((all, keyed))
}

/// Which field of an item it is that a key stands for.
enum Field {
    Quantity,
    Price,
    Of(Option<ViewId>),
}

/// Quantity × price. Its keys go to the end of `keyed`, of which it looks at what is behind `first`.
fn read_item(
    reader: &mut Reader<'_>,
    views: &ViewSet,
    place: usize,
    keyed: &mut Vec<Keyed>,
    first: usize,
) -> Result<i128, Broken> {
    let field = |key: &str| match key {
        "quantity" => Field::Quantity,
        "price" => Field::Price,
        _ => Field::Of(views.of_item_field(key).map(|view| view.id)),
    };
    let (mut quantity, mut price) = (0, 0);
    let mut next = reader.jiter.known_object()?.map(field);
    while let Some(found) = next {
        let peek = reader.jiter.peek()?;
        let pointer = Pointer::Item(place);
        match found {
            Field::Quantity => quantity = reader.integer(peek, pointer, i64::MIN..=i64::MAX)?.unwrap_or(0),
            Field::Price => price = reader.integer(peek, pointer, i64::MIN..=i64::MAX)?.unwrap_or(0),
            Field::Of(Some(view)) => {
                // The last of equal fields counts.
                if let Some(before) = keyed[first..].iter().position(|(known, ..)| *known == view) {
                    keyed.remove(first + before);
                }
                keyed.extend(key_of(reader, peek, pointer)?.map(|key| (view, key, place)));
            }
            Field::Of(None) => reader.jiter.known_skip(peek)?,
        }
        next = reader.jiter.next_key()?.map(field);
    }
    Ok(i128::from(quantity) * i128::from(price))
}

/// The views whose key stands in the order itself, with it.
fn read_order_keys(views: &ViewSet, attributes: &str) -> Result<Vec<(ViewId, String)>, Broken> {
    let fields = read_order_fields(views, attributes)?;
    Ok(fields.into_iter().filter_map(|(view, key)| Some((view, key?))).collect())
}

/// The fields of an object that views go by, each with its key, where it is one.
fn read_order_fields(views: &ViewSet, object: &str) -> Result<Vec<(ViewId, Option<String>)>, Broken> {
    let mut fields: Vec<(ViewId, Option<String>)> = Vec::new();
    if !views.have_order_fields() {
        return Ok(fields);
    }
    let mut reader = Reader::new(object);
    if reader.jiter.peek()? != Peek::Object {
        return Ok(fields);
    }
    let view_of = |key: &str| views.of_order_field(key).map(|view| view.id);
    let mut next = reader.jiter.known_object()?.map(view_of);
    while let Some(view) = next {
        let peek = reader.jiter.peek()?;
        match view {
            Some(view) => {
                fields.retain(|(known, _)| *known != view);
                fields.push((view, key_of(&mut reader, peek, Pointer::Item(0))?));
            }
            None => reader.jiter.known_skip(peek)?,
        }
        next = reader.jiter.next_key()?.map(view_of);
    }
    fields.sort_unstable();
    Ok(fields)
}

/// A null stands for a field that is not there.
fn key_of(reader: &mut Reader<'_>, peek: Peek, pointer: Pointer<'_>) -> Result<Option<String>, Broken> {
    if peek == Peek::Null {
        reader.jiter.known_null()?;
        return Ok(None);
    }
    reader.id(peek, pointer)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::order::OrderParser;
    use crate::{Currency, Identity, Timestamp};

    fn seen(views: &str, items: &str, attributes: &str) -> Vec<String> {
        let ordered_at = crate::Timestamp::EARLIEST;
        let identity = Identity { bucket: 0, tenant: b"", customer_id: b"C", ordered_at, order_id: b"O" };
        let (items, attributes) = (items.as_bytes(), attributes.as_bytes());
        let order = StoredOrder { identity, kind: b"sale", currency: b"EUR", items, attributes, events: None };
        let views: ViewSet = views.parse().unwrap();
        let shown = |slice: ViewSlice<'_>| {
            let view = views.get(slice.view).unwrap().spec.name();
            format!("{view} {} {} {}", slice.key, slice.subtotal, slice.items.join("|"))
        };
        slices(&views, &order).into_iter().map(shown).collect()
    }

    #[test]
    fn each_key_sees_its_items_and_a_key_of_the_order_sees_all() {
        let items = r#"[{"s":"b","quantity":2,"price":3},{"s":7,"quantity":1,"price":1},{"s":"b","quantity":1,"price":1},{"s":null,"quantity":1,"price":1}]"#;
        let expected = [
            r#"seller 7 1 {"s":7,"quantity":1,"price":1}"#.to_owned(),
            r#"seller b 7 {"s":"b","quantity":2,"price":3}|{"s":"b","quantity":1,"price":1}"#.to_owned(),
            format!("depot D 9 {}", items[1..items.len() - 1].replace("},{", "}|{")),
        ];
        assert_eq!(seen("seller=items[].s,depot=d", items, r#"{"x":[1],"d":"D"}"#), expected);
    }

    #[test]
    fn of_a_field_that_stands_there_twice_the_last_counts_as_in_jsonb() {
        assert_eq!(seen("a=items[].s", r#"[{"s":"x","s":"y"}]"#, "{}"), [r#"a y 0 {"s":"x","s":"y"}"#]);
        assert!(seen("a=items[].s", r#"[{"s":"x","s":null}]"#, "{}").is_empty());
        assert!(seen("a=d", "[{}]", r#"{"d":"x","d":null}"#).is_empty());
    }

    #[test]
    fn what_is_no_order_is_seen_by_nobody() {
        for items in ["", "{}", "[1", r#"[{"s":"x"}"#, "\u{1}"] {
            assert!(seen("a=items[].s", items, "{}").is_empty(), "{items}");
        }
        assert!(seen("a=items[].s", r#"[{"s":[1]}]"#, "{}").is_empty());
        let item = format!(r#"{{"s":"x","quantity":1,"price":{}}}"#, i64::MAX);
        assert_eq!(seen("a=items[].s", &format!("[{item}]"), "{}").len(), 1);
        assert!(seen("a=items[].s", &format!("[{item},{item}]"), "{}").is_empty(), "not as another sum");
        assert!(seen("a=d", &format!("[{item},{item}]"), r#"{"d":"D"}"#).is_empty(), "not as another sum");
    }

    /// Prices about which sums of a few begin not to fit.
    fn prices() -> impl Strategy<Value = i64> {
        prop_oneof![any::<i64>(), -9i64..9, Just(i64::MAX), Just(i64::MIN), (i64::MAX / 3 - 1)..(i64::MAX / 3 + 2)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]
        #[test]
        fn of_an_order_that_is_accepted_every_subtotal_is_what_its_items_come_to(
            items in prop::collection::vec((0usize..3, 1i64..4, prices()), 1..5),
            is_return: bool,
        ) {
            let sign = if is_return { -1 } else { 1 };
            let item = |(key, quantity, price): &(usize, i64, i64)| json!({"sku": "A", "s": key, "quantity": quantity * sign, "price": price});
            let order = json!({"customer_id": "C", "kind": if is_return { "return" } else { "sale" }, "items": items.iter().map(item).collect::<Vec<_>>()});
            let views: ViewSet = "a=items[].s".parse().unwrap();
            let order = order.to_string();
            // Whatever is accepted, with the view there or before it was added.
            let parser = OrderParser::new(ViewSet::default(), Currency::DEFAULT, 0);
            let Ok(draft) = parser.parse(order.as_bytes(), Timestamp::EARLIEST) else { return Ok(()) };
            let subtotals: Vec<i64> = try_slices(&views, draft.items, "{}").unwrap().iter().map(|slice| slice.subtotal).collect();
            let sum = |of: usize| items.iter().filter(|(key, ..)| *key == of).map(|(_, quantity, price)| i128::from(quantity * sign) * i128::from(*price)).sum::<i128>();
            let keys = (0..3).filter(|of| items.iter().any(|(key, ..)| key == of));
            prop_assert_eq!(subtotals.iter().map(|&sum| i128::from(sum)).collect::<Vec<_>>(), keys.map(sum).collect::<Vec<_>>());
        }
    }
}
