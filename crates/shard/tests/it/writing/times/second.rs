//! A customer's order id stands for one time: the first in the log. The same id at another time becomes a dead letter.

use std::collections::BTreeMap;

use forebay_model::{Bucket, Lane, OrderId, Tenant, Timestamp};
use forebay_shard::{LogFrame, Reason, Tally};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::facts::{Fact, fact, frame, frames, overflowing};
use crate::scene::{Scene, tally};

const LATER: &str = "2025-07-01T00:00:00Z";
const LETTERS: &str = "select stream_seq, row_in_frame, reason, order_id, content ->> 'ordered_at', content ->> 'total', \
    stored ->> 'ordered_at', stored ->> 'total' from dead_letter where lane = 'orders' order by 1, 2";
const TIMES: &str = "select order_id, ordered_at at time zone 'utc' from order_time order by order_id";

#[tokio::test]
async fn of_two_times_in_one_batch_the_first_in_the_log_stays() {
    let scene = Scene::new("twotimes").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let (a, later) = (fact("A").at(LATER), fact("A"));
    let batch = [
        frame(1, &[fact("B").order(), a.order(), fact("C").order()]),
        frame(2, &[later.price(7).order(), fact("D").order(), a.order()]),
    ];
    let committed = writer.commit(&batch).await.unwrap();
    assert_eq!((committed.rows, committed.dead), (tally(4, 1, 1), vec![(Reason::Conflict, 1)]));
    assert_eq!(scene.sql("select string_agg(order_id, '' order by order_id) from orders").await, "ABCD");
    let letter = "2|0|conflict|A|2025-06-30T12:30:00+00:00|7|2025-07-01T00:00:00+00:00|100";
    assert_eq!(scene.sql(LETTERS).await, letter);
    assert_eq!(writer.stored_tally().await.unwrap(), tally(4, 1, 1));
    assert_eq!(scene.sql(&format!("{TIMES} limit 1")).await, "A|2025-07-01 00:00:00");
}

#[tokio::test]
async fn of_two_times_in_two_batches_the_first_stays_among_duplicates_and_neighbours() {
    let scene = Scene::new("later").await;
    let mut writer = scene.writer(Lane::Orders).await;
    assert!(!writer.commit(&frames(1, 3)).await.unwrap().was_staged);
    // Another batch is straight until it meets what is there; years lie between the two times.
    let other = fact("O2-5").at("2021-02-03T04:05:06Z").price(9);
    let batch = [frame(4, &[fact("N").order(), other.order()]), frame(5, &[fact("O1-1").order(), fact("M").order()])];
    let committed = writer.commit(&batch).await.unwrap();
    assert_eq!((committed.rows, committed.was_staged), (tally(2, 1, 1), true));
    let letter = "4|1|conflict|O2-5|2021-02-03T04:05:06+00:00|9|2025-06-30T12:30:00+00:00|100";
    assert_eq!(scene.sql(LETTERS).await, letter);
    assert_eq!(
        scene
            .sql("select stored ->> 'bucket' is not null, stored -> 'items' -> 0 ->> 'sku', detail from dead_letter")
            .await,
        "t|A|the customer's order with this id was stored before, with another time"
    );
    // It leaves nothing behind, and it is a conflict again.
    assert_eq!(scene.count("order_time").await, 32);
    assert_eq!(writer.commit(&[frame(6, &[other.order()])]).await.unwrap().rows, tally(0, 0, 1));
    // The same id of another customer is another order.
    let another = Fact { customer: "CUST2".to_owned(), ..other };
    assert_eq!(writer.commit(&[frame(7, &[another.order()])]).await.unwrap().rows, tally(1, 0, 0));
}

#[tokio::test]
async fn a_first_time_that_is_refused_is_no_first_time() {
    let scene = Scene::new("refusedtime").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let batch = [frame(1, &[overflowing(&fact("A")), fact("A").at(LATER).order(), fact("B").order()])];
    assert_eq!(writer.commit(&batch).await.unwrap().rows, tally(2, 0, 1));
    assert_eq!(scene.sql("select reason, order_id from dead_letter").await, "refused|A");
    assert_eq!(scene.sql(&format!("{TIMES} limit 1")).await, "A|2025-07-01 00:00:00");
}

#[tokio::test]
async fn ten_thousand_conflicts_at_once_are_no_trouble() {
    let scene = Scene::new("manytimes").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let tuples = |at: &str, price: u32| -> Vec<Vec<u8>> {
        (0..10_000).map(|n| fact(format!("O{n}")).at(at).price(price).order()).collect()
    };
    let batch = |seq: u64, tuples: &[Vec<u8>]| -> Vec<LogFrame> {
        (seq..).zip(tuples.chunks(200)).map(|(seq, tuples)| frame(seq, tuples)).collect()
    };
    let first = tuples(LATER, 100);
    assert_eq!(writer.commit(&batch(1, &first)).await.unwrap().rows, tally(10_000, 0, 0));
    let other_times = tuples("2024-01-01T00:00:00Z", 100);
    assert_eq!(writer.commit(&batch(51, &other_times)).await.unwrap().rows, tally(0, 0, 10_000));
    let other_contents = tuples(LATER, 7);
    assert_eq!(writer.commit(&batch(101, &other_contents)).await.unwrap().rows, tally(0, 0, 10_000));
    let wrong = "select count(*) from dead_letter where stored ->> 'order_id' <> order_id \
        or content ->> 'order_id' <> order_id or stored ->> 'total' <> '100'";
    assert_eq!(scene.sql(wrong).await, "0");
}

/// An order whose id tells its time, and whose.
fn assigned(random: u64) -> Fact {
    let at = "2025-06-30T12:30:00.123456Z";
    let id = OrderId::assign(Timestamp::parse(at).unwrap(), Bucket::of_key(Tenant::none(), "CUST1"), random << 2);
    fact(id).at(at)
}

#[tokio::test]
async fn an_assigned_id_has_no_row_and_no_second_time_either() {
    let scene = Scene::new("assignedtimes").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let all: Vec<_> = (0..100).map(|n| assigned(n).order()).collect();
    assert!(!writer.commit(&[frame(1, &all)]).await.unwrap().was_staged);
    assert_eq!(writer.commit(&[frame(2, &all)]).await.unwrap().rows, tally(0, 100, 0));
    assert_eq!(scene.count("order_time").await, 0);
    // Sent again with another time, it meets the order that its id was assigned to, whichever way the batch begins.
    writer.commit(&frames(3, 3)).await.unwrap();
    for seq in [6, 7] {
        let stray = assigned(5).at(LATER).price(3).order();
        let committed = writer.commit(&[frame(seq, &[stray, fact(seq).order()])]).await.unwrap();
        assert_eq!((committed.rows, committed.was_staged), (tally(1, 0, 1), true));
    }
    let letters = scene.sql("select distinct stored ->> 'ordered_at', stored ->> 'total' from dead_letter").await;
    assert_eq!(letters, "2025-06-30T12:30:00.123456+00:00|100");
    assert_eq!(scene.count("orders").await, 132);
    assert_eq!(scene.count("order_time").await, 33);
}

#[tokio::test]
async fn an_assigned_id_at_two_times_within_one_batch_goes_by_the_log_too() {
    let scene = Scene::new("strays").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let (home, away) = (|n| assigned(n).order(), |n| assigned(n).at(LATER).order());
    let tuples = [home(1), away(1), home(1), away(2), home(2), away(2), home(3), away(4), home(5)];
    let committed = writer.commit(&[frame(1, &tuples)]).await.unwrap();
    assert_eq!(committed.rows, tally(5, 2, 2));
    assert_eq!(scene.sql("select row_in_frame from dead_letter order by 1").await, "1\n4");
}

#[tokio::test]
async fn an_order_whose_partition_is_gone_can_come_again_at_its_time() {
    let scene = Scene::new("gonetimes").await;
    let mut writer = scene.writer(Lane::Orders).await;
    writer.commit(&[frame(1, &[fact("A").order()])]).await.unwrap();
    scene.sql("drop table orders_20250630").await;
    let mut writer = scene.writer(Lane::Orders).await;
    let committed =
        writer.commit(&[frame(2, &[fact("A").at(LATER).price(5).order(), fact("B").order()])]).await.unwrap();
    assert_eq!(committed.rows, tally(1, 0, 1));
    assert_eq!(scene.sql(LETTERS).await, "2|0|conflict|A|2025-07-01T00:00:00+00:00|5|2025-06-30T12:30:00+00:00|");
    assert_eq!(writer.commit(&[frame(3, &[fact("A").order()])]).await.unwrap().rows, tally(1, 0, 0));
}

/// An order of a few customers, ids, times and contents.
type Sent = (u8, u8, u8, u32);

/// What a shard should make of a log.
#[derive(Default)]
struct Model {
    /// Time and content by customer and id.
    stored: BTreeMap<(u8, u8), (u8, u32)>,
    duplicates: u64,
    letters: Vec<String>,
}

const AT: [&str; 3] = ["2025-06-30T12:30:00", "2025-06-30T12:30:01", "2025-07-02T00:00:00"];

impl Model {
    fn take(&mut self, seq: u64, row: usize, (customer, id, at, price): Sent) {
        match self.stored.get(&(customer, id)) {
            None => drop(self.stored.insert((customer, id), (at, price))),
            Some(&first) if first == (at, price) => self.duplicates += 1,
            Some(&(first, total)) => {
                self.letters.push(format!("{seq}|{row}|{id}|{price}|{}+00:00|{total}", AT[first as usize]));
            }
        }
    }

    fn tally(&self) -> Tally {
        tally(self.stored.len() as u64, self.duplicates, self.letters.len() as u64)
    }

    /// What the tables should hold of a case's customers: orders, times, letters.
    async fn check(&self, scene: &Scene, case: u32, what: &str) {
        let of = |name: &str, columns: &str| {
            format!("select {columns} from {name} where customer_id like '{case}-%' order by 1, 2, 3")
        };
        let key = "split_part(customer_id, '-', 2)::int4, order_id::int4, to_char(ordered_at at time zone 'utc', \
                   'YYYY-MM-DD\"T\"HH24:MI:SS')";
        let rows = |with_total: bool| -> Vec<String> {
            let row = |(&(customer, id), &(at, total)): (&(u8, u8), &(u8, u32))| {
                let total = if with_total { format!("|{total}") } else { String::new() };
                format!("{customer}|{id}|{}{total}", AT[at as usize])
            };
            self.stored.iter().map(row).collect()
        };
        let orders = scene.sql(&of("orders", &format!("{key}, total"))).await;
        assert_eq!(orders, rows(true).join("\n"), "orders of {what}");
        assert_eq!(scene.sql(&of("order_time", key)).await, rows(false).join("\n"), "times of {what}");
        let letters = scene
            .sql(&format!(
                "select stream_seq, row_in_frame, order_id, content ->> 'total', stored ->> 'ordered_at', \
                 stored ->> 'total' from dead_letter where customer_id like '{case}-%' order by 1, 2"
            ))
            .await;
        assert_eq!(letters, self.letters.join("\n"), "letters of {what}");
    }
}

/// Frames of orders, and after how many frames the batches end.
fn any_log() -> impl Strategy<Value = (Vec<Vec<Sent>>, Vec<usize>)> {
    let few = (0u8..2, 0u8..4, 0u8..3, 1u32..3);
    // Many ids that come once, so that some batches go straight.
    let sent = prop_oneof![1 => few, 2 => (0u8..2, any::<u8>(), 0u8..3, 1u32..3)];
    let frames = prop::collection::vec(prop::collection::vec(sent, 1..8), 1..24);
    (frames, prop::collection::vec(1usize..6, 24))
}

#[tokio::test]
async fn whatever_comes_in_whatever_batches_is_stored_as_the_log_says() {
    let scene = Scene::new("anytimes").await;
    let mut runner = TestRunner::default();
    let mut went_straight = 0;
    for case in 0..24 {
        // A new one goes straight until it is refused.
        let mut writer = scene.writer(Lane::Orders).await;
        let (log, cuts) = any_log().new_tree(&mut runner).unwrap().current();
        let tuple = |&(customer, id, at, price): &Sent| {
            let customer = format!("{case}-{customer}");
            Fact { customer, ..fact(id).at(format!("{}Z", AT[at as usize])).price(price) }.order()
        };
        let before = writer.stored_tally().await.unwrap();
        let mut model = Model::default();
        let mut frames = Vec::new();
        // Everything is delivered once more in the end.
        for (seq, orders) in (writer.position.seq + 1..).zip(log.iter().chain(&log)) {
            frames.push(frame(seq, &orders.iter().map(tuple).collect::<Vec<_>>()));
            orders.iter().enumerate().for_each(|(row, &order)| model.take(seq, row, order));
        }
        let mut rest = &frames[..];
        let mut cuts_in_turn = cuts.iter().cycle();
        while !rest.is_empty() {
            let (batch, behind) = rest.split_at(rest.len().min(*cuts_in_turn.next().unwrap()));
            went_straight += usize::from(!writer.commit(batch).await.unwrap().was_staged);
            rest = behind;
        }
        let what = format!("case {case}: {log:?} cut by {cuts:?}");
        assert_eq!(writer.stored_tally().await.unwrap(), before + model.tally(), "{what}");
        model.check(&scene, case, &what).await;
    }
    assert!(went_straight > 0, "no batch went straight");
}
