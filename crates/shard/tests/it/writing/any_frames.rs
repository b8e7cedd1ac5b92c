//! Whatever frames of whatever lanes come in whatever batches, to whatever writers: each lane counts its rows exactly, its
//! table has exactly the first fact of each identity, and every other row is named as dead.

use std::collections::BTreeMap;

use bytes::Bytes;
use forebay_model::{Lane, PerLane};
use forebay_shard::{CommitError, DeadRows, IndexedFrame, LogFrame, Tally};
use forebay_testkit::order::patched;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::facts::{Fact, fact, frame, not_utf8, overflowing_view};
use crate::scene::Scene;

/// What a row says: of which customer, order, time and price it is. In lane `index` the time is the content, and elsewhere the
/// price.
#[derive(Clone, Copy, Debug)]
struct Said {
    customer: u8,
    order: u8,
    at: u8,
    price: u32,
}

#[derive(Clone, Copy, Debug)]
enum Row {
    Good(Said),
    /// Postgres refuses it.
    Refused,
    /// No order can have its time.
    OutOfRange,
}

#[derive(Clone, Debug)]
enum Logged {
    Rows(Lane, Vec<Row>),
    /// Its headers say that it cannot be read.
    Broken(Lane, u32),
}

/// What happens between two batches.
#[derive(Clone, Copy, Debug)]
enum Between {
    Nothing,
    /// Another writer takes over.
    Anew,
    /// One that believes in an older position commits the batch once more.
    Stale,
}

const AT: [&str; 3] = ["2025-06-30T12:30:00Z", "2025-06-30T12:30:01Z", "2025-07-02T00:00:00Z"];
/// Microseconds since 2000 of the first of them.
const FIRST_AT: i64 = 804_601_800_000_000;
const CASES: u32 = 16;

fn any_row() -> impl Strategy<Value = Row> {
    let said = |order| {
        let said = (0u8..2, order, 0u8..3, 1u32..3);
        said.prop_map(|(customer, order, at, price)| Row::Good(Said { customer, order, at, price }))
    };
    // Many orders that come once, so that some batches go straight.
    prop_oneof![
        20 => said((0u8..4).boxed()),
        60 => said(any::<u8>().boxed()),
        1 => Just(Row::Refused),
        1 => Just(Row::OutOfRange),
    ]
}

fn any_log() -> impl Strategy<Value = (Vec<Logged>, Vec<(usize, Between)>)> {
    let lane = || prop_oneof![Just(Lane::Index), Just(Lane::Views)];
    let logged = prop_oneof![
        15 => (lane(), prop::collection::vec(any_row(), 1..8)).prop_map(|(lane, rows)| Logged::Rows(lane, rows)),
        1 => (lane(), 1u32..5).prop_map(|(lane, rows)| Logged::Broken(lane, rows)),
    ];
    let between = prop_oneof![4 => Just(Between::Nothing), 1 => Just(Between::Anew), 1 => Just(Between::Stale)];
    (prop::collection::vec(logged, 1..24), prop::collection::vec((1usize..6, between), 24))
}

impl Row {
    fn tuple(self, lane: Lane, case: u32) -> Vec<u8> {
        let write = |fact: &Fact| if lane == Lane::Index { fact.index() } else { fact.view() };
        match self {
            Self::Good(Said { customer, order, at, price }) => {
                let customer = format!("{case}-{customer}");
                write(&Fact { customer, ..fact(order).at(AT[at as usize]).price(price) })
            }
            Self::Refused if lane == Lane::Index => not_utf8(&fact("XXXX")),
            Self::Refused => overflowing_view("X"),
            Self::OutOfRange => patched(write(&fact("X")), &FIRST_AT.to_be_bytes(), &(-1i64).to_be_bytes()),
        }
    }
}

impl Logged {
    fn frame(&self, seq: u64, case: u32) -> IndexedFrame {
        match self {
            Self::Rows(lane, rows) => {
                frame(seq, &rows.iter().map(|row| row.tuple(*lane, case)).collect::<Vec<_>>()).indexed(*lane)
            }
            Self::Broken(lane, rows) => {
                let fault = Some("no frame".to_owned());
                LogFrame { rows: *rows, fault, payload: Bytes::from_static(b"?"), ..frame(seq, &[]) }.indexed(*lane)
            }
        }
    }
}

/// What a shard should make of a log.
#[derive(Default)]
struct Model {
    /// Time by customer and order.
    index: BTreeMap<(u8, u8), u8>,
    /// Price by customer, order and time.
    views: BTreeMap<(u8, u8, u8), u32>,
    rows: PerLane<Tally>,
    dead: Vec<DeadRows>,
}

impl Model {
    fn take(&mut self, seq: u64, logged: &Logged) {
        match logged {
            Logged::Rows(lane, rows) => {
                for (row, &said) in (0..).zip(rows) {
                    self.take_row(*lane, said, DeadRows { seq, row, rows: 1 });
                }
            }
            Logged::Broken(lane, rows) => {
                self.rows[*lane].dead += u64::from(*rows);
                self.dead.push(DeadRows { seq, row: 0, rows: *rows });
            }
        }
    }

    fn take_row(&mut self, lane: Lane, row: Row, place: DeadRows) {
        let tally = &mut self.rows[lane];
        let first = match row {
            Row::Refused | Row::OutOfRange => Some(false),
            Row::Good(said) if lane == Lane::Index => is_first(&mut self.index, (said.customer, said.order), said.at),
            Row::Good(said) => is_first(&mut self.views, (said.customer, said.order, said.at), said.price),
        };
        match first {
            None => tally.stored += 1,
            Some(true) => tally.duplicate += 1,
            Some(false) => {
                tally.dead += 1;
                self.dead.push(place);
            }
        }
    }

    /// What the tables should hold of a case's customers.
    async fn check(&self, scene: &Scene, case: u32, what: &str) {
        let of = |table: &str, columns: &str| {
            format!(
                "select split_part(customer_id, '-', 2)::int4, order_id::int4, \
                 to_char(ordered_at at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') {columns} \
                 from {table} where customer_id like '{case}-%' order by 1, 2, 3"
            )
        };
        let index = self.index.iter().map(|((customer, order), &at)| format!("{customer}|{order}|{}", AT[at as usize]));
        let index = index.collect::<Vec<_>>().join("\n");
        assert_eq!(scene.sql(&of("order_index", "")).await, index, "index of {what}");
        let view = |(&(customer, order, at), price): (&(u8, u8, u8), &u32)| {
            format!("{customer}|{order}|{}|{price}|{price}", AT[at as usize])
        };
        let views = self.views.iter().map(view).collect::<Vec<_>>().join("\n");
        let columns = ", subtotal, items -> 0 ->> 'price'";
        assert_eq!(scene.sql(&of("order_views", columns)).await, views, "views of {what}");
    }
}

/// `None` for the first of an identity; else whether it says the same as the first.
fn is_first<K: Ord, V: PartialEq>(facts: &mut BTreeMap<K, V>, key: K, content: V) -> Option<bool> {
    if let Some(first) = facts.get(&key) {
        return Some(*first == content);
    }
    facts.insert(key, content);
    None
}

#[tokio::test]
async fn each_lane_counts_its_rows_exactly_and_has_the_first_facts() {
    let scene = Scene::new("anyframes").await;
    let mut runner = TestRunner::default();
    let (mut went_straight, mut went_staged, mut refused) = (0, 0, 0);
    for case in 0..CASES {
        let mut writer = scene.writer(Lane::Index).await;
        let (log, cuts) = any_log().new_tree(&mut runner).unwrap().current();
        let what = format!("case {case}: {log:?} cut by {cuts:?}");
        let before = writer.stored_tallies().await.unwrap();
        let mut model = Model::default();
        let mut frames = Vec::new();
        // Everything is delivered once more in the end.
        for (seq, logged) in (writer.position.seq + 1..).zip(log.iter().chain(&log)) {
            frames.push(logged.frame(seq, case));
            model.take(seq, logged);
        }
        let mut stale = scene.writer(Lane::Index).await;
        let (mut rest, mut dead_rows, mut counted) = (&frames[..], Vec::new(), PerLane::<Tally>::default());
        for &(count, between) in cuts.iter().cycle() {
            let (batch, behind) = rest.split_at(rest.len().min(count));
            let committed = writer.commit_all(batch).await.unwrap();
            *(if committed.was_staged { &mut went_staged } else { &mut went_straight }) += 1;
            dead_rows.extend(committed.dead_rows);
            counted = PerLane::from_fn(|lane| counted[lane] + committed.rows[lane]);
            rest = behind;
            match between {
                _ if rest.is_empty() => break,
                Between::Nothing => {}
                Between::Anew => writer = scene.writer(Lane::Index).await,
                Between::Stale => {
                    stale.position.seq = batch[0].frame().seq - 1;
                    let refused = stale.commit_all(batch).await;
                    assert!(matches!(refused, Err(CommitError::Fenced)), "{refused:?} of {what}");
                }
            }
        }
        assert_eq!(counted, model.rows, "{what}");
        let sum = PerLane::from_fn(|lane| before[lane] + model.rows[lane]);
        assert_eq!(writer.stored_tallies().await.unwrap(), sum, "{what}");
        assert_eq!(dead_rows, model.dead, "{what}");
        refused += log
            .iter()
            .filter(
                |logged| matches!(logged, Logged::Rows(_, rows) if rows.iter().any(|row| matches!(row, Row::Refused))),
            )
            .count();
        model.check(&scene, case, &what).await;
    }
    assert!(went_straight > 0 && went_staged > 0 && refused > 0, "{went_straight} {went_staged} {refused}");
}
