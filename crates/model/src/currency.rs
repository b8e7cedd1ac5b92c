//! Currencies.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What an order's prices are in: three capital letters, as ISO 4217 has them. Whether there is such a currency is not asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Currency([u8; 3]);

/// A text that is no currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be three capital letters of ISO 4217, such as EUR")]
pub struct NotACurrency;

impl Currency {
    /// That of a system where nothing else is said.
    pub const DEFAULT: Self = Self(*b"EUR");

    /// Its three letters.
    pub fn as_str(&self) -> &str {
        // Letters are text.
        str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl FromStr for Currency {
    type Err = NotACurrency;

    fn from_str(text: &str) -> Result<Self, NotACurrency> {
        let letters: [u8; 3] = text.as_bytes().try_into().map_err(|_| NotACurrency)?;
        if letters.iter().all(u8::is_ascii_uppercase) { Ok(Self(letters)) } else { Err(NotACurrency) }
    }
}

impl TryFrom<String> for Currency {
    type Error = NotACurrency;

    fn try_from(text: String) -> Result<Self, NotACurrency> {
        text.parse()
    }
}

impl From<Currency> for String {
    fn from(currency: Currency) -> Self {
        currency.to_string()
    }
}

impl fmt::Display for Currency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_currency_is_three_capital_letters() {
        assert_eq!("EUR".parse(), Ok(Currency::DEFAULT));
        for text in ["", "EU", "EURO", "eur", "EuR", "E1R", " EU", "\u{c4}R", "E\0R"] {
            assert_eq!(text.parse::<Currency>(), Err(NotACurrency), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn written_and_read_again_is_the_same(text in "[A-Z]{3}") {
            prop_assert_eq!(text.parse::<Currency>().unwrap().to_string(), text);
        }
    }
}
