//! How a column writes its numbers.

use crate::map::fields::number::{Amount, Scale, Separators, amount};
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
    /// Whether the sign for decimals stands in one, if only before zeros.
    pub(super) shows_decimals: bool,
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
    let values: Vec<&str> = column.filled().collect();
    let read = |separators| {
        values.iter().map(|value| amount(value, separators, Scale::Digits(DECIMALS_MAX), None).ok()).collect()
    };
    let ways: Vec<(Separators, Vec<Option<Amount>>)> = WAYS
        .into_iter()
        .map(|(decimal, thousands)| Separators { decimal, thousands })
        .map(|separators| (separators, read(separators)))
        .collect();
    let fitting = |read: &[Option<Amount>]| read.iter().flatten().count();
    let most = ways.iter().map(|(_, read)| fitting(read)).max().unwrap_or(0);
    let fits: Vec<_> = ways.iter().filter(|(_, read)| fitting(read) == most).collect();
    let (best, read) = fits[0];
    let amounts: Vec<Amount> = read.iter().flatten().copied().collect();
    let decimals =
        |units: i64| (0..=DECIMALS_MAX).find(|zeros| units % 10_i64.pow(DECIMALS_MAX - zeros) == 0).unwrap_or(0);
    let differs = |at: usize| fits.iter().any(|(_, other)| other[at].is_some() && other[at] != read[at]);
    let value_at = |at: Option<usize>| at.map(|at| values[at].to_owned());
    NumbersFound {
        separators: *best,
        decimals: amounts.iter().map(|amount| decimals(amount.units)).max().unwrap_or(0),
        ambiguous: value_at((0..values.len()).find(|at| differs(*at))),
        unread: value_at(read.iter().position(Option::is_none)),
        shows_decimals: values.iter().any(|value| value.contains(best.decimal)),
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
        let ways =
            |values: &[&str]| (of(values).separators.decimal, of(values).separators.thousands, of(values).decimals);
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
