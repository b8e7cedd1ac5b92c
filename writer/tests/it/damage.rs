//! Frames that are not as they were published, or of a later version: nothing of them is stored, and their stream stands still.

use std::path::{Path, PathBuf};

use forebay_model::{Lane, ShardId, StreamId, StreamKind};
use forebay_stack::{Durability, Server, Stack};
use forebay_testkit::eventually;
use forebay_testkit::log::{even_map, facts, frame, publish_damaged, publish_of_format, settings_at};
use forebay_testkit::order::numbered;

use crate::scene::{Scene, Writer};

const STREAM: StreamId = StreamKind::Logged.on(ShardId(0));

/// Finds the file of a stream that has these bytes, and flips a bit of one of them.
fn damage(directory: &Path, bytes: &[u8], at: usize) {
    let mut directories = vec![directory.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|end| end == "blk") {
                files.push(path);
            }
        }
    }
    let hit = files.iter().find_map(|file| {
        let mut content = std::fs::read(file).unwrap();
        let place = content.windows(bytes.len()).position(|window| window == bytes)?;
        content[place + at] ^= 0x10;
        Some((file, content))
    });
    let (file, content) = hit.unwrap_or_else(|| panic!("the frame is in none of {files:?}"));
    std::fs::write(file, content).unwrap();
}

/// One stream has stored what lies before a frame, says why it does not go on, and has made no dead letter; every other one has
/// stored all, and index and views have what is stored.
async fn only_stands_still_before(
    scene: &Scene,
    writer: &Writer,
    seq: u64,
    orders: u64,
    (cause, reason): (&str, &str),
) {
    writer.has("halted", 1).await;
    let stream = writer.stream(STREAM.kind, STREAM.shard.0).await;
    assert!(stream["state"] == "halted" && stream["reason"].as_str().unwrap().contains(reason), "{stream}");
    assert_eq!(stream["halted_by"], cause);
    let at = scene.shards.sql(0, "select stream_seq from stream_position where stream = 'logged'").await;
    assert_eq!(at, (seq - 1).to_string());
    let ready = writer.served.get("/readyz").await;
    let log = &ready.body["dependencies"]["log logged-0"];
    assert!(
        ready.status == 503 && log["halted"] == true && log["reason"].as_str().unwrap().contains(reason),
        "{ready:?}"
    );
    for table in ["orders", "order_index", "order_views"] {
        eventually(&format!("{table} has what there is"), async || {
            let rows = scene.shards.sum(&format!("select count(*) from {table}")).await;
            (rows == orders, rows.to_string())
        })
        .await;
    }
    assert_eq!(scene.shards.sum("select count(*) from dead_letter").await, 0);
}

/// NATS keeps a hash of each message, and leaves out one that does not fit: to a reader that is a gap.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_block_on_the_logs_disk_halts_its_stream_and_no_other() {
    let stack = Stack::temporary(0, Durability::Fast).await.unwrap();
    let scene = Scene::on(settings_at(stack.nats_url(), "damaged"), "damaged", 2).await;
    scene.prepare_log().await;
    for number in 0..10 {
        scene.log_orders(number * 50..(number + 1) * 50).await;
    }
    let damaged = scene.log.frame(STREAM, 6).await.unwrap().unwrap().unwrap();
    let rows = u64::from(damaged.rows());
    let rows_behind: u64 = scene.rows_behind(STREAM, 6).await;
    stack.stop_server(Server::Nats).await;
    damage(stack.data_dir(), damaged.payload(), damaged.payload().len() / 2);
    stack.restart(Server::Nats).await.unwrap();

    let writer = scene.writer(&[]).await;
    let stored = 500 - rows - rows_behind;
    only_stands_still_before(&scene, &writer, 6, stored, ("loss", "5 was read, and the next frame is 7")).await;
    writer.stop().await;
}

/// What NATS does not notice, the checksum does.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_with_another_checksum_halts_its_stream_and_no_other() {
    let scene = Scene::new("othersum", 2).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 4).await;
    scene.log_orders(0..250).await;
    let mut parts = facts([numbered(900)], &even_map(1)).into_iter();
    let part = parts.next().unwrap();
    let whole = frame(Lane::Orders, part.rows, part.tuples);
    let seq = publish_damaged(&scene.log, STREAM.shard, &whole, |_, payload| {
        let last = payload.len() - 3;
        payload[last] ^= 1;
    })
    .await;
    scene.log_orders(250..500).await;
    let stored = 500 - scene.rows_behind(STREAM, seq).await;
    only_stands_still_before(&scene, &writer, seq, stored, ("damage", &format!("frame {seq} of the stream"))).await;
    writer.stop().await;
}

/// Nothing of a stream that one does not understand may be decided: neither a frame of a later version, nor what lies behind it.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_a_later_format_halts_its_stream_and_no_other() {
    let scene = Scene::new("laterformat", 2).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 4).await;
    scene.log_orders(0..250).await;
    let part = facts([numbered(900)], &even_map(1)).remove(0);
    let later = frame(Lane::Orders, part.rows, part.tuples);
    let seq = publish_of_format(&scene.log, STREAM.shard, &later, "orders/999").await.seq;
    scene.log_orders(250..500).await;
    let stored = 500 - scene.rows_behind(STREAM, seq).await;
    let reason = format!("frame {seq} of the stream logged-0 is of the format \"orders/999\"");
    only_stands_still_before(&scene, &writer, seq, stored, ("unknown_format", &reason)).await;
    writer.stop().await;
}

/// Derived facts can be derived again, but not by a version that does not know what is there already.
#[tokio::test(flavor = "multi_thread")]
async fn a_frame_of_a_later_format_halts_a_derived_stream_which_is_not_renewed() {
    let scene = Scene::new("laterderived", 1).await;
    let derived = StreamKind::Derived.on(ShardId(0));
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    let before = scene.log.stream_state(derived).await.unwrap().incarnation;
    let at = publish_of_format(&scene.log, derived.shard, &frame(Lane::Views, 1, "later"), "views/999").await;
    writer.has("halted", 1).await;
    let stream = writer.stream(derived.kind, 0).await;
    let reason = format!("frame {} of the stream derived-0 is of the format \"views/999\"", at.seq);
    assert!(stream["state"] == "halted" && stream["reason"].as_str().unwrap().contains(&reason), "{stream}");
    assert_eq!(stream["halted_by"], "unknown_format");
    assert_eq!(scene.log.stream_state(derived).await.unwrap().incarnation, before);
    writer.stop().await;
}
