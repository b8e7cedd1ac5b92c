//! Orders as CSV (RFC 4180): fields in quotes where they need them, records that end with a carriage return and a line feed.
//!
//! What a spreadsheet might take for a formula is left as it is: data is data, and the program that opens it decides how.

use std::io::Write;

use crate::answer::{Fact, Sum};

/// The header of whole orders.
pub(super) const WHOLE: &[u8] = b"order_id,customer_id,timestamp,kind,currency,total,items,attributes\r\n";
/// The header of what a view shows.
pub(super) const VIEW: &[u8] = b"order_id,customer_id,timestamp,kind,currency,subtotal,items\r\n";

/// Writes one order as a record.
pub(super) fn push_fact(out: &mut Vec<u8>, fact: &Fact<'_>) {
    push_field(out, fact.order_id);
    out.push(b',');
    push_field(out, fact.customer_id);
    let (sum, attributes) = match fact.sum {
        Sum::Total(total, attributes) => (total, Some(attributes)),
        Sum::Subtotal(subtotal) => (subtotal, None),
    };
    // Writing into a Vec cannot fail.
    let _ = write!(out, ",{},{},{},{sum},", fact.ordered_at.in_full(), fact.kind, fact.currency);
    push_field(out, fact.items);
    if let Some(attributes) = attributes {
        out.push(b',');
        push_field(out, attributes);
    }
    out.extend_from_slice(b"\r\n");
}

pub(super) fn push_field(out: &mut Vec<u8>, text: &str) {
    let needs_quotes = text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n'))
        || text.starts_with(char::is_whitespace)
        || text.ends_with(char::is_whitespace);
    if !needs_quotes {
        return out.extend_from_slice(text.as_bytes());
    }
    out.push(b'"');
    for (place, part) in text.split('"').enumerate() {
        if place > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use forebay_model::Timestamp;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_reader_of_csv_gets_what_was_written(
            order_id in "[a-z\",\r\n =ä]{1,8}", customer_id in ".{1,8}", items in ".{0,20}", attributes in "[\"\\{\\}:, \n]{0,20}",
            total: i64, us in 946_684_800_000_000..4_102_444_800_000_000_i64,
        ) {
            let ordered_at = Timestamp::from_unix_us(us);
            let fact = Fact {
                order_id: &order_id, customer_id: &customer_id, ordered_at, kind: "sale", currency: "EUR",
                items: &items,
                sum: Sum::Total(total, &attributes),
            };
            let mut out = WHOLE.to_vec();
            push_fact(&mut out, &fact);
            push_fact(&mut out, &Fact { sum: Sum::Total(7, "{}"), ..fact });
            let mut reader = csv::Reader::from_reader(out.as_slice());
            let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
            let (at, total) = (ordered_at.in_full().to_string(), total.to_string());
            prop_assert_eq!(&rows[0], &vec![&*order_id, &*customer_id, &*at, "sale", "EUR", &*total, &*items, &*attributes]);
            prop_assert_eq!(&rows[1], &vec![&*order_id, &*customer_id, &*at, "sale", "EUR", "7", &*items, "{}"]);
        }
    }

    #[test]
    fn a_field_without_need_has_no_quotes() {
        let mut out = Vec::new();
        let ordered_at = Timestamp::from_unix_us(1_751_286_600_000_000);
        let (kind, currency, items, sum) = ("return", "EUR", "[]", Sum::Subtotal(-5));
        let fact = Fact { order_id: "=1+1", customer_id: "a\"b", ordered_at, kind, currency, items, sum };
        push_fact(&mut out, &fact);
        assert_eq!(String::from_utf8(out).unwrap(), "=1+1,\"a\"\"b\",2025-06-30T12:30:00.000000Z,return,EUR,-5,[]\r\n");
    }
}
