//! Decimal numbers of a file as texts, exactly.

use std::io::Write;

/// Writes `unscaled × 10^-scale`.
pub(crate) fn push_decimal(out: &mut Vec<u8>, unscaled: i128, scale: u32) {
    if unscaled < 0 {
        out.push(b'-');
    }
    // At least one digit stands before the point.
    let digits = format!("{:0width$}", unscaled.unsigned_abs(), width = scale as usize + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale as usize);
    let point = if fraction.is_empty() { "" } else { "." };
    // Writing into a Vec cannot fail.
    let _ = write!(out, "{whole}{point}{fraction}");
}

/// The number that these bytes are, in two's complement, the highest first; `None` where it has more than 128 bits.
pub(crate) fn from_bytes(bytes: &[u8]) -> Option<i128> {
    let filling = if bytes.first().is_some_and(|&first| first >= 0x80) { 0xff } else { 0 };
    let (beyond, kept) = bytes.split_at(bytes.len().saturating_sub(16));
    let mut whole = [filling; 16];
    whole[16 - kept.len()..].copy_from_slice(kept);
    let number = i128::from_be_bytes(whole);
    let is_kept = beyond.iter().all(|&byte| byte == filling) && (number < 0) == (filling == 0xff);
    is_kept.then_some(number)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(unscaled: i128, scale: u32) -> String {
        let mut out = Vec::new();
        push_decimal(&mut out, unscaled, scale);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_point_stands_where_the_scale_says() {
        for (unscaled, scale, expected) in [
            (255, 2, "2.55"),
            (-5, 2, "-0.05"),
            (0, 0, "0"),
            (7, 0, "7"),
            (-1_106_206, 2, "-11062.06"),
            (100, 2, "1.00"),
        ] {
            assert_eq!(text(unscaled, scale), expected);
        }
        assert_eq!(text(i128::MIN, 0), i128::MIN.to_string());
    }

    #[test]
    fn what_does_not_fit_is_no_number() {
        assert_eq!(from_bytes(&[1; 17]), None);
        assert_eq!(from_bytes(&[&[0][..], &[0xff; 16]].concat()), None);
        assert_eq!(from_bytes(&[]), Some(0));
    }

    proptest! {
        #[test]
        fn bytes_of_any_length_are_the_number(number: i64, more in 0_usize..12) {
            let filling = if number < 0 { 0xff } else { 0 };
            let bytes = [vec![filling; more], number.to_be_bytes().to_vec()].concat();
            prop_assert_eq!(from_bytes(&bytes), Some(i128::from(number)));
        }
    }
}
