//! What follows from stored orders comes into index and views: of what is stored and of nothing else, whatever breaks.

use forebay_log::{Frame, FrameKind, LogSettings};
use forebay_model::{Control, Epoch, Lane, ShardId, StreamKind, ViewSet};
use forebay_testkit::eventually;
use forebay_testkit::log::publish;
use forebay_testkit::order::numbered;
use serde_json::{Value, json};

use crate::scene::{Scene, WriterProcess};

const ORDERS: &str = "select string_agg(order_id, ' ' order by order_id) from orders";

impl Scene {
    /// What the shards have in a column of a table, in order.
    pub(crate) async fn ids(&self, table: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for shard in 0..self.shards.urls.len() {
            let some = self.shards.sql(shard, &ORDERS.replace("orders", table)).await;
            ids.extend(some.split_whitespace().map(str::to_owned));
        }
        ids.sort();
        ids
    }

    /// Waits until the index has entries of that many orders.
    pub(crate) async fn indexed(&self, orders: u64) {
        eventually("the index is there", async || {
            let entries = self.shards.sum("select count(*) from order_index").await;
            (entries == orders, entries.to_string())
        })
        .await;
    }

    /// Waits until everything is at rest, and checks that index and views have exactly what is stored.
    pub(crate) async fn follows(&self) {
        eventually("everything is drained and derived", async || self.is_at_rest().await).await;
        let orders = self.ids("orders").await;
        assert_eq!(self.ids("order_index").await, orders);
        assert_eq!(self.ids("order_views").await, orders);
    }
}

/// The writer dies at a point of a batch's life, three times, and is started again.
async fn dies_at(point: &str) {
    let scene = Scene::new("dies", 2).await;
    scene.prepare_log().await;
    for round in 0..3 {
        scene.log_orders(round * 300..(round + 1) * 300).await;
        let doomed = WriterProcess::start(&scene, &["--batch-rows", "100", "--failpoints", &format!("{point}=abort")]);
        assert_eq!(doomed.wait(), None, "it ends by itself");
    }
    let writer = scene.writer(&[]).await;
    scene.stored(900).await;
    scene.follows().await;
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_before_it_derives_derives_it_afterwards() {
    dies_at("after-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_before_it_notes_what_it_published_publishes_it_again() {
    dies_at("after-derived").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_at_its_note_goes_on_from_the_one_before() {
    dies_at("before-noted").await;
}

/// Everything behind a control frame is derived with its views, wherever the writer dies meanwhile. What lies before it may be
/// or not; it is once it has to be derived again as a whole.
async fn view_added_by_a_writer_that_dies_at(point: &str) {
    let scene = Scene::new("added", 2).await;
    scene.prepare_log().await;
    scene.log_orders(0..300).await;
    let writer = scene.writer(&[]).await;
    scene.stored(300).await;
    writer.stop().await;
    let in_force: ViewSet = "seller=items[].seller_id,sku=items[].sku".parse().unwrap();
    let control = Control::Views { epoch: Epoch(2), in_force };
    for shard in [0, 1].map(ShardId) {
        // Twice, as somebody who does it again after a crash.
        for _ in 0..2 {
            publish(&scene.log, shard, &Frame::of_control(&control)).await;
        }
    }
    scene.log_orders(300..600).await;
    for _ in 0..2 {
        let doomed = WriterProcess::start(&scene, &["--batch-rows", "100", "--failpoints", &format!("{point}=abort")]);
        assert_eq!(doomed.wait(), None, "it ends by itself");
    }
    let writer = scene.writer(&[]).await;
    scene.indexed(600).await;
    eventually("everything is drained and derived", async || scene.is_at_rest().await).await;
    let seen = "select count(*) from order_views where view = 2 and substr(order_id, 4)::int >= 300";
    assert_eq!(scene.shards.sum(seen).await, 300);
    assert_eq!(scene.shards.sum("select count(*) from order_views where view = 1").await, 600);
    scene.assert_sums(600).await;
    // A target that has lost everything is given everything, with every view.
    let nats = async_nats::connect(scene.shards.stack.nats_url()).await.unwrap();
    for shard in 0..2 {
        let name = scene.log.settings().name.stream(StreamKind::Derived.on(ShardId(shard)));
        async_nats::jetstream::new(nats.clone()).delete_stream(&name).await.unwrap();
        scene.shards.sql(usize::from(shard), "delete from order_views; delete from order_index").await;
    }
    scene.prepare_log().await;
    scene.log_orders(600..610).await;
    scene.indexed(610).await;
    eventually("everything is drained and derived", async || scene.is_at_rest().await).await;
    for view in [1, 2] {
        let all = format!("select count(*) from order_views where view = {view}");
        assert_eq!(scene.shards.sum(&all).await, 610, "view {view}");
    }
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_in_force_behind_its_control_frame_where_the_commit_was_not_answered() {
    view_added_by_a_writer_that_dies_at("after-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_in_force_behind_its_control_frame_where_it_was_not_committed() {
    view_added_by_a_writer_that_dies_at("before-commit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_is_in_force_behind_its_control_frame_where_nobody_noted_what_was_derived() {
    view_added_by_a_writer_that_dies_at("after-derived").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_control_frame_of_a_later_version_is_not_passed_over_and_rubbish_among_them_is() {
    let scene = Scene::new("unknown", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    let LogSettings { name, .. } = scene.log.settings();
    let nats = async_nats::connect(scene.shards.stack.nats_url()).await.unwrap();
    let rubbish =
        nats.request(name.subject(FrameKind::Control(StreamKind::Logged), ShardId(0)), "rubbish".into()).await.unwrap();
    assert!(str::from_utf8(&rubbish.payload).unwrap().contains("seq"));
    scene.log_orders(0..10).await;
    scene.stored(10).await;
    let control = Control::Views { epoch: Epoch(2), in_force: ViewSet::default() };
    let later = Frame { payload: r#"{"moves":{"epoch":3}}"#.into(), ..Frame::of_control(&control) };
    publish(&scene.log, ShardId(0), &later).await;
    let halted = eventually("it stands still", async || {
        let stream = writer.stream(StreamKind::Logged, 0).await;
        (stream["state"] == "halted", stream)
    });
    let reason = halted.await["reason"].as_str().unwrap().to_owned();
    assert!(reason.contains("control/1") && reason.contains("moves"), "{reason}");
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_follows_from_a_conflict_or_a_refused_row() {
    const POISON: u32 = 111_111_111;
    let scene = Scene::new("ghosts", 2).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    scene.log_orders(0..50).await;
    scene.log_poisoned(&[7000, POISON, 7001], POISON).await;
    scene.stored(52).await;
    // The same order with another seller, and again with another time.
    let [mut seller, mut time] = [3, 4].map(|number| numbered(number).parse::<Value>().unwrap());
    seller["items"][0]["seller_id"] = json!("SOMEBODY-ELSE");
    time["timestamp"] = json!("2024-01-01T00:00:00Z");
    time["items"][0]["seller_id"] = json!("SOMEBODY-ELSE");
    scene.log_json([seller, time]).await;
    eventually("both conflict", async || {
        let letters = scene.shards.sum("select count(*) from dead_letter where reason = 'conflict'").await;
        (letters == 2, letters.to_string())
    })
    .await;
    scene.follows().await;
    assert_eq!(scene.shards.sum("select count(*) from order_views where key = 'SOMEBODY-ELSE'").await, 0);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_derived_stream_that_is_lost_is_derived_again() {
    let scene = Scene::new("lost", 2).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    scene.log_orders(0..1000).await;
    scene.stored(1000).await;
    let nats = async_nats::connect(scene.shards.stack.nats_url()).await.unwrap();
    let name = scene.log.settings().name.stream(StreamKind::Derived.on(ShardId(1)));
    async_nats::jetstream::new(nats).delete_stream(&name).await.unwrap();
    // Somebody has lost more than the log: what is derived again must make it whole.
    scene.shards.sql(1, "delete from order_views; delete from order_index").await;
    scene.prepare_log().await;
    scene.log_orders(1000..1100).await;
    scene.indexed(1100).await;
    scene.follows().await;
    let ready = writer.served.get("/readyz").await;
    assert_eq!(ready.status, 200, "{}", ready.body);
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_takes_no_frames_is_owed_and_holds_up_nobody() {
    let scene = Scene::new("away", 2).await;
    scene.prepare_log().await;
    let full = StreamKind::Derived.on(ShardId(1));
    // Its stream is full of what nobody drains: its shard has been away for long.
    let LogSettings { name, .. } = scene.log.settings();
    let nats = async_nats::connect(scene.shards.stack.nats_url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(nats);
    let mut config = jetstream.get_stream(name.stream(full)).await.unwrap().cached_info().config.clone();
    let wanted = config.max_bytes;
    // The writer gives a stream its size when it starts.
    let writer = scene.writer(&[]).await;
    writer.has("draining", 4).await;
    config.max_bytes = 1;
    jetstream.update_stream(&config).await.unwrap();
    scene.log_orders(0..2000).await;
    eventually("every order is stored", async || {
        let orders = scene.orders().await;
        (orders == 2000, orders.to_string())
    })
    .await;
    eventually("the full one is owed, and the other one not", async || {
        let stream = writer.stream(StreamKind::Logged, 0).await;
        let owed = |target: usize| stream["derived"][target]["owed_since"].is_string();
        let derived = stream["derived"][0]["frames_owed"] == 0;
        (owed(1) && !owed(0) && derived, stream.to_string())
    })
    .await;
    let door = async |target: usize| {
        let ready = writer.served.get("/readyz").await.ok();
        (ready["degraded"].clone(), ready["dependencies"][format!("frames for derived-{target}")].clone())
    };
    let (degraded, stuck) = door(1).await;
    assert!(degraded == true && stuck["reason"].as_str().unwrap().contains("does not take frames"), "{stuck}");
    assert_eq!(door(0).await.1["state"], "up");
    eventually("it is measured", async || {
        let metrics = writer.served.metrics().await;
        (metrics.contains("forebay_writer_derived_owed_seconds{shard=\"0\",target=\"1\"}"), metrics)
    })
    .await;
    config.max_bytes = wanted;
    jetstream.update_stream(&config).await.unwrap();
    scene.stored(2000).await;
    scene.follows().await;
    eventually("nothing is owed", async || {
        let stream = writer.stream(StreamKind::Logged, 0).await;
        (stream["derived"][1]["owed_since"].is_null() && stream["derived"][1]["frames_owed"] == 0, stream.to_string())
    })
    .await;
    eventually("every target takes frames", async || {
        let (degraded, found) = door(1).await;
        (degraded == false, found)
    })
    .await;
    writer.stop().await;
}

/// A derived stream was set back, and somebody else has published since, so that another frame stands where the last one was: for
/// the source that published it, and where it had read it before for the stream's own writer, too.
async fn is_derived_again_after_its_tail_was_lost(name: &str, was_read: bool) {
    let scene = Scene::new(name, 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    scene.log_orders(0..500).await;
    scene.stored(500).await;
    writer.stop().await;
    let derived = StreamKind::Derived.on(ShardId(0));
    let before = scene.log.stream_state(derived).await.unwrap();
    let lost =
        "update derived_through set target_frame_id = 'another'; delete from order_index; delete from order_views";
    scene.shards.sql(0, lost).await;
    if was_read {
        scene.shards.sql(0, "update stream_position set frame_id = 'another' where stream = 'derived'").await;
    }
    let writer = scene.writer(&[]).await;
    scene.indexed(500).await;
    scene.follows().await;
    let after = scene.log.stream_state(derived).await.unwrap();
    assert!(after.incarnation > before.incarnation, "{before:?} {after:?}");
    // The stream's own writer may find it too, before it is renewed.
    let losses = scene.shards.sum("select count(*) from log_loss where lane = 'views'").await;
    assert!((1..=2).contains(&losses), "{losses}");
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_derived_stream_that_lost_its_tail_is_noticed_by_its_last_frame() {
    is_derived_again_after_its_tail_was_lost("tail", true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_that_was_lost_before_anybody_read_it_is_noticed_by_who_published_it() {
    is_derived_again_after_its_tail_was_lost("unreadtail", false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn frames_that_nobody_derived_are_taken_like_any_other() {
    let scene = Scene::new("foreign", 1).await;
    scene.prepare_log().await;
    let writer = scene.writer(&[]).await;
    scene.log_orders(0..10).await;
    scene.stored(10).await;
    let rubbish = Frame::new(Lane::Views, 1, Epoch(1), b"rubbish".to_vec().into());
    publish(&scene.log, ShardId(0), &rubbish).await;
    scene.log_orders(10..20).await;
    scene.stored(20).await;
    scene.follows().await;
    assert_eq!(scene.shards.sql(0, "select lane, rows from dead_letter").await, "views|1");
    writer.stop().await;
}

/// Two writers, one of which is a standby: what the first has not noted, the second derives.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_takes_over_derives_what_is_owed() {
    let scene = Scene::new("takeover", 2).await;
    scene.prepare_log().await;
    scene.log_orders(0..1000).await;
    let doomed = WriterProcess::start(&scene, &["--batch-rows", "200", "--failpoints", "after-derived=abort"]);
    eventually("it leads", async || {
        let orders = scene.orders().await;
        (orders > 0, orders.to_string())
    })
    .await;
    let standby = scene.writer(&[]).await;
    assert_eq!(doomed.wait(), None, "it ends by itself");
    scene.stored(1000).await;
    scene.follows().await;
    standby.stop().await;
}
