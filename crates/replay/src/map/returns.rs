//! Sales, returns and write-offs, told apart by an order's numbers and the map's rule.

use super::Map;

/// The quantity and the price of an item; what is wrong is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Numbers {
    pub(super) quantity: Option<i64>,
    pub(super) price: Option<i64>,
}

impl Numbers {
    /// The items of a line whose price is for all of its pieces: one, or two where the pieces cannot have one price. Their
    /// quantities and their money come to those of the line.
    pub(super) fn of_line(quantity: i64, total: i64) -> Vec<Self> {
        let item = |quantity: i64, price: i64| Self { quantity: Some(quantity), price: Some(price) };
        let (sign, pieces) = (quantity.signum(), quantity.abs());
        if pieces == 0 {
            return vec![item(0, total)];
        }
        let total = total * sign;
        let (price, dearer) = (total.div_euclid(pieces), total.rem_euclid(pieces));
        let mut items = vec![item(sign * (pieces - dearer), price)];
        if dearer > 0 {
            items.push(item(sign * dearer, price + 1));
        }
        items
    }
}

/// What an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Sale,
    Return,
    /// Goods that went without money: no order.
    WriteOff,
}

/// What the map's rule says of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Rule {
    /// There is none.
    Absent,
    /// It holds of every item.
    Holds,
    /// It does not.
    DoesNotHold,
}

impl Rule {
    /// For an order with that many items, of which it holds for `holding`.
    pub(super) fn of(map: &Map, items: u32, holding: u32) -> Self {
        match map.return_when.is_empty() {
            true => Self::Absent,
            false if items > 0 && holding == items => Self::Holds,
            false => Self::DoesNotHold,
        }
    }
}

/// What an order with these numbers is.
pub(super) fn kind(rule: Rule, numbers: &[Numbers]) -> Kind {
    if rule == Rule::Holds {
        return Kind::Return;
    }
    let is_negative = !numbers.is_empty() && numbers.iter().all(|item| item.quantity.is_some_and(|units| units < 0));
    let total = total(numbers);
    match (rule, is_negative, total) {
        (_, true, 0) => Kind::WriteOff,
        (Rule::Absent, true, ..0) => Kind::Return,
        _ => Kind::Sale,
    }
}

/// Makes the numbers those of a return: quantities below zero. Files that write returns with positive quantities either write
/// the money below zero, whose sign then goes to the quantity, or leave it to the document's kind.
pub(super) fn as_return(numbers: &mut [Numbers]) {
    let is_signed_money = total(numbers) < 0;
    for item in numbers.iter_mut() {
        let Some(quantity) = item.quantity.filter(|quantity| *quantity > 0) else { continue };
        item.quantity = Some(-quantity);
        if is_signed_money {
            item.price = item.price.map(i64::wrapping_neg);
        }
    }
}

/// Exactly, however large the numbers are.
fn total(numbers: &[Numbers]) -> i128 {
    let of = |item: &Numbers| Some(i128::from(item.quantity?) * i128::from(item.price?));
    numbers.iter().filter_map(of).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(items: &[(i64, i64)]) -> Vec<Numbers> {
        items.iter().map(|&(quantity, price)| Numbers { quantity: Some(quantity), price: Some(price) }).collect()
    }

    #[test]
    fn without_a_rule_the_numbers_tell() {
        for (items, expected) in [
            (&[(6, 255)][..], Kind::Sale),
            (&[(-1, 2750)], Kind::Return),
            (&[(-1, 2750), (-2, 0)], Kind::Return),
            (&[(-10, 0)], Kind::WriteOff),
            (&[(2, 1000), (1, -500)], Kind::Sale),
            (&[(2, 1000), (-1, 500)], Kind::Sale),
            (&[(-1, -500)], Kind::Sale),
            (&[(56, 0)], Kind::Sale),
            (&[], Kind::Sale),
        ] {
            assert_eq!(kind(Rule::Absent, &numbers(items)), expected, "{items:?}");
        }
    }

    #[test]
    fn a_rule_decides_alone_and_what_it_leaves_may_be_a_write_off() {
        assert_eq!(kind(Rule::Holds, &numbers(&[(1, 500)])), Kind::Return);
        assert_eq!(kind(Rule::DoesNotHold, &numbers(&[(-1, 500)])), Kind::Sale);
        assert_eq!(kind(Rule::DoesNotHold, &numbers(&[(-1, 0)])), Kind::WriteOff);
    }

    proptest! {
        #[test]
        fn pieces_of_a_line_come_to_its_quantity_and_its_money(quantity in -1000_i64..1000, total in -1_000_000_i64..1_000_000) {
            prop_assume!(quantity != 0);
            let items = Numbers::of_line(quantity, total);
            prop_assert!(items.len() <= 2);
            prop_assert_eq!(items.iter().map(|item| item.quantity.unwrap()).sum::<i64>(), quantity);
            prop_assert_eq!(super::total(&items), i128::from(total));
        }
    }

    #[test]
    fn returns_have_quantities_below_zero_and_their_money_stays() {
        for (items, expected) in [
            (&[(1, 2750)][..], &[(-1, 2750)][..]),
            (&[(1, -2750)], &[(-1, 2750)]),
            (&[(-1, 2750)], &[(-1, 2750)]),
            (&[(2, -1000), (1, 500)], &[(-2, 1000), (-1, -500)]),
            (&[(2, 1000), (1, -500)], &[(-2, 1000), (-1, -500)]),
        ] {
            let mut made = numbers(items);
            as_return(&mut made);
            assert_eq!(made, numbers(expected), "{items:?}");
        }
    }
}
