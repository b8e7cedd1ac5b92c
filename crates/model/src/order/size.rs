//! How large an order is: a size that does not change on the way.
//!
//! White space is left out where it means nothing, and a number counts as the digits that `jsonb` writes it with: `1e3` as `1000`. So an
//! order that is accepted is as large, or smaller, when it is read back and sent again.

/// Orders of at most this number of bytes are not too large, whatever numbers they have: seven bytes with a comma become 402 at most.
const NEVER_TOO_LARGE: usize = super::ORDER_BYTES_MAX / 64;

/// Whether JSON of an order has more than `bytes_max` bytes, in that sense. `text_bytes` is how long all of it is as it came.
pub(crate) fn is_larger(parts: [&str; 2], text_bytes: usize, bytes_max: usize) -> bool {
    text_bytes > NEVER_TOO_LARGE && parts.into_iter().map(compact_bytes).sum::<usize>() > bytes_max
}

/// How many bytes a JSON text has without white space and with its numbers written out.
fn compact_bytes(json: &str) -> usize {
    let bytes = json.as_bytes();
    let (mut count, mut at) = (0, 0);
    while let Some(&byte) = bytes.get(at) {
        let end = match byte {
            b'"' => end_of_string(bytes, at),
            b'-' | b'0'..=b'9' => end_of_number(bytes, at),
            _ => at + 1,
        };
        count += match byte {
            b' ' | b'\t' | b'\n' | b'\r' => 0,
            b'-' | b'0'..=b'9' => plain_bytes(&bytes[at..end]).unwrap_or(usize::MAX / 4),
            _ => end - at,
        };
        at = end;
    }
    count
}

fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

fn end_of_number(bytes: &[u8], start: usize) -> usize {
    let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E');
    let behind = bytes[start..].iter().position(|byte| !is_part(byte));
    behind.map_or(bytes.len(), |count| start + count)
}

/// How many bytes a number has that is written without an exponent, as `numeric` of Postgres writes it: all places behind the point stay.
/// Nothing where the exponent has no end.
pub(super) fn plain_bytes(number: &[u8]) -> Option<usize> {
    let (is_negative, magnitude) = number.strip_prefix(b"-").map_or((false, number), |rest| (true, rest));
    let exponent_at = magnitude.iter().position(|byte| matches!(byte, b'e' | b'E'));
    let Some(exponent_at) = exponent_at else { return Some(number.len()) };
    let (mantissa, exponent) = (&magnitude[..exponent_at], &magnitude[exponent_at + 1..]);
    let exponent: i32 = std::str::from_utf8(exponent).ok()?.parse().ok()?;
    let exponent = isize::try_from(exponent).ok()?;
    let whole = mantissa.iter().position(|&byte| byte == b'.').unwrap_or(mantissa.len());
    let places = (mantissa.len() - whole).saturating_sub(1);
    let first_digit = mantissa.iter().filter(|&&byte| byte != b'.').position(|&byte| byte != b'0');
    let whole_digits = first_digit.map_or(0, |first| whole.cast_signed() + exponent - first.cast_signed()).max(1);
    let places = (places.cast_signed() - exponent).max(0);
    let sign = usize::from(is_negative && first_digit.is_some());
    let point = usize::from(places > 0);
    Some(sign + whole_digits.cast_unsigned() + point + places.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_as_they_are_written_out() {
        for (number, plain) in [
            ("0", "0"),
            ("-12.50", "-12.50"),
            ("1e3", "1000"),
            ("1.5E+3", "1500"),
            ("1.50e1", "15.0"),
            ("1e-5", "0.00001"),
            ("12e-1", "1.2"),
            ("0.05e3", "50"),
            ("0.05e1", "0.5"),
            ("-0e5", "0"),
            ("-0.0e-2", "0.000"),
            ("123.456e2", "12345.6"),
            ("9.0e0", "9.0"),
        ] {
            assert_eq!(plain_bytes(number.as_bytes()), Some(plain.len()), "{number}");
        }
        assert_eq!(plain_bytes(b"1e307"), Some(308));
        assert_eq!(plain_bytes(b"1e99999999999"), None);
    }

    #[test]
    fn white_space_counts_in_texts_alone() {
        assert_eq!(
            compact_bytes("{ \"a b\" :\n[ 1, \"c \\\" d\\\\\" ,\t1e2 ] }"),
            "{\"a b\":[1,\"c \\\" d\\\\\",100]}".len()
        );
        assert_eq!(compact_bytes("[-1.5,true,null]"), 16);
    }
}
