//! `forebay verify`.

mod rows;

use async_nats::jetstream::stream::Config;
use forebay_model::fact::FramePart;
use forebay_model::{Position, ShardId, StreamKind};
use forebay_testkit::eventually;
use forebay_testkit::order::patched;
use serde_json::{Value, json};

use crate::operating::operated::{Operated, order_at, orders};

async fn full(name: &str, shards: usize, count: u32) -> Operated {
    let system = Operated::new(name, shards).await;
    system.log_orders(&orders(0..count)).await;
    system.drained().await;
    system
}

/// The figures of a lane of shard 0.
fn lane<'a>(report: &'a Value, name: &str) -> &'a Value {
    let lanes = report["lanes"].as_array().unwrap();
    lanes.iter().find(|lane| lane["lane"] == name && lane["shard"] == 0).unwrap()
}

/// The details of what differs, of one kind.
fn details<'a>(report: &'a Value, kind: &str) -> Vec<&'a str> {
    let named = report["named"].as_array().unwrap().iter();
    named.filter(|named| named["kind"] == kind).map(|named| named["detail"].as_str().unwrap()).collect()
}

/// Makes the sums of every hour anew, of the orders that there are.
pub(crate) const SUM_ANEW: &str = "call forebay_sum_anew()";

#[tokio::test(flavor = "multi_thread")]
async fn nothing_differs_in_a_system_that_nobody_has_broken() {
    let system = full("clean", 3, 300).await;
    system.log_orders(&orders(100..200)).await;
    system.drained().await;
    let report = system.json(&["verify", "--full"], 0).await;
    assert_eq!((&report["differences"], &report["orders_checked"]), (&json!(0), &json!(300)), "{report}");
    assert_eq!((&report["views_checked"], &report["index_entries_checked"]), (&json!(300), &json!(300)));
    assert_eq!((&report["facts_checked"], &report["order_times_checked"]), (&json!(900), &json!(300)));
    let lanes = report["lanes"].as_array().unwrap();
    assert_eq!(lanes.len(), 15);
    assert!(lanes.iter().all(|lane| lane["log_is_whole"] == true), "{report}");
    let rows = |lane: &str, name: &str| {
        let of_lane = lanes.iter().filter(|figures| figures["lane"] == lane);
        of_lane.map(|figures| figures[name].as_u64().unwrap()).sum::<u64>()
    };
    let of_lane = |lane| (rows(lane, "rows_in_log"), rows(lane, "stored"), rows(lane, "duplicate"));
    assert_eq!(of_lane("orders"), (400, 300, 100), "{report}");
    for derived in ["index", "views"] {
        let (logged, stored, duplicate) = of_lane(derived);
        assert!(stored == 300 && logged == stored + duplicate, "{report}");
    }
    let ran = system.run(&["verify", "--sample", "10"]).await;
    assert!(ran.code == Some(0) && ran.stdout.ends_with("No differences.\n"), "{ran:?}");
    let ran = system.run(&["verify", "--sample", "10", "--shard", "1"]).await;
    let said = "No differences on shard 1, the only one that was looked at.\n";
    assert!(ran.code == Some(0) && ran.stdout.ends_with(said), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_or_changed_is_named() {
    let system = full("broken", 2, 60).await;
    system.shards.sql_everywhere("delete from order_index where order_id = 'ORD5'").await;
    let report = system.json(&["verify"], 1).await;
    assert_eq!(details(&report, "counter").len(), 1, "{report}");
    let facts = details(&report, "fact");
    assert!(
        facts[0].starts_with("the index entry of order ORD5 of customer CUST5 at 2025-06-06T00:00:00Z is missing"),
        "{facts:?}"
    );
    let lost = details(&report, "logged_fact");
    assert!(lost[0].contains("of order ORD5 of customer CUST5") && lost[0].contains("is not stored"), "{lost:?}");

    system.shards.sql_everywhere("update order_views set subtotal = subtotal + 1 where order_id = 'ORD6'").await;
    let report = system.json(&["verify"], 1).await;
    let facts = details(&report, "fact");
    assert!(facts.iter().any(|fact| fact.contains("subtotal is 213 and should be 212")), "{facts:?}");

    system.shards.sql_everywhere("update orders set total = 7 where order_id = 'ORD8'").await;
    let report = system.json(&["verify"], 1).await;
    let orders = details(&report, "order");
    assert!(orders[0].contains("ORD8") && orders[0].contains("total is 7 and should be 216"), "{orders:?}");
    let sums: Vec<_> = details(&report, "sum").into_iter().filter(|sum| !sum.contains(" sees ")).collect();
    assert!(
        sums.len() == 1 && sums[0].contains("said to come to 488 EUR, and there are 2, which come to 279"),
        "{sums:?}"
    );

    system.shards.sql_everywhere("delete from orders where order_id = 'ORD9'").await;
    let report = system.json(&["verify"], 1).await;
    let origins = details(&report, "origin");
    let order = "has order ORD9 of customer CUST9 at 2025-06-10T00:00:00Z, which is not stored";
    assert!(origins.contains(&&*format!("view seller S4 {order}")), "{origins:?}");
    assert!(origins.contains(&&*format!("an index entry {order}")) && origins.len() == 2, "{origins:?}");

    system.shards.sql_everywhere("update order_views set key = 'S77' where order_id = 'ORD10'").await;
    let report = system.json(&["verify"], 1).await;
    let origins = details(&report, "origin");
    assert!(origins.iter().any(|origin| origin.contains("S77") && origin.contains("has no such key")), "{origins:?}");
    let text = system.run(&["verify"]).await;
    assert!(text.code == Some(1) && text.stdout.contains("! shard"), "{text:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn counters_that_disagree_with_the_log_are_named() {
    let system = full("counters", 1, 30).await;
    system.shards.sql(0, "update lane_tally set rows_duplicate = rows_duplicate + 1 where lane = 'views'").await;
    let report = system.json(&["verify"], 1).await;
    assert_eq!(report["differences"], 1, "{report}");
    let log = details(&report, "log");
    let rows = lane(&report, "views")["rows_in_log"].as_u64().unwrap();
    let (logged, counted) = (format!("the log has {rows} rows"), format!("and {} were counted", rows + 1));
    assert!(log[0].contains(&logged) && log[0].contains(&counted), "{log:?}");
    assert_eq!((&report["named"][0]["lane"], &report["named"][0]["stream"]), (&json!("views"), &Value::Null));
    // Once the log is trimmed that cannot be seen any more, and it says so.
    let stream = StreamKind::Derived.on(ShardId(0));
    let last = system.log.stream_state(stream).await.unwrap().last();
    system.log_orders(&orders(30..31)).await;
    system.drained().await;
    system.log.trim(stream, Position { seq: last.seq + 1, ..last }).await.unwrap();
    let report = system.json(&["verify"], 0).await;
    let views = lane(&report, "views");
    assert_eq!((&views["log_is_whole"], &views["rows_in_log"]), (&json!(false), &json!(1)), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_whose_time_is_not_noted_as_it_is_may_be_stored_twice_and_is_named() {
    let system = full("times", 1, 30).await;
    // An id that Forebay assigns tells its time.
    let assigned = order_at("CUST1", "", 1, "2025-06-30T00:00:00Z").replace("\"order_id\":\"\",", "");
    system.log_orders(&[assigned]).await;
    system.drained().await;
    for depth in ["--full", "--sample=1000"] {
        let report = system.json(&["verify", depth], 0).await;
        let times = (&report["order_times_checked"], &report["order_times_without_order"]);
        assert_eq!(times, (&json!(30), &json!(0)), "{report}");
    }
    system.shards.sql(0, "delete from order_time where order_id = 'ORD5'").await;
    system.shards.sql(0, "update order_time set ordered_at = '2025-01-01T00:00:00Z' where order_id = 'ORD6'").await;
    for depth in ["--full", "--sample=1000"] {
        let report = system.json(&["verify", depth], 1).await;
        let mut times = details(&report, "order_time");
        times.sort_unstable();
        let ord5 = "order ORD5 of customer CUST5 at 2025-06-06T00:00:00Z has no row in order_time: \
            its id could be stored again at another time";
        let ord6 = "order ORD6 of customer CUST6 at 2025-06-07T00:00:00Z is stored, \
            and order_time has 2025-01-01T00:00:00Z for it";
        assert_eq!(times, [ord5, ord6], "{report}");
        assert_eq!((&report["differences"], &report["order_times_without_order"]), (&json!(2), &json!(1)), "{report}");
    }

    system.log_orders(&[order_at("CUST5", "ORD5", 105, "2025-07-01T00:00:00Z")]).await;
    system.drained().await;
    assert_eq!(system.shards.sql(0, "select count(*) from orders where order_id = 'ORD5'").await, "2");
    let named = async |depth: &str, detail: &str| {
        let report = system.json(&["verify", depth], 1).await;
        let times = details(&report, "order_time");
        assert!(times.len() == 2 && times.contains(&detail), "{times:?}");
    };
    named(
        "--full",
        "order ORD5 of customer CUST5 is stored 2 times, between 2025-06-06T00:00:00Z and 2025-07-01T00:00:00Z",
    )
    .await;
    named(
        "--sample=1000",
        "order ORD5 of customer CUST5 at 2025-06-06T00:00:00Z is stored twice: at 2025-07-01T00:00:00Z as well",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_read_hides_none_behind_it() {
    let system = Operated::new("unread", 1).await;
    let [first, second, third] = [0, 1, 2].map(|number| system.parts(&orders(number..number + 1)).remove(0));
    let spoilt = patched(second.tuples, b"\x01[", b"\x02[");
    system.log_part(FramePart { rows: 3, tuples: [&first.tuples[..], &spoilt, &third.tuples].concat(), ..first }).await;
    system.drained().await;
    let report = system.json(&["verify", "--full"], 0).await;
    let of_orders = lane(&report, "orders");
    assert_eq!((&of_orders["stored"], &of_orders["dead"]), (&json!(2), &json!(1)), "{report}");

    system.shards.sql(0, "delete from orders where order_id = 'ORD2'").await;
    let report = system.json(&["verify", "--full"], 1).await;
    let lost = details(&report, "logged_fact");
    assert!(lost.len() == 1 && lost[0].starts_with("frame 1, row 2"), "{lost:?}");
    system.shards.sql(0, "delete from dead_letter").await;
    let report = system.json(&["verify", "--full"], 1).await;
    let lost = details(&report, "logged_fact");
    assert!(lost.iter().any(|lost| lost.contains("row 1 cannot be read, and is no dead letter")), "{lost:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_the_log_should_have_are_named_when_they_are_gone() {
    let mut system = Operated::new("gaps", 1).await;
    for number in 0..10 {
        system.log_orders(&orders(number..number + 1)).await;
    }
    system.drained().await;
    system.stop_writer().await;
    let jetstream = system.jetstream().await;
    // The log is trimmed behind the position, up to all of it: that is as it should be.
    jetstream.get_stream(system.stream(StreamKind::Derived, 0)).await.unwrap().purge().await.unwrap();
    let last = system.log.stream_state(StreamKind::Logged.on(ShardId(0))).await.unwrap().last();
    system.log.trim(StreamKind::Logged.on(ShardId(0)), Position { seq: 2, ..last }).await.unwrap();
    system.json(&["verify"], 0).await;

    let stream = jetstream.get_stream(system.stream(StreamKind::Logged, 0)).await.unwrap();
    for seq in [4, 5] {
        assert!(stream.delete_message(seq).await.unwrap());
    }
    let report = system.json(&["verify"], 1).await;
    let log = details(&report, "log");
    assert!(log.len() == 1 && log[0].starts_with("frames 4 to 5 are not in the log, behind the position"), "{log:?}");
    assert_eq!((&report["named"][0]["stream"], &report["named"][0]["lane"]), (&json!("logged"), &Value::Null));
    let orders_lane = lane(&report, "orders");
    assert_eq!((&orders_lane["log_is_whole"], &orders_lane["rows_in_log"]), (&json!(false), &json!(7)), "{report}");

    // Ahead of the position: in the middle, and at the front.
    for number in 10..15 {
        system.log_orders(&orders(number..number + 1)).await;
    }
    stream.purge().sequence(13).await.unwrap();
    assert!(stream.delete_message(14).await.unwrap());
    let report = system.json(&["verify"], 1).await;
    let log = details(&report, "log");
    assert_eq!(log.len(), 2, "{log:?}");
    assert!(log[0].starts_with("frames 11 to 12 are not in the log, ahead of the position"), "{log:?}");
    assert!(log[0].ends_with("see `forebay log accept-loss logged 0`"), "{log:?}");
    assert!(log[1].starts_with("frame 14 is not in the log, ahead of the position"), "{log:?}");
}

/// `index backfill` logs the right row again, which is a conflict with what stands in its place: that makes nothing right.
#[tokio::test(flavor = "multi_thread")]
async fn an_altered_row_stays_a_difference_when_the_right_one_is_logged_again() {
    let system = full("altered", 1, 20).await;
    system.shards.sql(0, "update order_views set subtotal = subtotal + 1 where order_id = 'ORD6'").await;
    system.shards.sql(0, "update order_views set key = 'S77' where order_id = 'ORD10'").await;
    system.shards.sql(0, "update order_index set ordered_at = '2025-01-01T00:00:00Z' where order_id = 'ORD7'").await;
    let ran = system.run(&["index", "backfill", "--restart"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    system.drained().await;
    let letters = "select string_agg(lane || ' ' || reason || ' ' || order_id, ', ' order by id) from dead_letter";
    let letters = system.shards.sql(0, letters).await;
    assert!(letters.contains("views conflict ORD6") && letters.contains("index conflict ORD7"), "{letters}");

    let report = system.json(&["verify", "--full"], 1).await;
    let facts = details(&report, "fact");
    assert!(facts.iter().any(|fact| fact.contains("subtotal is 213 and should be 212")), "{facts:?}");
    assert!(facts.iter().any(|fact| fact.starts_with("the index entry of order ORD7")), "{facts:?}");
    let origins = details(&report, "origin");
    assert!(origins.len() == 2 && origins[0].contains("view seller S77 has order ORD10"), "{origins:?}");
    assert!(origins[1].starts_with("an index entry has order ORD7 of customer CUST7 at 2025-01-01"), "{origins:?}");
    assert_eq!(report["explained"], 0, "{report}");
    // A conflict is no reason for a row to be missing, either.
    system.shards.sql(0, "delete from order_views where order_id = 'ORD6'").await;
    let report = system.json(&["verify", "--full"], 1).await;
    let facts = details(&report, "fact");
    assert!(
        facts.iter().any(|fact| fact.starts_with("a view of order ORD6") && fact.contains("is missing")),
        "{facts:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conflict_and_a_refused_order_leave_nothing_in_index_and_views() {
    let system = Operated::new("nothingleft", 2).await;
    let at = "2025-06-30T12:30:00Z";
    system.shards.sql_everywhere("alter table orders add constraint unlucky check (order_id <> 'R')").await;
    system.shards.sql_everywhere("alter table order_index add constraint unlucky check (order_id <> 'E')").await;
    // The same seller with another content; another seller; another time; refused by the customer's shard, and by the index's.
    system
        .log_orders(&[order_at("C1", "A", 100, at), order_at("C1", "B", 100, at), order_at("C1", "D", 100, at)])
        .await;
    system.log_orders(&[order_at("C1", "A", 105, at), order_at("C1", "B", 101, at)]).await;
    system.log_orders(&[order_at("C1", "D", 100, "2025-07-01T00:00:00Z"), order_at("C1", "R", 100, at)]).await;
    system.log_orders(&[order_at("C2", "E", 7, at)]).await;
    system.drained().await;
    let letters =
        ["orders", "index", "views"].map(|lane| format!("select count(*) from dead_letter where lane = '{lane}'"));
    let mut died = Vec::new();
    for letters in &letters {
        died.push(system.shards.sum(letters).await);
    }
    assert_eq!(died, [4, 1, 0]);
    for (table, rows) in [("orders", 4), ("order_index", 3), ("order_views", 4)] {
        assert_eq!(system.shards.sum(&format!("select count(*) from {table}")).await, rows, "{table}");
    }
    // Only the refused fact is missing, and with reason.
    let report = system.json(&["verify", "--full"], 0).await;
    assert_eq!(report["explained"], 1, "{report}");

    // What only seems to be of the second order is not.
    system.shards.sql_everywhere("update order_views set subtotal = subtotal + 10 where order_id = 'A'").await;
    let report = system.json(&["verify", "--full"], 1).await;
    let facts = details(&report, "fact");
    assert!(facts.len() == 1 && facts[0].contains("subtotal is 210 and should be 200"), "{facts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_owed_is_pending_and_no_difference() {
    let system = full("owed", 2, 40).await;
    let jetstream = system.jetstream().await;
    let stream = jetstream.get_stream(system.stream(StreamKind::Derived, 1)).await.unwrap();
    let config = stream.cached_info().config.clone();
    let full_stream = Config { max_bytes: 1, ..config.clone() };
    jetstream.update_stream(&full_stream).await.unwrap();
    system.log_orders(&orders(40..80)).await;
    system.stored().await;
    let owing = |figures: &Value| {
        let owed = figures["shards"].as_array().unwrap().iter().map(|shard| &shard["derived"][1]["frames_owed"]);
        owed.filter(|frames| frames.as_u64().is_some_and(|frames| frames > 0)).count()
    };
    eventually("both shards owe shard 1", async || {
        let figures = system.json(&["shards"], 0).await;
        let paid = figures["shards"].as_array().unwrap().iter().all(|shard| shard["derived"][0]["frames_owed"] == 0);
        (owing(&figures) == 2 && paid, figures.to_string())
    })
    .await;
    let ran = system.run(&["shards"]).await;
    assert!(ran.stdout.contains("Shard 0 owes shard 1 what follows from "), "{ran:?}");
    let report = system.json(&["verify", "--full", "--wait", "1"], 2).await;
    assert!(report["differences"] == 0 && report["pending"].as_u64().unwrap() > 0, "{report}");
    assert!(report["notes"].to_string().contains("shard 1 owes shard 1 what follows from its orders"), "{report}");

    jetstream.update_stream(&config).await.unwrap();
    system.drained().await;
    let report = system.json(&["verify", "--full"], 0).await;
    assert_eq!((&report["orders_checked"], &report["pending"]), (&json!(80), &json!(0)), "{report}");
    assert_eq!(owing(&system.json(&["shards"], 0).await), 0);
}

/// A shard that was restored, and whose log does not hold all that had been stored since, leaves views of orders that it has not.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_derived_of_orders_that_were_lost_is_accounted_for_once_the_loss_is_accepted() {
    let system = full("lostorders", 1, 20).await;
    system.shards.sql(0, "delete from orders where order_id = 'ORD9'").await;
    system.shards.sql(0, "delete from order_time where order_id = 'ORD9'").await;
    system.shards.sql(0, "update lane_tally set rows_stored = rows_stored - 1 where lane = 'orders'").await;
    system.shards.sql(0, SUM_ANEW).await;
    let report = system.json(&["verify"], 1).await;
    assert_eq!((details(&report, "origin").len(), &report["explained"]), (2, &json!(0)), "{report}");
    system.jetstream().await.delete_stream(system.stream(StreamKind::Logged, 0)).await.unwrap();
    assert_eq!(system.run(&["migrate"]).await.code, Some(0));
    assert_eq!(system.run(&["log", "accept-loss", "logged", "0", "--yes"]).await.code, Some(0));
    system.drained().await;
    let report = system.json(&["verify", "--full"], 0).await;
    assert_eq!(report["explained"], 2, "{report}");
}

/// Purged letters explain that rows are missing; they must not explain more than that.
#[tokio::test(flavor = "multi_thread")]
async fn a_purged_letter_explains_one_missing_row_and_no_other_content() {
    let system = Operated::new("purged", 1).await;
    system
        .shards
        .sql(0, "alter table order_index add constraint unlucky check (order_id not in ('ORD7', 'ORD8'))")
        .await;
    for number in 0..20 {
        system.log_orders(&orders(number..number + 1)).await;
        // So that what follows from each has frames of its own.
        system.drained().await;
    }
    system.shards.sql(0, "alter table order_index drop constraint unlucky").await;
    let purged = system.json(&["dead", "purge", "--all", "--unrequeued"], 0).await;
    assert_eq!(purged["purged"], 2, "{purged}");
    // The orders' entries are missing; that their rows of the log are is explained.
    let report = system.json(&["verify", "--full"], 1).await;
    assert_eq!((details(&report, "fact").len(), &report["differences"]), (2, &json!(2)), "{report}");
    assert!(report["notes"].to_string().contains("are neither stored nor dead letters"), "{report}");

    system
        .shards
        .sql(0, "update order_index set ordered_at = ordered_at - interval '1 day' where order_id = 'ORD3'")
        .await;
    let report = system.json(&["verify", "--full"], 1).await;
    let other = "row 0 of order ORD3 of customer CUST3 at 2025-06-04T00:00:00Z is stored with other content";
    let logged = details(&report, "logged_fact");
    assert!(logged.len() == 1 && logged[0].contains(other), "{logged:?}");

    // Both letters are used up by the rows that they stood for.
    system.shards.sql(0, "delete from order_index where order_id = 'ORD9'").await;
    let report = system.json(&["verify", "--full"], 1).await;
    let logged = details(&report, "logged_fact");
    assert!(logged.len() == 2 && logged[1].contains("row 0 of order ORD9"), "{logged:?}");
    assert!(logged[1].contains("is not stored"), "{logged:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_may_flow_meanwhile() {
    let system = full("flowing", 2, 100).await;
    let flow = async {
        for round in 1..20 {
            system.log_orders(&orders(round * 100..(round + 1) * 100)).await;
        }
    };
    let verify = async {
        for _ in 0..2 {
            system.json(&["verify", "--full"], 0).await;
        }
    };
    tokio::join!(flow, verify);
    system.drained().await;
    assert_eq!(system.json(&["verify", "--full"], 0).await["orders_checked"], 2000);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_looked_at_has_an_exit_code_of_its_own() {
    let system = full("undecided", 1, 10).await;
    let nats = format!("nats://127.0.0.1:{}", forebay_stack::free_ports(1)[0]);
    let ran = crate::forebay::Forebay::new().run(&["verify", "--nats", &nats]).await;
    assert!(ran.code == Some(2) && ran.stderr.contains("cannot be verified"), "{ran:?}");
    let ran = system.run(&["verify", "--shard", "7"]).await;
    assert_eq!(ran.code, Some(64), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_shards_that_are_away_nothing_is_said_to_agree() {
    let mut system = full("away", 2, 10).await;
    system.stop_writer().await;
    system.shards.urls[1] = format!("postgres://forebay@127.0.0.1:{}/forebay", forebay_stack::free_ports(1)[0]);
    let ran = system.run(&["verify"]).await;
    let said = "\nNo differences in what was looked at; not looked at to its end: shard 0, 1.\n";
    assert!(ran.code == Some(2) && ran.stdout.ends_with(said), "{ran:?}");
    assert!(ran.stderr.contains("cannot be verified to its end: shard 1: "), "{ran:?}");
    let report = system.json(&["verify"], 2).await;
    assert_eq!((&report["differences"], &report["unfinished"][1]["shard"]), (&json!(0), &json!(1)), "{report}");
}
