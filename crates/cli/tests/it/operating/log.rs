//! `forebay log`.

use forebay_model::fact::FramePart;
use forebay_model::{Lane, ShardId, StreamKind};
use forebay_testkit::eventually;
use forebay_testkit::log::{frame, publish_damaged, publish_of_format};
use serde_json::{Value, json};

use crate::operating::operated::{Operated, order, orders};

const SHARD: ShardId = ShardId(0);

/// Waits until the logged stream is not read on, as a writer tells its operators.
async fn halted(system: &Operated) -> Value {
    let mut loss = Value::Null;
    eventually("a loss is seen", async || {
        let ran = system.run(&["log", "accept-loss", "logged", "0", "--json"]).await;
        loss = serde_json::from_str(&ran.stdout).unwrap_or_default();
        (ran.code == Some(1) && loss["loss"].is_string(), format!("{ran:?}"))
    })
    .await;
    loss
}

async fn orders_are(system: &Operated, count: u64) {
    eventually(&format!("{count} orders are stored"), async || {
        let orders = system.shards.sum("select count(*) from orders").await;
        (orders == count, orders.to_string())
    })
    .await;
    system.drained().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_are_shown_decoded_and_bad_ones_as_what_is_wrong_with_them() {
    let system = Operated::idle("logshow", 1).await;
    system.log_orders(&[order("C1", "O1", 100), order("C2", "O2", 200)]).await;
    let jetstream = system.jetstream().await;
    let subject = system.log.settings().name.subject(Lane::Orders, SHARD);
    jetstream.publish(subject, "not a frame".into()).await.unwrap().await.unwrap();
    let part = system.parts(&[order("C3", "O3", 100)]).remove(0);
    let torn = [&part.tuples[..], &part.tuples[..9]].concat();
    system.log_part(FramePart { rows: 2, tuples: torn, ..part }).await;

    let ran = system.run(&["log", "show", "logged", "0", "--json"]).await;
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let frames: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(frames.iter().map(|frame| frame["seq"].as_u64().unwrap()).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((&frames[0]["rows"], &frames[0]["fault"]), (&json!(2), &Value::Null));
    assert_eq!(frames[0]["facts"][1]["items"], json!([{"sku": "A", "quantity": 2, "price": 200, "seller_id": "S0"}]));
    assert_eq!(frames[0]["facts"][0]["attributes"], json!({"note": "O1"}));
    assert!(frames[1]["fault"].as_str().unwrap().starts_with("this is no frame: the header Forebay-Format"), "{ran:?}");
    assert_eq!(frames[1]["unreadable"], "11 bytes: 6e6f742061206672616d65");
    assert_eq!((&frames[2]["facts"][0]["order_id"], frames[2]["facts"].as_array().unwrap().len()), (&json!("O3"), 1));
    assert!(frames[2]["fault"].as_str().unwrap().starts_with("row 1 cannot be read"), "{ran:?}");

    let text = system.run(&["log", "show", "orders", "0", "--from", "2", "--limit", "1"]).await.stdout;
    assert!(text.starts_with("frame 2") && text.contains("! this is no frame") && !text.contains("frame 3"), "{text}");
    let last = system.run(&["log", "show", "logged", "0", "--limit", "1"]).await.stdout;
    assert!(last.starts_with("frame 3"), "{last}");
    let ran = system.run(&["log", "show", "orders", "0", "--from", "9"]).await;
    assert_eq!((ran.code, ran.stderr.trim()), (Some(1), "forebay: the stream ends at frame 3"));
    let ran = system.run(&["log", "show", "order", "0"]).await;
    assert!(ran.code == Some(64) && ran.stderr.contains("and the streams are logged and derived"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_frames_of_a_lane_are_found_among_those_of_another() {
    let system = Operated::idle("logshowlane", 1).await;
    let log = async |lane, numbers| {
        for number in numbers {
            for part in system.derived(lane, &orders(number..number + 1)) {
                system.log_part(part).await;
            }
        }
    };
    log(Lane::Index, 0..3).await;
    log(Lane::Views, 0..20).await;
    log(Lane::Index, 3..4).await;
    log(Lane::Views, 20..22).await;
    let shown = async |command: &[&str]| -> Vec<(u64, String)> {
        let ran = system.run(&[&["log", "show"], command, &["--json"]].concat()).await;
        let frames = ran.stdout.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        frames.map(|frame| (frame["seq"].as_u64().unwrap(), frame["lane"].as_str().unwrap().to_owned())).collect()
    };
    let of = |lane: &str, seqs: &[u64]| seqs.iter().map(|&seq| (seq, lane.to_owned())).collect::<Vec<_>>();
    assert_eq!(shown(&["index", "0", "--limit", "1"]).await, of("index", &[24]));
    assert_eq!(shown(&["index", "0", "--limit", "3"]).await, of("index", &[2, 3, 24]));
    assert_eq!(shown(&["index", "0"]).await, of("index", &[1, 2, 3, 24]));
    assert_eq!(shown(&["index", "0", "--from", "2", "--limit", "2"]).await, of("index", &[2, 3]));
    assert_eq!(shown(&["views", "0", "--limit", "2"]).await, of("views", &[25, 26]));
    let both = [of("index", &[24]), of("views", &[25, 26])].concat();
    assert_eq!(shown(&["derived", "0", "--limit", "3"]).await, both);
    let text = system.run(&["log", "show", "index", "0", "--limit", "1"]).await.stdout;
    assert!(text.starts_with("frame 24  index  "), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_goes_on_after_its_stream_was_deleted() {
    let system = Operated::new("deleted", 1).await;
    system.log_orders(&orders(0..50)).await;
    system.drained().await;
    let ran = system.run(&["log", "accept-loss", "logged", "0"]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("nothing is lost"), "{ran:?}");

    system.jetstream().await.delete_stream(system.stream(StreamKind::Logged, 0)).await.unwrap();
    let ran = system.run(&["log", "accept-loss", "logged", "0"]).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("`forebay migrate`"), "{ran:?}");
    assert_eq!(system.run(&["migrate"]).await.code, Some(0));
    system.log_orders(&orders(50..80)).await;
    let loss = halted(&system).await;
    assert_eq!(
        (&loss["loss"], &loss["accepted"], &loss["log"]["last_seq"]),
        (&json!("made_anew"), &json!(false), &json!(1))
    );
    let report = system.json(&["verify"], 1).await;
    assert!(report.to_string().contains("see `forebay log accept-loss logged 0`"), "{report}");
    assert_eq!(system.shards.sum("select count(*) from orders").await, 50);

    let ran = system.run(&["log", "accept-loss", "logged", "0", "--yes"]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("Accepted: it is read on behind"), "{ran:?}");
    orders_are(&system, 80).await;
    // From the accepted loss on, log and counters are counted together again.
    let report = system.json(&["verify", "--full"], 0).await;
    let lane = report["lanes"].as_array().unwrap().iter().find(|lane| lane["lane"] == "orders").unwrap();
    assert_eq!((&lane["log_is_whole"], &lane["rows_in_log"], &lane["stored"]), (&json!(true), &json!(30), &json!(80)));
    assert_eq!(
        system.shards.sql(0, "select before_seq, after_seq, rows_stored from log_loss where lane = 'orders'").await,
        "1|0|50"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_goes_on_after_its_stream_lost_its_tail_and_gave_out_its_numbers_again() {
    let mut system = Operated::new("losttail", 1).await;
    system.log_orders(&orders(0..50)).await;
    system.drained().await;
    system.stop_writer().await;
    // As if three frames had been read that the stream has lost: their numbers are given to others.
    system
        .shards
        .sql(0, "update stream_position set stream_seq = stream_seq + 3, frame_id = 'gone' where stream = 'logged'")
        .await;
    for number in 50..55 {
        system.log_orders(&orders(number..number + 1)).await;
    }
    system.start_writer().await;
    let before = system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap();
    assert_eq!(halted(&system).await["loss"], "lost_tail");
    let accepted = system.json(&["log", "accept-loss", "logged", "0", "--yes"], 0).await;
    assert_eq!(accepted["accepted"], true, "{accepted}");
    orders_are(&system, 55).await;

    let after = system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap();
    assert!(after.incarnation > before.incarnation && after.last_seq == before.last_seq, "{before:?} {after:?}");
    assert_eq!(
        system.shards.sql(0, "select rows_stored, rows_duplicate from lane_tally where lane = 'orders'").await,
        "55|50"
    );
    // The renewed stream takes frames, is read on after a restart, and can be prepared again.
    system.stop_writer().await;
    system.log_orders(&orders(55..60)).await;
    assert_eq!(system.run(&["migrate"]).await.code, Some(0));
    system.start_writer().await;
    orders_are(&system, 60).await;
    assert_eq!(system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap().incarnation, after.incarnation);
    system.json(&["verify", "--full"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shard_goes_on_behind_frames_that_are_gone() {
    let mut system = Operated::new("gap", 1).await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    system.stop_writer().await;
    for number in 10..15 {
        system.log_orders(&orders(number..number + 1)).await;
    }
    let stream = system.jetstream().await.get_stream(system.stream(StreamKind::Logged, 0)).await.unwrap();
    for seq in [3, 4] {
        assert!(stream.delete_message(seq).await.unwrap());
    }
    system.start_writer().await;
    // Frame 2 is stored; the gap is behind it.
    orders_are_at(&system, 11).await;
    let loss = halted(&system).await;
    assert_eq!(loss["loss"], "gap", "{loss}");
    assert_eq!(loss["detail"][0], "Lost: frames 3 to 4, 2 of them.", "{loss}");
    system.json(&["log", "accept-loss", "logged", "0", "--yes"], 0).await;
    orders_are(&system, 13).await;
    let ran = system.run(&["log", "show", "orders", "0"]).await;
    assert!(ran.code == Some(0) && ran.stderr.contains("frames 3 to 4 are not there"), "{ran:?}");
}

/// The way out is another version, and each command says so; where there is none, the frame can be passed.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_a_later_format_is_named_and_passed_only_when_that_is_said() {
    let system = Operated::new("laterformat", 1).await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    let part = system.parts(&orders(10..12)).remove(0);
    let later = frame(Lane::Orders, part.rows, part.tuples);
    publish_of_format(&system.log, SHARD, &later, "orders/999").await;
    system.log_orders(&orders(20..25)).await;
    let loss = halted(&system).await;
    assert_eq!((&loss["loss"], &loss["accepted"]), (&json!("unknown_format"), &json!(false)), "{loss}");
    let advice = loss["detail"][0].as_str().unwrap();
    assert!(advice.starts_with("Nothing is lost yet: frame 2 is whole") && advice.contains("Start that one"), "{loss}");
    let report = system.json(&["verify", "--full"], 1).await;
    let detail = report["named"][0]["detail"].as_str().unwrap();
    assert!(detail.starts_with("frame 2 is of the format \"orders/999\", and this version knows"), "{report}");
    assert_eq!((&report["differences"], &report["named"][0]["kind"]), (&json!(1), &json!("log")), "{report}");
    let ran = system.run(&["log", "show", "orders", "0", "--json"]).await;
    let frames: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let shown = &frames[1];
    assert_eq!(
        (&shown["is_damaged"], &shown["facts"], &shown["seq"]),
        (&json!(false), &json!([]), &json!(2)),
        "{ran:?}"
    );
    assert!(shown["fault"].as_str().unwrap().starts_with("this frame is of the format"), "{ran:?}");

    system.json(&["log", "accept-loss", "logged", "0", "--yes"], 0).await;
    orders_are(&system, 15).await;
    assert_eq!(system.shards.sum("select count(*) from dead_letter").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_goes_on_behind_a_damaged_frame() {
    let system = Operated::new("damaged", 1).await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    let part = system.parts(&orders(10..12)).remove(0);
    let whole = frame(Lane::Orders, part.rows, part.tuples);
    let seq = publish_damaged(&system.log, SHARD, &whole, |_, payload| payload[20] ^= 1).await;
    system.log_orders(&orders(20..25)).await;
    let loss = halted(&system).await;
    assert_eq!((seq, &loss["loss"], &loss["accepted"]), (2, &json!("damaged"), &json!(false)), "{loss}");
    let lost = loss["detail"][0].as_str().unwrap();
    assert!(lost.starts_with("Lost: frame 2, all of it.") && lost.contains("Forebay-Rows: 2"), "{loss}");

    // Each command names it, and none decodes it.
    for depth in ["--full", "--sample=10"] {
        let report = system.json(&["verify", depth], 1).await;
        let is_named = report["named"].as_array().unwrap().iter().any(|difference| {
            let detail = difference["detail"].as_str().unwrap();
            difference["kind"] == "log"
                && detail.starts_with("frame 2 is damaged")
                && detail.contains("ahead of the position")
        });
        assert!(is_named, "{report}");
    }
    let ran = system.run(&["log", "show", "orders", "0", "--json"]).await;
    let frames: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(frames.iter().map(|frame| &frame["is_damaged"]).collect::<Vec<_>>(), [false, true, false], "{ran:?}");
    assert!(frames[1]["fault"].as_str().unwrap().starts_with("this frame is damaged: its checksum"), "{ran:?}");
    assert_eq!((&frames[1]["facts"], &frames[1]["seq"]), (&json!([]), &json!(2)), "{ran:?}");

    let accepted = system.json(&["log", "accept-loss", "logged", "0", "--yes"], 0).await;
    assert_eq!(accepted["accepted"], true, "{accepted}");
    orders_are(&system, 15).await;
    let kept = system
        .shards
        .sql(
            0,
            "select before_seq, after_seq, rows_stored, detail like '%frame 2%' from log_loss where lane = 'orders'",
        )
        .await;
    assert_eq!(kept, "1|2|10|t");
    assert_eq!(system.shards.sum("select count(*) from dead_letter").await, 0);
    // What was decided is no difference any more.
    system.json(&["verify", "--full"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_derived_stream_has_lost_is_derived_again() {
    let mut system = Operated::new("gapderived", 1).await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    system.stop_writer().await;
    let before = system.log.stream_state(StreamKind::Derived.on(SHARD)).await.unwrap();
    // As if these had been lost before they were stored.
    let entry = system.derived(Lane::Index, &orders(0..1)).remove(0);
    system.log_part(entry.clone()).await;
    system.log_part(entry).await;
    let stream = system.jetstream().await.get_stream(system.stream(StreamKind::Derived, 0)).await.unwrap();
    assert!(stream.delete_message(before.last_seq + 1).await.unwrap());
    system.shards.sql(0, "delete from order_index where order_id in ('ORD3', 'ORD4')").await;
    system.shards.sql(0, "update lane_tally set rows_stored = rows_stored - 2 where lane = 'index'").await;
    let accept = ["log", "accept-loss", "derived", "0"];
    let loss = system.json(&accept, 1).await;
    assert_eq!((&loss["stream"], &loss["loss"], &loss["accepted"]), (&json!("derived"), &json!("gap"), &json!(false)));
    assert!(loss["detail"].to_string().contains("derive it again"), "{loss}");
    assert_eq!(system.json(&[&accept[..], &["--yes"]].concat(), 0).await["accepted"], true);
    let after = system.log.stream_state(StreamKind::Derived.on(SHARD)).await.unwrap();
    assert!(after.incarnation > before.incarnation, "{before:?} {after:?}");
    let figures = system.json(&["shards"], 0).await;
    let derived = &figures["shards"][0]["derived"][0];
    assert_eq!((&derived["target"], &derived["frames_owed"]), (&json!(0), &Value::Null), "{figures}");
    let ran = system.run(&["shards"]).await;
    assert!(ran.stdout.contains("Shard 0 owes shard 0 everything that follows from its orders."), "{ran:?}");
    // What is missing may be on its way, so it is no difference.
    let report = system.json(&["verify", "--full", "--wait", "0"], 2).await;
    assert_eq!((&report["differences"], &report["pending"]), (&json!(0), &json!(2)), "{report}");

    system.start_writer().await;
    system.drained().await;
    assert_eq!(system.shards.sql(0, "select count(*) from order_index").await, "10");
    system.json(&["verify", "--full"], 0).await;
}

/// The same without waiting for the log's end: the shard cannot come there.
async fn orders_are_at(system: &Operated, count: u64) {
    eventually(&format!("{count} orders are stored"), async || {
        let orders = system.shards.sum("select count(*) from orders").await;
        (orders == count, orders.to_string())
    })
    .await;
}

#[tokio::test]
async fn a_limit_of_one_shows_one_order_however_many_share_its_frame() {
    let system = Operated::idle("logone", 1).await;
    system.log_orders(&orders(0..50)).await;
    let shown = async |more: &[&str]| {
        let ran = system.run(&[&["log", "show", "orders", "0", "--json"], more].concat()).await;
        let frames: Vec<Value> = ran.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let ids = |frame: &Value| {
            frame["facts"].as_array().unwrap().iter().map(|fact| fact["order_id"].clone()).collect::<Vec<_>>()
        };
        (frames.len(), frames.iter().flat_map(ids).collect::<Vec<Value>>(), frames[0]["left_out"].clone())
    };
    let all = shown(&["--limit", "100"]).await.1;
    assert_eq!(all.len(), 50);
    assert_eq!(shown(&["--limit", "1"]).await, (1, vec![all[49].clone()], 49.into()));
    assert_eq!(shown(&["--from", "1", "--limit", "2"]).await, (1, all[..2].to_vec(), 48.into()));
    let text = system.run(&["log", "show", "orders", "0", "--limit", "1"]).await.stdout;
    assert!(text.lines().count() == 3 && text.ends_with("… and 49 more\n"), "{text}");
}
