//! `forebay verify --full` names exactly what differs, by frame and row, however rows and frames are shared out among comparisons:
//! with many small frames and with few large ones, with more rows than are compared at a time.

use std::collections::{BTreeMap, BTreeSet};

use forebay_model::tuple::Tuples;
use forebay_model::{Lane, ShardId, StreamKind};
use serde_json::{Value, json};

use super::SUM_ANEW;
use crate::operating::operated::{Operated, order_at, orders};

const SHARD: ShardId = ShardId(0);
/// More than are compared at a time.
const ORDERS: u32 = 9000;

/// Which orders are spoilt, and how. None is in two ways.
struct Spoilt {
    refused: Vec<u32>,
    lost: Vec<u32>,
    changed: Vec<u32>,
    index_lost: Vec<u32>,
    index_changed: Vec<u32>,
    view_lost: Vec<u32>,
    view_changed: Vec<u32>,
    /// They are refused, and their letters stand for other rows.
    misplaced: Vec<u32>,
}

impl Spoilt {
    /// Four of each at places that look like chance, and some at the ends of the log and of a comparison.
    fn new(seed: u32) -> Self {
        let place = |residue: u32| {
            let block = (residue + seed).wrapping_mul(2_654_435_761) % (ORDERS / 32 - 1) + 1;
            block * 32 + residue
        };
        let four = |kind: u32| (kind * 4..kind * 4 + 4).map(place).collect::<Vec<_>>();
        let mut spoilt = Self {
            refused: four(0),
            lost: four(1),
            changed: four(2),
            index_lost: four(3),
            index_changed: four(4),
            view_lost: four(5),
            view_changed: four(6),
            misplaced: four(7)[..2].to_vec(),
        };
        spoilt.lost.extend([ORDERS - 1, 8192]);
        spoilt.changed.push(8191);
        spoilt.index_lost.push(0);
        spoilt.view_lost.push(ORDERS - 2);
        spoilt
    }
}

fn id(number: u32) -> String {
    format!("ORD{number}")
}

/// A list of order ids in SQL.
fn ids(numbers: &[u32]) -> String {
    numbers.iter().map(|number| format!("'ORD{number}'")).collect::<Vec<_>>().join(", ")
}

/// Logs orders in frames of these numbers of rows in turns.
async fn log_orders(system: &Operated, rows: &[usize]) {
    let all = orders(0..ORDERS);
    let mut rest = &all[..];
    for &rows in rows.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (frame, behind) = rest.split_at(rows.min(rest.len()));
        system.log_orders(frame).await;
        rest = behind;
    }
}

/// Frames and rows, by order id.
type Places = BTreeMap<String, Vec<(u64, usize)>>;

/// Where the rows of a lane lie in the log.
async fn places(system: &Operated, lane: Lane) -> Places {
    let mut places = Places::new();
    let last = system.log.stream_state(lane.on(SHARD)).await.unwrap().last_seq;
    for seq in 1..=last {
        let stored = system.log.frame(lane.on(SHARD), seq).await.unwrap().unwrap().unwrap();
        let payload = stored.frame.unwrap().payload;
        for (row, tuple) in Tuples::new(lane, &payload).enumerate().filter(|_| stored.kind.lane() == Some(lane)) {
            let id = String::from_utf8(tuple.unwrap().named("order_id").unwrap().to_vec()).unwrap();
            places.entry(id).or_default().push((seq, row));
        }
    }
    places
}

/// Everything that is named: kind, lane, and what it is about.
fn named(report: &Value) -> BTreeSet<(String, String, String)> {
    let about = |detail: &str| {
        let order =
            detail.split_once(" of customer ").and_then(|(order, _)| order.rsplit(' ').next()).unwrap_or_default();
        let place = detail.split_once(" of order").map_or("", |(place, _)| place);
        match detail.split_once(", behind the position") {
            Some((flaw, _)) => flaw.to_owned(),
            None if place.starts_with("frame ") => format!("{place} {order}"),
            None => order.to_owned(),
        }
    };
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = report["named"].as_array().unwrap().iter();
    all.map(|named| (text(&named["kind"]), text(&named["lane"]), about(named["detail"].as_str().unwrap()))).collect()
}

/// What is expected to be named.
#[derive(Default)]
struct Expected(BTreeSet<(String, String, String)>);

impl Expected {
    fn add(&mut self, kind: &str, lane: &str, about: String) {
        let what = (kind.to_owned(), lane.to_owned(), about);
        assert!(self.0.insert(what.clone()), "{what:?} is expected twice");
    }

    /// Each row of the log that is of an order.
    fn rows(&mut self, lane: &str, order: &str, places: &Places) {
        for (seq, row) in &places[order] {
            self.add("logged_fact", lane, format!("frame {seq}, row {row} {order}"));
        }
    }
}

/// Spoils orders of the table, and letters.
async fn spoil_orders(system: &Operated, spoilt: &Spoilt, expected: &mut Expected) {
    let places = places(system, Lane::Orders).await;
    let sql = async |sql: String| system.shards.sql(0, &sql).await;
    sql(format!("delete from orders where order_id in ({})", ids(&spoilt.lost))).await;
    for order in spoilt.lost.iter().map(|&number| id(number)) {
        expected.rows("orders", &order, &places);
        expected.add("origin", "index", order.clone());
        expected.add("origin", "views", order);
    }
    sql(format!("update orders set total = total + 1 where order_id in ({})", ids(&spoilt.changed))).await;
    for order in spoilt.changed.iter().map(|&number| id(number)) {
        expected.rows("orders", &order, &places);
        expected.add("order", "orders", order);
    }
    sql(SUM_ANEW.to_owned()).await;
    for (row, order) in (3..).zip(spoilt.misplaced.iter().map(|&number| id(number))) {
        sql(format!("update dead_letter set stream_seq = 1, row_in_frame = {row} where order_id = '{order}'")).await;
        expected.rows("orders", &order, &places);
    }
}

/// Deletes a frame in the middle of the log, of whose rows none is expected.
async fn spoil_log(system: &Operated, expected: &mut Expected) {
    let is_free = |seq: u64| {
        let row = format!("frame {seq}, ");
        !expected.0.iter().any(|(_, lane, about)| lane == "orders" && about.starts_with(&row))
    };
    let last = system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap().last_seq;
    let seq = (last / 2..last).find(|&seq| is_free(seq)).unwrap();
    let stream = system.jetstream().await.get_stream(system.stream(StreamKind::Logged, 0)).await.unwrap();
    assert!(stream.delete_message(seq).await.unwrap());
    expected.add("log", "", format!("frame {seq} is not in the log"));
}

/// Spoils what was derived, and adds what was not.
async fn spoil_derived(system: &Operated, spoilt: &Spoilt, expected: &mut Expected) {
    let sql = async |sql: &str| system.shards.sql(0, sql).await;
    let (index, views) = (places(system, Lane::Index).await, places(system, Lane::Views).await);
    for (lane, places, numbers, change) in [
        ("index", &index, &spoilt.index_lost, "delete from order_index"),
        ("views", &views, &spoilt.view_lost, "delete from order_views"),
        ("views", &views, &spoilt.view_changed, "update order_views set subtotal = subtotal + 1"),
        ("index", &index, &spoilt.index_changed, "update order_index set ordered_at = ordered_at + interval '1 hour'"),
    ] {
        sql(&format!("{change} where order_id in ({})", ids(numbers))).await;
        for order in numbers.iter().map(|&number| id(number)) {
            expected.add("fact", lane, order.clone());
            expected.rows(lane, &order, places);
            if change.contains("ordered_at") {
                expected.add("origin", lane, order);
            }
        }
    }
    sql("insert into order_index select bucket, tenant, 'SURPLUS', customer_id, ordered_at from order_index limit 1")
        .await;
    let surplus = "(jsonb_populate_record(v, '{\"order_id\": \"SURPLUS\"}')).*";
    sql(&format!("insert into order_views select {surplus} from order_views v limit 1")).await;
    expected.add("origin", "index", "SURPLUS".to_owned());
    expected.add("origin", "views", "SURPLUS".to_owned());
    // What the rows come to now is not what this is about.
    sql(SUM_ANEW).await;
}

async fn what_differs_is_named(name: &str, rows: &[usize], seed: u32) {
    let system = Operated::new(name, 1).await;
    let spoilt = Spoilt::new(seed);
    let refused = ids(&[&spoilt.refused[..], &spoilt.misplaced].concat());
    system
        .shards
        .sql(0, &format!("alter table orders add constraint unlucky check (order_id not in ({refused}))"))
        .await;
    log_orders(&system, rows).await;
    // Of an order that is there already, another one: a conflict, which is a letter; and one again, a duplicate.
    system.log_orders(&[order_at("CUST1", "ORD1", 7, "2025-06-02T00:00:00Z"), orders(2..3).remove(0)]).await;
    system.drained().await;
    let report = system.json(&["verify", "--full"], 0).await;
    let of_orders = report["lanes"].as_array().unwrap().iter().find(|lane| lane["lane"] == "orders").unwrap();
    let frames = system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap().last_seq;
    let figures = ["frames_compared", "rows_in_log", "dead", "duplicate"].map(|figure| &of_orders[figure]);
    assert_eq!(figures, [&json!(frames), &json!(ORDERS + 2), &json!(7), &json!(1)], "{report}");

    let mut expected = Expected::default();
    spoil_orders(&system, &spoilt, &mut expected).await;
    spoil_derived(&system, &spoilt, &mut expected).await;
    spoil_log(&system, &mut expected).await;
    for lane in ["orders", "index", "views"] {
        expected.add("counter", lane, String::new());
    }
    let report = system.json(&["verify", "--full"], 1).await;
    let (expected, found) = (expected.0, named(&report));
    let (missed, surplus): (Vec<_>, Vec<_>) =
        (expected.difference(&found).collect(), found.difference(&expected).collect());
    assert!(missed.is_empty() && surplus.is_empty(), "seed {seed}: not named: {missed:?}; named: {surplus:?}");
    assert_eq!((&report["differences"], &report["pending"]), (&json!(expected.len()), &json!(0)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_among_many_small_frames_is_named_by_frame_and_row() {
    what_differs_is_named("smallframes", &[8, 9, 1, 3], 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_among_few_large_frames_is_named_by_frame_and_row() {
    what_differs_is_named("largeframes", &[420, 300], 2).await;
}
