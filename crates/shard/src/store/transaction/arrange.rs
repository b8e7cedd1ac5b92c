//! The order in which rows are sent.
//!
//! In the order of the log, each row goes to another partition than the one before it, and to another page of every index. In
//! the order of partitions and keys neighbours meet the same pages, which is less work for the server, and less for its log.

use forebay_model::tuple::key_prefix;
use forebay_model::{Lane, Timestamp};

use crate::partition::{Ranges, Span};
use crate::store::copy::Sent;

/// A tuple and where it goes.
struct Row<'a> {
    /// Where its partition begins; 0 in a table without partitions.
    partition: i64,
    /// The first bytes of its key. What they do not tell apart stays in the order of the log.
    key: u128,
    sent: Sent<'a>,
}

/// The rows, each a tuple with its time, partition by partition, and in the order of their keys as far as it matters.
pub(crate) fn in_key_order<'a>(
    lane: Lane,
    rows: impl Iterator<Item = (Sent<'a>, Timestamp)>,
    partitions: &Ranges,
) -> Vec<Sent<'a>> {
    let mut here: Option<Span> = None;
    let row = |(sent, at): (Sent<'a>, Timestamp)| {
        if !here.is_some_and(|span| span.holds(at.unix_us())) {
            here = partitions.span_of(at);
        }
        Row { partition: here.map_or(0, |span| span.from), key: key_prefix(lane, sent.tuples), sent }
    };
    let mut rows: Vec<_> = rows.map(row).collect();
    rows.sort_by_key(|row| (row.partition, row.key));
    rows.into_iter().map(|row| row.sent).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::Tuples;
    use proptest::prelude::*;

    const DAY_US: i64 = 86_400_000_000;

    fn order(bucket: u16, customer_id: &str, at: Timestamp, order_id: &str) -> Vec<u8> {
        let times = at.postgres_us().to_be_bytes();
        let bucket = bucket.to_be_bytes();
        let ids: [&[u8]; 5] = [&bucket, b"", customer_id.as_bytes(), &times, order_id.as_bytes()];
        let content: [&[u8]; 5] = [b"sale", b"EUR", &[0; 8], b"\x01[]", b"\x01{}"];
        let fields = [ids, content].concat();
        let mut tuple = (fields.len() as i16).to_be_bytes().to_vec();
        for field in fields {
            tuple.extend((field.len() as i32).to_be_bytes());
            tuple.extend(field);
        }
        tuple
    }

    proptest! {
        #[test]
        fn rows_stand_together_by_partition_and_in_the_order_of_their_keys(
            orders in prop::collection::vec((0u16..5, "C[a-c]{0,20}", 0i64..5 * DAY_US, "[a-c]{0,3}"), 0..60),
            // Partitions of a day and of two.
            days in prop::sample::select(vec![vec![0, 1, 2, 3, 4, 5], vec![0, 2, 3, 5]]),
        ) {
            let first = Timestamp::parse("2025-01-01T00:00:00Z").unwrap().unix_us();
            let spans: Vec<_> =
                days.windows(2).map(|day| Span { from: first + day[0] * DAY_US, to: first + day[1] * DAY_US }).collect();
            let ranges = Ranges::new(spans.clone(), false);
            let tuples: Vec<_> = orders.iter().map(|(bucket, customer_id, us, order_id)| {
                order(*bucket, customer_id, Timestamp::from_unix_us(first + us), order_id)
            }).collect();
            let with_time = tuples.iter().zip(&orders);
            let with_time = with_time.map(|(tuple, (_, _, us, _))| (Sent::as_they_are(tuple), Timestamp::from_unix_us(first + us)));
            let arranged = in_key_order(Lane::Orders, with_time, &ranges);
            let arranged: Vec<_> = arranged.into_iter().map(|sent| sent.tuples).collect();

            let place = |tuple: &[u8]| {
                let tuple = Tuples::new(Lane::Orders, tuple).next().unwrap().unwrap();
                let us = tuple.ordered_at().unix_us();
                let partition = spans.iter().position(|span| span.holds(us));
                // As much of the key as is looked at.
                (partition, [tuple.field(0), tuple.field(1), tuple.field(2)].concat().into_iter().take(16).collect::<Vec<_>>())
            };
            // The same rows, and each partition's keys in order.
            let mut sorted = (arranged.clone(), tuples.iter().map(|tuple| &tuple[..]).collect::<Vec<_>>());
            sorted.0.sort_unstable();
            sorted.1.sort_unstable();
            prop_assert_eq!(sorted.0, sorted.1);
            let places: Vec<_> = arranged.iter().map(|tuple| place(tuple)).collect();
            prop_assert!(places.is_sorted(), "{:?}", places);
        }
    }

    #[test]
    fn what_the_keys_do_not_tell_apart_stays_in_the_order_of_the_log() {
        let at = Timestamp::parse("2025-01-01T00:00:00Z").unwrap();
        let long = "C".repeat(20);
        let tuples = ["b", "a"].map(|order_id| order(1, &long, at, order_id));
        let sent = [0, 1].map(|row| Sent::as_they_are(&tuples[row]));
        let arranged = in_key_order(Lane::Orders, sent.into_iter().map(|sent| (sent, at)), &Ranges::default());
        assert_eq!(arranged, sent);
    }
}
