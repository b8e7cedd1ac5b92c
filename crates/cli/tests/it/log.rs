//! `forebay log`.

use forebay_model::{Lane, ShardId};
use forebay_testkit::eventually;
use forebay_testkit::log::{frame, publish_damaged};
use serde_json::{Value, json};

use crate::operated::{Operated, order, orders};

const SHARD: ShardId = ShardId(0);

/// Waits until a lane does not go on, as a writer tells its operators.
async fn halted(system: &Operated) -> Value {
    let mut loss = Value::Null;
    eventually("a loss is seen", async || {
        let ran = system.run(&["log", "accept-loss", "orders", "0", "--json"]).await;
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
    let subject = system.log.settings().name.subject(Lane::Orders.on(SHARD));
    jetstream.publish(subject, "not a frame".into()).await.unwrap().await.unwrap();
    let tuples = system
        .parts(&[order("C3", "O3", 100)])
        .into_iter()
        .find(|part| part.stream.lane == Lane::Orders)
        .unwrap()
        .tuples;
    let torn = [&tuples[..], &tuples[..9]].concat();
    system.log_frame(Lane::Orders.on(SHARD), 2, torn).await;

    let ran = system.run(&["log", "show", "orders", "0", "--json"]).await;
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
    let last = system.run(&["log", "show", "orders", "0", "--limit", "1"]).await.stdout;
    assert!(last.starts_with("frame 3"), "{last}");
    let ran = system.run(&["log", "show", "orders", "0", "--from", "9"]).await;
    assert_eq!((ran.code, ran.stderr.trim()), (Some(1), "forebay: the stream ends at frame 3"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_after_its_stream_was_deleted() {
    let system = Operated::new("deleted", 1).await;
    system.log_orders(&orders(0..50)).await;
    system.drained().await;
    let ran = system.run(&["log", "accept-loss", "orders", "0"]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("nothing is lost"), "{ran:?}");

    system.jetstream().await.delete_stream(system.stream(Lane::Orders, 0)).await.unwrap();
    let ran = system.run(&["log", "accept-loss", "orders", "0"]).await;
    assert!(ran.code == Some(1) && ran.stderr.contains("`forebay migrate`"), "{ran:?}");
    assert_eq!(system.run(&["migrate", "--stream-bytes-max", "64MiB"]).await.code, Some(0));
    system.log_orders(&orders(50..80)).await;
    let loss = halted(&system).await;
    assert_eq!(
        (&loss["loss"], &loss["accepted"], &loss["log"]["last_seq"]),
        (&json!("made_anew"), &json!(false), &json!(1))
    );
    let report = system.json(&["verify"], 1).await;
    assert!(report.to_string().contains("see `forebay log accept-loss orders 0`"), "{report}");
    assert_eq!(system.shards.sum("select count(*) from orders").await, 50);

    let ran = system.run(&["log", "accept-loss", "orders", "0", "--yes"]).await;
    assert!(ran.code == Some(0) && ran.stdout.contains("Accepted: the lane goes on"), "{ran:?}");
    orders_are(&system, 80).await;
    // From the accepted loss on, log and counters are counted together again.
    let report = system.json(&["verify", "--full"], 0).await;
    let lane = report["lanes"].as_array().unwrap().iter().find(|lane| lane["lane"] == "orders").unwrap();
    assert_eq!((&lane["log_is_whole"], &lane["rows_in_log"], &lane["stored"]), (&json!(true), &json!(30), &json!(80)));
    assert_eq!(system.shards.sql(0, "select before_seq, after_seq, rows_stored from log_loss").await, "1|0|50");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_after_its_stream_lost_its_tail_and_gave_out_its_numbers_again() {
    let mut system = Operated::new("losttail", 1).await;
    system.log_orders(&orders(0..50)).await;
    system.drained().await;
    system.stop_writer().await;
    // As if three frames had been read that the stream has lost: their numbers are given to others.
    system
        .shards
        .sql(0, "update lane_position set stream_seq = stream_seq + 3, frame_id = 'gone' where lane = 'orders'")
        .await;
    for number in 50..55 {
        system.log_orders(&orders(number..number + 1)).await;
    }
    system.start_writer().await;
    let before = system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap();
    assert_eq!(halted(&system).await["loss"], "lost_tail");
    let accepted = system.json(&["log", "accept-loss", "orders", "0", "--yes"], 0).await;
    assert_eq!(accepted["accepted"], true, "{accepted}");
    orders_are(&system, 55).await;

    let after = system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap();
    assert!(after.incarnation > before.incarnation && after.last_seq == before.last_seq, "{before:?} {after:?}");
    assert_eq!(
        system.shards.sql(0, "select rows_stored, rows_duplicate from lane_position where lane = 'orders'").await,
        "55|50"
    );
    // The renewed stream takes frames, is read on after a restart, and can be prepared again.
    system.stop_writer().await;
    system.log_orders(&orders(55..60)).await;
    assert_eq!(system.run(&["migrate", "--stream-bytes-max", "64MiB"]).await.code, Some(0));
    system.start_writer().await;
    orders_are(&system, 60).await;
    assert_eq!(system.log.stream_state(Lane::Orders.on(SHARD)).await.unwrap().incarnation, after.incarnation);
    system.json(&["verify", "--full"], 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_behind_frames_that_are_gone() {
    let mut system = Operated::new("gap", 1).await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    system.stop_writer().await;
    for number in 10..15 {
        system.log_orders(&orders(number..number + 1)).await;
    }
    let stream = system.jetstream().await.get_stream(system.stream(Lane::Orders, 0)).await.unwrap();
    for seq in [3, 4] {
        assert!(stream.delete_message(seq).await.unwrap());
    }
    system.start_writer().await;
    // Frame 2 is stored; the gap is behind it.
    orders_are_at(&system, 11).await;
    let loss = halted(&system).await;
    assert_eq!(loss["loss"], "gap", "{loss}");
    assert_eq!(loss["detail"][0], "Lost: frames 3 to 4, 2 of them.", "{loss}");
    system.json(&["log", "accept-loss", "orders", "0", "--yes"], 0).await;
    orders_are(&system, 13).await;
    let ran = system.run(&["log", "show", "orders", "0"]).await;
    assert!(ran.code == Some(0) && ran.stderr.contains("frames 3 to 4 are not there"), "{ran:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_goes_on_behind_a_damaged_frame() {
    let stream = Lane::Orders.on(SHARD);
    let system = Operated::new("damaged", 1).await;
    system.log_orders(&orders(0..10)).await;
    system.drained().await;
    let part = system.parts(&orders(10..12)).into_iter().find(|part| part.stream == stream).unwrap();
    let whole = frame(Lane::Orders, part.rows, part.tuples);
    let seq = publish_damaged(&system.log, stream, &whole, |_, payload| payload[20] ^= 1).await;
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

    let accepted = system.json(&["log", "accept-loss", "orders", "0", "--yes"], 0).await;
    assert_eq!(accepted["accepted"], true, "{accepted}");
    orders_are(&system, 15).await;
    let kept =
        system.shards.sql(0, "select before_seq, after_seq, rows_stored, detail like '%frame 2%' from log_loss").await;
    assert_eq!(kept, "1|2|10|t");
    assert_eq!(system.shards.sum("select count(*) from dead_letter").await, 0);
    // What was decided is no difference any more.
    system.json(&["verify", "--full"], 0).await;
}

/// The same without waiting for the log's end: the lane cannot come there.
async fn orders_are_at(system: &Operated, count: u64) {
    eventually(&format!("{count} orders are stored"), async || {
        let orders = system.shards.sum("select count(*) from orders").await;
        (orders == count, orders.to_string())
    })
    .await;
}
