//! A row for each item of an order, for sums over articles: what the view `order_items` of a shard has.

use std::borrow::Cow;
use std::io::Write;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::csv::push_field;
use crate::answer::{Fact, push_text};

/// The header of a CSV file.
pub(super) const HEADER: &[u8] = b"order_id,customer_id,timestamp,currency,number,sku,quantity,price,amount,item\r\n";

/// What every item has.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    sku: Cow<'a, str>,
    quantity: i64,
    price: i64,
}

impl Item<'_> {
    /// What it comes to. Only the sum of all items must fit 64 bits.
    fn amount(&self) -> i128 {
        i128::from(self.quantity) * i128::from(self.price)
    }
}

/// Writes an order's items as records of CSV.
pub(super) fn push_csv(out: &mut Vec<u8>, fact: &Fact<'_>) {
    for (number, item, text) in items(fact) {
        push_field(out, fact.order_id);
        out.push(b',');
        push_field(out, fact.customer_id);
        // Writing into a Vec cannot fail.
        let _ = write!(out, ",{},{},{number},", fact.ordered_at.in_full(), fact.currency);
        push_field(out, &item.sku);
        let _ = write!(out, ",{},{},{},", item.quantity, item.price, item.amount());
        push_field(out, text);
        out.extend_from_slice(b"\r\n");
    }
}

/// Writes them as lines of NDJSON.
pub(super) fn push_ndjson(out: &mut Vec<u8>, fact: &Fact<'_>) {
    for (number, item, text) in items(fact) {
        out.extend_from_slice(b"{\"order_id\":");
        push_text(out, fact.order_id);
        out.extend_from_slice(b",\"customer_id\":");
        push_text(out, fact.customer_id);
        let (at, currency) = (fact.ordered_at.in_full(), fact.currency);
        let _ = write!(out, ",\"timestamp\":\"{at}\",\"currency\":\"{currency}\",\"number\":{number},\"sku\":");
        push_text(out, &item.sku);
        let (quantity, price, amount) = (item.quantity, item.price, item.amount());
        let _ = write!(out, ",\"quantity\":{quantity},\"price\":{price},\"amount\":{amount},\"item\":{text}}}");
        out.push(b'\n');
    }
}

/// The items of an order, numbered from 1, each with its text. What is not valid, somebody else has written.
fn items<'a>(fact: &Fact<'a>) -> impl Iterator<Item = (usize, Item<'a>, &'a str)> {
    let texts: Vec<&'a RawValue> = serde_json::from_str(fact.items).unwrap_or_default();
    let read = |text: &'a RawValue| Some((serde_json::from_str(text.get()).ok()?, text.get()));
    (1..).zip(texts).filter_map(move |(number, text)| read(text).map(|(item, text)| (number, item, text)))
}

#[cfg(test)]
mod tests {
    use forebay_model::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::answer::Sum;

    #[test]
    fn each_item_is_a_row_with_what_it_comes_to() {
        let items = r#"[{"sku":"A,\"ä\"","quantity":2,"price":5,"seller_id":"S"},{"sku":"B","quantity":1000000,"price":9223372036854775807}]"#;
        let ordered_at = Timestamp::from_unix_us(1_751_286_600_000_000);
        let sum = Sum::Total(0, "{}");
        let fact = Fact { order_id: "O", customer_id: "C", ordered_at, kind: "sale", currency: "EUR", items, sum };
        let mut out = HEADER.to_vec();
        push_csv(&mut out, &fact);
        let mut reader = csv::Reader::from_reader(out.as_slice());
        let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
        let at = "2025-06-30T12:30:00.000000Z";
        let item = r#"{"sku":"A,\"ä\"","quantity":2,"price":5,"seller_id":"S"}"#;
        assert_eq!(rows[0], vec!["O", "C", at, "EUR", "1", "A,\"ä\"", "2", "5", "10", item]);
        assert_eq!((&rows[1][4], &rows[1][8]), ("2", "9223372036854775807000000"));

        let mut out = Vec::new();
        push_ndjson(&mut out, &fact);
        let lines: Vec<&[u8]> = out.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).collect();
        let first: Value = serde_json::from_slice(lines[0]).unwrap();
        let item: Value = serde_json::from_str(item).unwrap();
        let expected = json!({"order_id": "O", "customer_id": "C", "timestamp": at, "currency": "EUR", "number": 1, "sku": "A,\"ä\"",
            "quantity": 2, "price": 5, "amount": 10, "item": item});
        assert_eq!((lines.len(), first), (2, expected));
    }
}
