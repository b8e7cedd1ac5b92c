//! Numbers as files write them, as exact integers of a smaller unit.
//!
//! `1.234,50 €`, `(5.00)`, `12.50-` and `1,234.5` are numbers where the map says which sign separates what. What it does
//! not say is not guessed: `1,50` is refused until it is said whether that is one and a half.

use std::borrow::Cow;

use forebay_model::Currency;

use super::currency::{Mark, mark, minor_digits};
use super::decimal::{DecimalError, scaled};
use super::text::first;
use crate::map::value::{Fault, NameNo, Row, Value};

/// The largest scale.
pub(crate) const SCALE_MAX: u32 = 18;

/// A field that is taken as an exact number.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    /// Where it stands: the first of these that is not empty.
    pub(crate) names: Vec<NameNo>,
    /// What messages call it.
    pub(crate) title: String,
    /// What stands for an empty value, as the file would write it.
    pub(crate) default: String,
    pub(crate) scale: Scale,
    pub(crate) separators: Separators,
    /// Whether it is a price for the whole line, and not for one piece.
    pub(crate) is_of_line: bool,
}

/// How many decimals a number may have: it is sent as an integer of the unit that these make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    Digits(u32),
    /// As many as the order's currency has.
    OfCurrency,
}

/// What separates the digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Separators {
    pub(crate) decimal: char,
    pub(crate) thousands: Option<char>,
}

impl Default for Separators {
    fn default() -> Self {
        Self { decimal: '.', thousands: None }
    }
}

/// A number, and the currency that stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Amount {
    pub(crate) units: i64,
    pub(crate) mark: Option<Mark>,
}

/// Why a text is no such number.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NumberError {
    #[error("{0}")]
    Decimal(#[from] DecimalError),
    #[error(
        "has a {0:?}: say in the map whether it is the sign for decimals (decimal = \"{0}\") or for thousands (thousands = \"{0}\")"
    )]
    Separator(char),
    #[error("has a {0:?} where no thousands end")]
    Groups(char),
    #[error("has no unit: the currency is not known")]
    NoCurrency,
    #[error("has no unit: ISO 4217 gives {0} none")]
    NoUnit(Currency),
}

impl Number {
    /// Whether nothing stands there, and nothing stands for that.
    pub(crate) fn is_blank(&self, row: &impl Row) -> bool {
        !self.names.is_empty() && self.default.is_empty() && first(&self.names, row).is_empty()
    }

    /// The number in a row, of an order in that currency, where that is known.
    ///
    /// # Errors
    /// [`Fault`] where it is not valid.
    pub(crate) fn read(&self, row: &impl Row, currency: Option<Currency>) -> Result<Amount, Fault> {
        let (text, separators) = match first(&self.names, row) {
            Value::Absent => (Cow::Borrowed(""), self.separators),
            Value::Text(text) => (text, self.separators),
            Value::NotUtf8(text) => return Err(Fault::new(&self.title, text, "is not UTF-8")),
            // Whatever texts are like, a number of JSON has its decimals behind a point.
            Value::Json(raw) => (without_exponent(raw.get()), Separators::default()),
        };
        let text = if text.trim().is_empty() { Cow::Borrowed(self.default.as_str()) } else { text };
        amount(&text, separators, self.scale, currency).map_err(|error| Fault::new(&self.title, text, error))
    }
}

/// Reads a number.
///
/// # Errors
/// [`NumberError`] says why the text cannot be one.
pub(crate) fn amount(
    text: &str,
    separators: Separators,
    scale: Scale,
    currency: Option<Currency>,
) -> Result<Amount, NumberError> {
    if let (Scale::Digits(scale), true) = (scale, separators == Separators::default()) {
        match scaled(text, scale) {
            Err(DecimalError::Shape) => {}
            read => return Ok(Amount { units: read?, mark: None }),
        }
    }
    let Written { digits, is_negative, mark } = Written::of(text)?;
    let digits = plain(digits, separators)?;
    let stated = match mark {
        Some(Mark::Of(of)) => Some(of),
        _ => currency,
    };
    let scale = match (scale, stated) {
        (Scale::Digits(scale), _) => scale,
        (Scale::OfCurrency, None) => return Err(NumberError::NoCurrency),
        (Scale::OfCurrency, Some(of)) => minor_digits(of).ok_or(NumberError::NoUnit(of))?,
    };
    let units = scaled(&digits, scale)?;
    Ok(Amount { units: if is_negative { -units } else { units }, mark })
}

/// A number taken apart.
struct Written<'t> {
    /// Digits and what separates them.
    digits: &'t str,
    is_negative: bool,
    mark: Option<Mark>,
}

impl<'t> Written<'t> {
    fn of(text: &'t str) -> Result<Self, DecimalError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(DecimalError::Empty);
        }
        let bracketed = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
        let mut written = Self { digits: bracketed.unwrap_or(text).trim(), is_negative: false, mark: None };
        let signs = usize::from(bracketed.is_some()) + written.take_signs()?;
        if signs > 1 || !written.digits.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '.' | ',')) {
            return Err(DecimalError::Shape);
        }
        written.is_negative |= bracketed.is_some();
        Ok(written)
    }

    /// Takes signs and the currency off both ends, in whatever order they stand there. Gives how many signs there were.
    fn take_signs(&mut self) -> Result<usize, DecimalError> {
        let mut signs = 0;
        loop {
            let before = self.digits;
            for minus in ['-', '\u{2212}', '+'] {
                let stripped = before.strip_prefix(minus).or_else(|| before.strip_suffix(minus));
                if let Some(rest) = stripped {
                    (self.digits, signs) = (rest.trim(), signs + 1);
                    self.is_negative |= minus != '+';
                    break;
                }
            }
            if self.digits == before {
                self.take_mark()?;
            }
            if self.digits == before {
                return Ok(signs);
            }
        }
    }

    fn take_mark(&mut self) -> Result<(), DecimalError> {
        let is_of_number = |c: char| c.is_ascii_digit() || c.is_whitespace() || matches!(c, '-' | '+' | '\u{2212}');
        let text = self.digits;
        let start = text.find(|c: char| is_of_number(c) || matches!(c, ',' | '\'' | '’')).unwrap_or(0);
        let end = text.rfind(|c: char| is_of_number(c) || matches!(c, '.' | ',' | '\'' | '’'));
        let end = end.map_or(text.len(), |at| at + text[at..].chars().next().map_or(0, char::len_utf8));
        let (word, rest) = if start > 0 && text[..start] != *"." {
            (&text[..start], &text[start..])
        } else {
            (&text[end..], &text[..end])
        };
        if word.is_empty() {
            return Ok(());
        }
        // The point of `$.50` is the number's.
        let (word, rest) = match word.strip_suffix('.') {
            Some(sign) if start > 0 && mark(word).is_none() => (sign, &text[sign.len()..]),
            _ => (word, rest),
        };
        let found = mark(word).ok_or(DecimalError::Shape)?;
        if self.mark.replace(found).is_some() {
            return Err(DecimalError::Shape);
        }
        self.digits = rest.trim();
        Ok(())
    }
}

/// The digits with a point before the decimals, and nothing else between them.
fn plain(digits: &str, separators: Separators) -> Result<String, NumberError> {
    let Separators { decimal, thousands } = separators;
    let (whole, fraction) = digits.split_once(decimal).unwrap_or((digits, ""));
    if let Some(other) = fraction.chars().find(|c| !c.is_ascii_digit()) {
        return Err(match other {
            ',' if thousands.is_none() => NumberError::Separator(other),
            '.' | ',' | '\'' if other != decimal => NumberError::Groups(other),
            _ => DecimalError::Shape.into(),
        });
    }
    let separates = |c: char| thousands.is_some_and(|thousands| is_same(c, thousands));
    if let Some(other) = whole.chars().find(|&c| !c.is_ascii_digit() && !separates(c)) {
        let is_known = matches!(other, '.' | ',' | '\'' | '’') || other.is_whitespace();
        return Err(match thousands {
            Some(_) if is_known => NumberError::Groups(other),
            None if is_known => NumberError::Separator(other),
            _ => DecimalError::Shape.into(),
        });
    }
    let groups: Vec<&str> = whole.split(separates).collect();
    if let ([first, middle @ .., last], Some(sign)) = (&groups[..], thousands) {
        // India counts in hundreds above a thousand.
        let fits = middle.iter().all(|group| matches!(group.len(), 2 | 3)) && last.len() == 3;
        if !(1..=3).contains(&first.len()) || !fits {
            return Err(NumberError::Groups(sign));
        }
    }
    let mut text = groups.concat();
    if !fraction.is_empty() {
        text.push('.');
        text.push_str(fraction);
    }
    Ok(text)
}

/// Spaces are one another's like, and so are apostrophes.
fn is_same(found: char, thousands: char) -> bool {
    match thousands {
        ' ' => found.is_whitespace(),
        '\'' => matches!(found, '\'' | '’'),
        other => found == other,
    }
}

/// A number of JSON, its decimal point moved by what stands behind its `e`. What is too far away stays, and is refused.
fn without_exponent(number: &str) -> Cow<'_, str> {
    const SHIFT_MAX: i32 = 40;
    let Some((mantissa, exponent)) = number.split_once(['e', 'E']) else { return Cow::Borrowed(number) };
    let Some(shift) = exponent.parse::<i32>().ok().filter(|shift| shift.abs() <= SHIFT_MAX) else {
        return Cow::Borrowed(number);
    };
    let (sign, digits) = mantissa.strip_prefix('-').map_or(("", mantissa), |digits| ("-", digits));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut all = format!("{whole}{fraction}");
    let mut point = whole.len() as i32 + shift;
    if point <= 0 {
        all.insert_str(0, &"0".repeat((1 - point) as usize));
        point = 1;
    }
    let point = point as usize;
    if all.len() < point {
        all.push_str(&"0".repeat(point - all.len()));
    }
    Cow::Owned(format!("{sign}{}.{}", &all[..point], &all[point..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const COMMA: Separators = Separators { decimal: ',', thousands: Some('.') };
    const POINT: Separators = Separators { decimal: '.', thousands: Some(',') };

    fn cents(text: &str, separators: Separators) -> Result<i64, NumberError> {
        amount(text, separators, Scale::Digits(2), None).map(|amount| amount.units)
    }

    #[test]
    fn numbers_are_read_as_the_map_says_they_are_written() {
        for (text, separators, units) in [
            ("1.234,50", COMMA, 123_450),
            ("2,00", COMMA, 200),
            ("1.234.567,8", COMMA, 123_456_780),
            ("-1.234,50", COMMA, -123_450),
            ("1.234", COMMA, 123_400),
            ("1,234.50", POINT, 123_450),
            ("12,34,567.00", POINT, 123_456_700),
            ("(5.00)", Separators::default(), -500),
            ("5.00-", Separators::default(), -500),
            ("\u{2212}5.00", Separators::default(), -500),
            ("€ 12.50", Separators::default(), 1250),
            ("12,50 €", COMMA, 1250),
            ("-£5", Separators::default(), -500),
            ("$-5", Separators::default(), -500),
            ("(US$ 5)", Separators::default(), -500),
            ("1\u{a0}234,50 EUR", Separators { decimal: ',', thousands: Some(' ') }, 123_450),
            ("CHF 1’234.50", Separators { decimal: '.', thousands: Some('\'') }, 123_450),
            ("Rs. 500", Separators::default(), 50_000),
            ("12.50zł", Separators::default(), 1250),
            ("$.50", Separators::default(), 50),
        ] {
            assert_eq!(cents(text, separators), Ok(units), "{text}");
        }
    }

    #[test]
    fn what_the_map_does_not_say_is_not_guessed() {
        let plain = Separators::default();
        assert_eq!(cents("1,50", plain), Err(NumberError::Separator(',')));
        assert_eq!(cents("1.234,50", plain), Err(NumberError::Separator(',')));
        assert_eq!(cents("12.50", COMMA), Err(NumberError::Groups('.')));
        assert_eq!(cents("1,50", POINT), Err(NumberError::Groups(',')));
        assert_eq!(cents("1.23.4,5", COMMA), Err(NumberError::Groups('.')));
        for text in ["EUR", "one", "--5", "(-5)", "-5-", "€5€", "5 apples", "5 EUR USD", "1e3", "€"] {
            assert_eq!(cents(text, plain), Err(DecimalError::Shape.into()), "{text}");
        }
        assert_eq!(cents(" ", plain), Err(DecimalError::Empty.into()));
    }

    #[test]
    fn the_currency_s_minor_unit_is_its_own() {
        let of = |text: &str, currency: Option<&str>| {
            let currency = currency.map(|code| code.parse().unwrap());
            amount(text, Separators::default(), Scale::OfCurrency, currency).map(|amount| amount.units)
        };
        assert_eq!(of("1200", Some("JPY")), Ok(1200));
        assert_eq!(of("1.234", Some("KWD")), Ok(1234));
        assert_eq!(of("12.5", Some("EUR")), Ok(1250));
        assert_eq!(of("JPY 1200", None), Ok(1200));
        assert_eq!(of("12.5", Some("JPY")), Err(DecimalError::Decimals(0).into()));
        assert_eq!(of("12.5", None), Err(NumberError::NoCurrency));
        assert_eq!(of("1", Some("XAU")), Err(NumberError::NoUnit("XAU".parse().unwrap())));
    }

    #[test]
    fn an_exponent_of_json_moves_the_point() {
        for (number, plain) in
            [("1.25e2", "125."), ("125E-2", "1.25"), ("-5e-3", "-0.005"), ("1e3", "1000."), ("7", "7")]
        {
            assert_eq!(without_exponent(number), plain);
        }
        assert_eq!(without_exponent("1e400"), "1e400");
    }

    proptest! {
        #[test]
        fn every_amount_survives_being_written_with_separators(units in -999_999_999_999_i64..=999_999_999_999) {
            let (whole, fraction) = (units.abs() / 100, units.abs() % 100);
            let digits: Vec<char> = whole.to_string().chars().collect();
            let groups: Vec<String> = digits.rchunks(3).rev().map(|group| group.iter().collect()).collect();
            let sign = if units < 0 { "-" } else { "" };
            prop_assert_eq!(cents(&format!("{sign}{},{fraction:02} €", groups.join(".")), COMMA), Ok(units));
            prop_assert_eq!(cents(&format!("{sign}{}.{fraction:02}", groups.join(",")), POINT), Ok(units));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", thousands in proptest::option::of("[.,' ]")) {
            let thousands = thousands.and_then(|text| text.chars().next());
            let _ = cents(&text, Separators { decimal: ',', thousands });
            let _ = without_exponent(&text);
        }
    }
}
