//! How a column writes its numbers.

use crate::map::fields::number::{Scale, Separators, amount};
use crate::suggest::sample::Column;

const WAYS: [(char, Option<char>); 7] = [
    ('.', None),
    (',', Some('.')),
    ('.', Some(',')),
    (',', Some(' ')),
    ('.', Some(' ')),
    ('.', Some('\'')),
    (',', None),
];
/// More decimals than any price has.
const DECIMALS_MAX: u32 = 9;

/// How numbers are written, and what is not certain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NumbersFound {
    pub(super) separators: Separators,
    /// The most decimals that one has, zeros at its end left out.
    pub(super) decimals: u32,
    /// A value with two readings: `1,234`.
    pub(super) ambiguous: Option<String>,
    /// A value that is read in no way.
    pub(super) unread: Option<String>,
    pub(super) has_negative: bool,
    /// Whether a sign or a code of a currency stands beside the numbers.
    pub(super) has_marks: bool,
}

/// Looks for the way in which most values are written.
pub(super) fn find(column: &Column) -> NumbersFound {
    let separators = |(decimal, thousands)| Separators { decimal, thousands };
    let read = |value: &str, way: Separators| amount(value, way, Scale::Digits(DECIMALS_MAX), None).ok();
    let fitting = |way: Separators| column.filled().filter(|value| read(value, way).is_some()).count();
    let best = WAYS.into_iter().map(separators).rev().max_by_key(|way| fitting(*way)).unwrap_or_default();
    let amounts: Vec<_> = column.filled().filter_map(|value| read(value, best)).collect();
    let decimals = |units: i64| (0..=DECIMALS_MAX).find(|zeros| units % 10_i64.pow(DECIMALS_MAX - zeros) == 0).unwrap_or(0);
    let other = |value: &&str| {
        WAYS.into_iter().map(separators).any(|way| {
            fitting(way) == fitting(best) && read(value, way).is_some_and(|other| Some(other) != read(value, best))
        })
    };
    NumbersFound {
        separators: best,
        decimals: amounts.iter().map(|amount| decimals(amount.units)).max().unwrap_or(0),
        ambiguous: column.filled().find(other).map(str::to_owned),
        unread: column.filled().find(|value| read(value, best).is_none()).map(str::to_owned),
        has_negative: amounts.iter().any(|amount| amount.units < 0),
        has_marks: amounts.iter().any(|amount| amount.mark.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&str]) -> NumbersFound {
        find(&Column { name: "price".to_owned(), values: values.iter().map(|value| (*value).to_owned()).collect() })
    }

    #[test]
    fn separators_are_those_that_all_numbers_have() {
        let ways = |values: &[&str]| (of(values).separators.decimal, of(values).separators.thousands, of(values).decimals);
        assert_eq!(ways(&["2.55", "3", "0.10"]), ('.', None, 2));
        assert_eq!(ways(&["1.234,50", "2,00"]), (',', Some('.'), 1));
        assert_eq!(ways(&["1,234.55", "2"]), ('.', Some(','), 2));
        assert_eq!(ways(&["1 234,5", "0,125"]), (',', Some(' '), 3));
        assert!(of(&["€ 1.50", "2"]).has_marks && of(&["-1"]).has_negative);
    }

    #[test]
    fn a_number_with_two_readings_is_said_and_one_with_none_too() {
        assert_eq!(of(&["1,234", "2"]).ambiguous.as_deref(), Some("1,234"));
        assert_eq!(of(&["1,234", "2,5"]).ambiguous, None);
        assert_eq!(of(&["1.50", "n/a"]).unread.as_deref(), Some("n/a"));
    }
}
