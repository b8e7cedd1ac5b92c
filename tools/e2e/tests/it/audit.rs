use std::sync::Arc;
use std::time::{Duration, Instant};

use forebay_e2e::System;
use forebay_e2e::audit::Audit;
use forebay_e2e::audit::known::{Known, KnownDeadLetter};
use forebay_e2e::load::answers::Answers;
use forebay_e2e::load::ledger::{Ledger, Outcome};
use forebay_e2e::load::maker::Maker;
use forebay_e2e::load::{Load, LoadSettings};
use forebay_model::Lane;
use forebay_stack::{Durability, ServiceName};
use rand::SeedableRng;
use rand::rngs::StdRng;

const DEADLINE: Duration = Duration::from_secs(30);

/// What can lie there that belongs to no order: how it comes there, how it goes, and what is said of it.
const STRAYS: &[(&str, &str, &str)] = &[
    (
        "create table kept_entry as select * from order_index; update order_index set order_id = 'O-none' where order_id = (select min(order_id) from order_index)",
        "delete from order_index; insert into order_index select * from kept_entry",
        "has an index entry and no order",
    ),
    (
        "create table kept_view as select * from order_views; update order_views set order_id = 'O-none' where order_id = (select min(order_id) from order_views)",
        "delete from order_views; insert into order_views select * from kept_view",
        "has a view and no order",
    ),
    (
        "update order_views set ordered_at = ordered_at + interval '1 us' where order_id = (select min(order_id) from order_views)",
        "update order_views set ordered_at = ordered_at - interval '1 us' where order_id = (select min(order_id) from order_views)",
        "do not see it as it is",
    ),
    (
        "update order_index set ordered_at = ordered_at + interval '1 us' where order_id = (select min(order_id) from order_index)",
        "update order_index set ordered_at = ordered_at - interval '1 us' where order_id = (select min(order_id) from order_index)",
        "is found by its id at another time than its own",
    ),
    (
        "update order_time set ordered_at = ordered_at + interval '1 s' where order_id = (select min(order_id) from order_time)",
        "update order_time set ordered_at = ordered_at - interval '1 s' where order_id = (select min(order_id) from order_time)",
        "in order_time of shard 0",
    ),
    (
        "create table kept_time as select * from order_time; delete from order_time where order_id = (select min(order_id) from order_time)",
        "insert into order_time select * from kept_time on conflict do nothing",
        "is not in order_time of shard 0",
    ),
    (
        "insert into order_time values (1, '', 'O-none', 'C0001', now())",
        "delete from order_time where order_id = 'O-none'",
        "has no order and is in order_time of shard 0",
    ),
    (
        "update lane_tally set rows_duplicate = rows_duplicate + 1 where lane = 'orders'",
        "update lane_tally set rows_duplicate = rows_duplicate - 1 where lane = 'orders'",
        "lane orders counts 1 duplicates, and 0 to 0 rows were logged once more",
    ),
    (
        "insert into dead_letter (lane, incarnation, stream_seq, row_in_frame, rows, reason, detail, tuple, epoch) \
         values ('index', 1, 7, 0, 1, 'refused', 'x', '', 1)",
        "delete from dead_letter",
        "a dead letter that there should not be",
    ),
];

/// Compares until the comparison finds what is expected.
async fn audited(system: &System, ledger: &Ledger, is_expected: impl Fn(&Audit) -> bool) -> Audit {
    let begun = Instant::now();
    loop {
        let audit = Audit::of(ledger, system, &Known::default()).await.unwrap();
        if is_expected(&audit) {
            return audit;
        }
        assert!(begun.elapsed() < DEADLINE, "{:#?}", audit.findings());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_lost_doubled_or_changed_is_seen() {
    let system = System::start(2, Durability::Fast, &[]).await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let ledger = Arc::new(Ledger::new(dir.path().join("ledger")).unwrap());
    let answers = Arc::new(Answers::default());
    let load = Load::start(&system.url(ServiceName::Ingest, ""), &ledger, &answers, &LoadSettings::steady(3)).unwrap();
    while ledger.counts().accepted < 200 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    load.stop().await.unwrap();
    system.wait_until_settled().await.unwrap();
    let clean = audited(&system, &ledger, |audit| audit.is_clean() && audit.stored > 0).await;
    assert_eq!((clean.stored, clean.dead), (ledger.counts().accepted, 0));

    let an_order = "(select order_id from orders where order_id like 'O-%' limit 1)";
    let spoil = async |statement: String| system.stack.sql(0, &statement).await.unwrap();
    let faults = async || Audit::of(&ledger, &system, &Known::default()).await.unwrap().findings().join("\n");

    for (fault, undo, told) in STRAYS {
        spoil((*fault).to_owned()).await;
        assert!(faults().await.contains(told), "{told}: {}", faults().await);
        spoil((*undo).to_owned()).await;
        assert_eq!(faults().await, "", "after {undo}");
    }
    let letter = KnownDeadLetter { shard: 0, lane: Lane::Orders, seq: 7, reason: "refused".to_owned() };
    let known = Known { dead_letters: vec![letter], ..Known::default() };
    let missing = Audit::of(&ledger, &system, &known).await.unwrap().findings().join("\n");
    assert!(missing.contains("a dead letter is missing"), "{missing}");

    spoil("create table kept as select * from orders".to_owned()).await;
    spoil(format!("update orders set items = jsonb_set(items, '{{0,price}}', '7000001') where order_id = {an_order}"))
        .await;
    assert!(faults().await.contains("is stored with another items"), "{}", faults().await);
    spoil("delete from orders; insert into orders select * from kept".to_owned()).await;
    assert_eq!(faults().await, "");

    // A seller's view, where nobody looks for it.
    let of_shard_1 = async |sql: &str| system.stack.sql(1, sql).await.unwrap().trim().to_owned();
    let key = of_shard_1("select min(key) from order_views").await;
    let view = of_shard_1(&format!("select order_views from order_views where key = '{key}' limit 1")).await;
    spoil(format!("insert into order_views select ('{}'::order_views).*", view.replace('\'', "''"))).await;
    assert!(faults().await.contains("lies on shard 0, where nobody looks for it"), "{}", faults().await);
    spoil(format!("delete from order_views where key = '{key}'")).await;
    assert_eq!(faults().await, "");

    // The same order of another customer, as if it had been routed twice.
    spoil(format!("insert into orders select bucket, tenant, 'C-other', ordered_at, order_id, kind, currency, total, place_seq, place_log, status, items, attributes from orders where order_id = {an_order}")).await;
    assert!(faults().await.contains("doubled 1: "), "{}", faults().await);
    spoil("delete from orders where customer_id = 'C-other'".to_owned()).await;

    spoil("update lane_tally set rows_stored = rows_stored - 1 where lane = 'orders'".to_owned()).await;
    assert!(faults().await.contains("lane orders of shard 0 holds"), "{}", faults().await);

    spoil(format!("delete from orders where order_id = {an_order}")).await;
    assert!(faults().await.contains("lost 1: "), "{}", faults().await);

    for shard in 0..2 {
        system.stack.sql(shard, "delete from order_views").await.unwrap();
    }
    assert!(faults().await.contains("do not see it as it is"), "{}", faults().await);
    for shard in 0..2 {
        system.stack.sql(shard, "delete from order_index").await.unwrap();
    }
    assert!(faults().await.contains("is stored and not found by its id"), "{}", faults().await);

    // An order that was never sent.
    spoil(
        "update orders set attributes = attributes - 'mark' where order_id = (select min(order_id) from orders)"
            .to_owned(),
    )
    .await;
    assert!(faults().await.contains("was never sent"), "{}", faults().await);
    system.stop().await.unwrap();
}

#[test]
fn of_two_outcomes_the_worse_one_for_us_counts() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = Ledger::new(dir.path().join("ledger")).unwrap();
    let made = Maker::new("m", StdRng::seed_from_u64(1)).make(true);
    ledger.sending(std::slice::from_ref(&made)).unwrap();
    assert_eq!(ledger.counts().unknown, 1);
    for (outcome, expected) in [
        (Outcome::Refused, Outcome::Refused),
        (Outcome::Unknown, Outcome::Unknown),
        (Outcome::Refused, Outcome::Unknown),
        (Outcome::Accepted, Outcome::Accepted),
        (Outcome::Unknown, Outcome::Accepted),
    ] {
        ledger.settle(&made.mark, outcome).unwrap();
        assert_eq!(ledger.entries()[&made.mark].outcome, Some(expected));
    }
}
