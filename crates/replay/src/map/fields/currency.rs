//! Currencies as prices and columns name them, and their minor units by ISO 4217.

use forebay_model::Currency;

/// What a text beside a number says of its currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It is this one.
    Of(Currency),
    /// A sign that several currencies have.
    Shared,
}

/// Signs that one currency has. A sign that stands here is not asked whether it is used by others now and then: `£` is
/// sterling unless the map names another currency.
const SIGNS: [(&str, &str); 26] = [
    ("€", "EUR"),
    ("£", "GBP"),
    ("₹", "INR"),
    ("₩", "KRW"),
    ("₽", "RUB"),
    ("₺", "TRY"),
    ("₴", "UAH"),
    ("₪", "ILS"),
    ("฿", "THB"),
    ("₫", "VND"),
    ("₱", "PHP"),
    ("₦", "NGN"),
    ("₡", "CRC"),
    ("zł", "PLN"),
    ("Kč", "CZK"),
    ("Ft", "HUF"),
    ("R$", "BRL"),
    ("US$", "USD"),
    ("CA$", "CAD"),
    ("C$", "CAD"),
    ("AU$", "AUD"),
    ("A$", "AUD"),
    ("NZ$", "NZD"),
    ("HK$", "HKD"),
    ("S$", "SGD"),
    ("NT$", "TWD"),
];

/// Signs that several have.
const SHARED: [&str; 9] = ["$", "¥", "￥", "kr", "kr.", "Rs", "Rs.", "Fr.", "лв"];

/// What a text beside a number means; nothing where it is no currency.
pub(crate) fn mark(text: &str) -> Option<Mark> {
    if SHARED.contains(&text) {
        return Some(Mark::Shared);
    }
    named(text).map(Mark::Of)
}

/// The currency that a code of ISO 4217 or a sign beside a number names. Other words stand beside numbers, too.
fn named(text: &str) -> Option<Currency> {
    let code = SIGNS.iter().find(|(sign, _)| *sign == text).map_or(text, |(_, code)| code);
    iso_currency::Currency::from_code(code)?;
    code.parse().ok()
}

/// What stands in a column of currencies: a sign, or any code that the interface takes, in either case. Whether there is
/// such a currency is asked as little as there: a shop that takes BTC has its orders in it.
pub(crate) fn stated(text: &str) -> Option<Currency> {
    named(text).or_else(|| text.to_ascii_uppercase().parse().ok())
}

/// How many decimals its minor unit makes: 2 for EUR, 0 for JPY, 3 for KWD; nothing for a code of ISO 4217 that has none.
pub(crate) fn minor_digits(currency: Currency) -> Option<u32> {
    iso_currency::Currency::from_code(currency.as_str())?.exponent().map(u32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minor_units_are_those_of_the_standard() {
        let digits = |code: &str| minor_digits(code.parse().unwrap());
        let found = ["EUR", "USD", "JPY", "KRW", "KWD", "BHD", "CLF", "XAU", "QQQ"].map(digits);
        assert_eq!(found, [Some(2), Some(2), Some(0), Some(0), Some(3), Some(3), Some(4), None, None]);
    }

    #[test]
    fn signs_and_codes_are_currencies_and_other_words_are_not() {
        for (text, code) in SIGNS {
            assert_eq!(named(text), code.parse().ok(), "{text}");
        }
        assert_eq!(mark("USD"), Some(Mark::Of("USD".parse().unwrap())));
        assert_eq!(mark("$"), Some(Mark::Shared));
        for text in ["NaN", "one", "usd", "QQQ", ""] {
            assert_eq!(mark(text), None, "{text}");
        }
    }

    #[test]
    fn a_column_of_currencies_has_any_code_that_the_interface_takes() {
        for (text, code) in [("€", "EUR"), ("usd", "USD"), ("BTC", "BTC"), ("btc", "BTC"), ("QQQ", "QQQ")] {
            assert_eq!(stated(text), code.parse().ok(), "{text}");
        }
        for text in ["", "$", "EURO", "E1R", "12"] {
            assert_eq!(stated(text), None, "{text}");
        }
    }
}
