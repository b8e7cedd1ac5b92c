//! What is owed is made up, and no more than that: from the log, or from the stored orders of the stretch that it does not have.

use std::collections::BTreeSet;

use async_nats::jetstream;
use forebay_model::{ShardId, StreamKind};
use forebay_testkit::eventually;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::scene::{Scene, WriterProcess};

impl Scene {
    /// The orders that are stored in the place behind a frame of their shard, in order.
    async fn ids_behind(&self, seqs: &[u64]) -> Vec<String> {
        let mut ids = Vec::new();
        for (shard, seq) in seqs.iter().enumerate() {
            let sql = format!("select string_agg(order_id, ' ') from orders where place_seq > {seq}");
            ids.extend(self.shards.sql(shard, &sql).await.split_whitespace().map(str::to_owned));
        }
        ids.sort();
        ids
    }

    /// Trims the logged streams as far as their shards have committed them.
    async fn trim_committed(&self) {
        for shard in 0..self.shards.urls.len() {
            let logged = StreamKind::Logged.on(ShardId(shard as u16));
            let state = self.log.stream_state(logged).await.unwrap();
            let sql = "select stream_seq from stream_position where stream = 'logged' and incarnation =";
            let committed = self.shards.sql(shard, &format!("{sql} {}", state.incarnation)).await;
            if let Ok(seq @ 1..) = committed.parse() {
                let mut at = state.last();
                at.seq = seq;
                self.log.trim(logged, at).await.unwrap();
            }
        }
    }

    /// Makes the derived stream of a shard anew, with `bytes_max` of room.
    async fn make_derived_anew(&self, shard: u16, bytes_max: i64) {
        let nats = async_nats::connect(self.shards.stack.nats_url()).await.unwrap();
        let jetstream = jetstream::new(nats);
        let name = self.log.settings().name.stream(StreamKind::Derived.on(ShardId(shard)));
        let mut config = jetstream.get_stream(&name).await.unwrap().cached_info().config.clone();
        config.max_bytes = bytes_max;
        jetstream.delete_stream(&name).await.unwrap();
        jetstream.create_stream(config).await.unwrap();
    }

    /// Makes the logged stream of a shard anew, and has the shard go on there.
    async fn make_logged_anew(&self, shard: u16) {
        let logged = StreamKind::Logged.on(ShardId(shard));
        let nats = async_nats::connect(self.shards.stack.nats_url()).await.unwrap();
        jetstream::new(nats).delete_stream(self.log.settings().name.stream(logged)).await.unwrap();
        self.prepare_log().await;
        let incarnation = self.log.stream_state(logged).await.unwrap().incarnation;
        let sql = "set stream_seq = 0, frame_id = '' where stream = 'logged'";
        let sql =
            format!("update stream_position {}", sql.replace("set ", &format!("set incarnation = {incarnation}, ")));
        self.shards.sql(shard.into(), &sql).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_stretch_that_is_owed_is_read_where_the_log_is_trimmed() {
    let scene = Scene::new("trimmed", 2).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    scene.log_orders(0..6000).await;
    scene.stored(6000).await;
    writer.stop().await;
    // As after a crash long ago: the notes are far behind, and the log does not reach back to them.
    let seqs = [3, 5];
    for (shard, seq) in seqs.into_iter().enumerate() {
        let sql =
            format!("update derived_through set stream_seq = {seq}; delete from order_index; delete from order_views");
        scene.shards.sql(shard, &sql).await;
    }
    scene.trim_committed().await;
    let writer = scene.writer(&[]).await;
    eventually("everything is drained and derived", async || scene.is_at_rest().await).await;
    let owed = scene.ids_behind(&seqs).await;
    assert!((1..6000).contains(&owed.len()), "{}", owed.len());
    for table in ["order_index", "order_views"] {
        let there = scene.ids(table).await;
        assert!(there == owed, "{table} has {} where {} are owed", there.len(), owed.len());
    }
    writer.stop().await;
}

/// A shard that is owed everything, and whose derived stream has so little room that it takes a frame or two every few seconds, as it
/// is trimmed. The log has nothing of it.
async fn everything_is_owed_to_a_narrow_stream(name: &str, orders: u32, room: i64) -> (Scene, WriterProcess) {
    let scene = Scene::new(name, 1).await;
    scene.prepare_log().await;
    let process = WriterProcess::start(&scene, &[]);
    scene.log_orders(0..orders - 1).await;
    scene.stored(u64::from(orders) - 1).await;
    scene.trim_committed().await;
    scene.shards.sql(0, "delete from order_views; delete from order_index").await;
    scene.make_derived_anew(0, room).await;
    // What follows from it goes to another stream than what was there before.
    scene.log_orders(orders - 1..orders).await;
    (scene, process)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_debt_that_is_larger_than_the_room_of_its_target_comes_to_an_end() {
    let (scene, _process) = everything_is_owed_to_a_narrow_stream("narrow", 2400, 400 << 10).await;
    scene.indexed(2400).await;
    scene.follows().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn making_up_goes_on_where_a_crash_has_ended_it() {
    let (scene, process) = everything_is_owed_to_a_narrow_stream("goeson", 6000, 500 << 10).await;
    let through = async || scene.shards.sql(0, "select stream_seq from derived_through").await;
    let last = scene.log.stream_state(StreamKind::Logged.on(ShardId(0))).await.unwrap().last_seq.to_string();
    eventually("some of it is noted and stored", async || {
        let (seq, entries) = (through().await, scene.shards.sum("select count(*) from order_index").await);
        let noted = !["0", &last].contains(&&*seq) && entries > 1000;
        (noted, format!("{seq} of {last}, {entries} entries"))
    })
    .await;
    drop(process);
    let seq = through().await.parse().unwrap();
    scene.shards.sql(0, "delete from order_views; delete from order_index").await;
    let writer = scene.writer(&[]).await;
    eventually("everything is drained and derived", async || scene.is_at_rest().await).await;
    let behind: BTreeSet<_> = scene.ids_behind(&[seq]).await.into_iter().collect();
    assert!(!behind.is_empty(), "everything was made up when the writer was killed");
    for table in ["order_index", "order_views"] {
        let there: BTreeSet<_> = scene.ids(table).await.into_iter().collect();
        assert!(there.is_superset(&behind), "{table} lacks something from behind {seq}");
        assert!(there.len() < 6000, "{table}: what was noted was made up once more");
    }
    writer.stop().await;
}

/// What happens between two lives of a writer.
#[derive(Clone, Copy, Debug)]
enum Between {
    /// The logged streams are trimmed.
    Trimmed,
    /// What a shard has derived is lost, with its derived stream.
    DerivedLost(u16),
    /// A shard's log is another one, from which it goes on.
    LoggedLost(u16),
}

const POINTS: [&str; 4] = ["before-commit", "after-commit", "after-derived", "before-noted"];

fn any_life() -> impl Strategy<Value = Vec<(u32, usize, Vec<Between>)>> {
    let between = prop_oneof![
        3 => Just(Between::Trimmed),
        1 => (0u16..2).prop_map(Between::DerivedLost),
        1 => (0u16..2).prop_map(Between::LoggedLost),
    ];
    prop::collection::vec((1u32..900, 0..POINTS.len(), prop::collection::vec(between, 0..3)), 4..7)
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_crashes_and_is_trimmed_or_lost_index_and_views_are_what_stored_orders_make() {
    let life = any_life().new_tree(&mut TestRunner::default()).unwrap().current();
    println!("{life:?}");
    let scene = Scene::new("lives", 2).await;
    scene.prepare_log().await;
    let mut numbers = 0u32;
    for (orders, point, between) in &life {
        // Some of them once more.
        let again = numbers.saturating_sub(orders / 4);
        scene.log_orders(again..numbers + orders).await;
        numbers += orders;
        let failpoint = format!("{}=abort", POINTS[*point]);
        let doomed = WriterProcess::start(&scene, &["--batch-rows", "200", "--failpoints", &failpoint]);
        assert_eq!(doomed.wait(), None, "it ends by itself");
        for between in between {
            match *between {
                Between::Trimmed => scene.trim_committed().await,
                Between::DerivedLost(shard) => {
                    scene.shards.sql(shard.into(), "delete from order_views; delete from order_index").await;
                    scene.make_derived_anew(shard, 64 << 20).await;
                }
                Between::LoggedLost(shard) => scene.make_logged_anew(shard).await,
            }
        }
    }
    let writer = scene.writer(&[]).await;
    scene.follows().await;
    assert!(scene.orders().await > 0, "{life:?}");
    writer.stop().await;
}
