//! Decimal numbers as integers of a smaller unit, exactly: never through a float.

/// Why a text is not such a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecimalError {
    #[error("is empty")]
    Empty,
    #[error("is not a decimal number")]
    Shape,
    #[error("has more than {0} decimals")]
    Decimals(u32),
    #[error("is too large")]
    TooLarge,
}

/// `2.5` with scale 2 is 250. Decimals beyond the scale must be zeros.
///
/// # Errors
/// [`DecimalError`] says why the text cannot be such an integer.
pub(crate) fn scaled(text: &str, scale: u32) -> Result<i64, DecimalError> {
    let text = text.trim_ascii();
    if text.is_empty() {
        return Err(DecimalError::Empty);
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if (whole.is_empty() && fraction.is_empty()) || !all_digits(whole) || !all_digits(fraction) {
        return Err(DecimalError::Shape);
    }
    let (kept, beyond) = fraction.split_at(fraction.len().min(scale as usize));
    if beyond.bytes().any(|digit| digit != b'0') {
        return Err(DecimalError::Decimals(scale));
    }
    let zeros = std::iter::repeat_n(b'0', scale as usize - kept.len());
    let magnitude = whole
        .bytes()
        .chain(kept.bytes())
        .chain(zeros)
        .try_fold(0_i64, |number, digit| number.checked_mul(10)?.checked_add(i64::from(digit - b'0')));
    let magnitude = magnitude.ok_or(DecimalError::TooLarge)?;
    Ok(if text.starts_with('-') { -magnitude } else { magnitude })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn prices_become_minor_units_exactly() {
        for (text, scale, expected) in [
            ("2.55", 2, 255),
            ("2.5", 2, 250),
            ("2", 2, 200),
            ("2.", 2, 200),
            (".5", 2, 50),
            ("2.550", 2, 255),
            ("0.1", 2, 10),
            ("-11062.06", 2, -1_106_206),
            ("-0.00", 2, 0),
            (" 6 ", 0, 6),
            ("6.0", 0, 6),
            ("+6", 0, 6),
            ("92233720368547758.07", 2, i64::MAX),
            ("1234", 3, 1_234_000),
        ] {
            assert_eq!(scaled(text, scale), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_exact_number_is_refused() {
        for (text, scale, expected) in [
            ("", 2, DecimalError::Empty),
            ("  ", 2, DecimalError::Empty),
            ("2.555", 2, DecimalError::Decimals(2)),
            ("2.5", 0, DecimalError::Decimals(0)),
            ("92233720368547758.08", 2, DecimalError::TooLarge),
            ("1e3", 2, DecimalError::Shape),
            ("1,000.00", 2, DecimalError::Shape),
            ("--1", 2, DecimalError::Shape),
            (".", 2, DecimalError::Shape),
            ("-", 2, DecimalError::Shape),
            ("1.2.3", 2, DecimalError::Shape),
            ("£2.55", 2, DecimalError::Shape),
            ("NaN", 2, DecimalError::Shape),
        ] {
            assert_eq!(scaled(text, scale), Err(expected), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_amount_survives_being_written(units in -999_999_999_999_999_999_i64..=999_999_999_999_999_999, scale in 0_u32..=9) {
            let power = 10_i64.pow(scale);
            let sign = if units < 0 { "-" } else { "" };
            let (whole, fraction) = (units.abs() / power, units.abs() % power);
            let text = if scale == 0 {
                format!("{sign}{whole}")
            } else {
                format!("{sign}{whole}.{fraction:0width$}", width = scale as usize)
            };
            prop_assert_eq!(scaled(&text, scale), Ok(units));
            prop_assert_eq!(scaled(&format!("{units}"), 0), Ok(units));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".*", scale in 0_u32..=18) {
            let _ = scaled(&text, scale);
        }
    }
}
