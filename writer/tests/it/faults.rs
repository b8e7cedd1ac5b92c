//! What fails stops its own stream, for as long as it fails, and loses nothing.

use forebay_model::{ShardId, StreamKind};
use forebay_testkit::proxy::port_of;
use forebay_testkit::{Mode, Proxy, eventually};

use crate::scene::{Scene, Writer, WriterProcess};

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_killed_three_times_in_the_middle_stores_every_order_once() {
    let scene = Scene::new("killed", 3).await;
    scene.prepare_log().await;
    let mut rows = 0;
    for round in 0..4u32 {
        let before = u64::from(round) * 3000;
        rows += scene.log_orders(round * 3000..(round + 1) * 3000).await;
        let writer = WriterProcess::start(&scene, &["--batch-rows", "50"]);
        if round == 3 {
            scene.stored(12_000).await;
            writer.signal(rustix::process::Signal::TERM);
            assert_eq!(writer.wait(), Some(0));
        } else {
            eventually("some more orders are stored", async || {
                let orders = scene.orders().await;
                (orders > before, format!("{orders} of {before}"))
            })
            .await;
            writer.signal(rustix::process::Signal::KILL);
            assert_eq!(writer.wait(), None);
        }
    }
    scene.assert_sums(rows).await;
    assert_eq!(scene.shards.sum("select sum(rows_stored) from lane_tally where lane = 'orders'").await, rows);
    assert_eq!(scene.shards.sum("select count(*) from dead_letter").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_shard_down_does_not_stop_the_others() {
    let mut scene = Scene::new("down", 2).await;
    let direct = scene.shards.urls.clone();
    let proxy = Proxy::to(port_of(&direct[1])).await.unwrap();
    // Down from the start: the other shard is made ready and drained nevertheless.
    proxy.set(Mode::Reset);
    scene.shards.urls[1] = proxy.url(&direct[1]);
    let writer = scene.writer(&[]).await;
    scene.shards.urls = direct;
    writer.has("draining", 2).await;
    let mut rows = scene.log_orders(0..1000).await;
    let on_first = scene.log.stream_state(StreamKind::Logged.on(ShardId(0))).await.unwrap().last_seq;
    eventually("the first shard is drained", async || {
        let at = scene.shards.sql(0, "select stream_seq from stream_position where stream = 'logged'").await;
        (at == on_first.to_string(), at)
    })
    .await;
    assert_eq!(writer.stream(StreamKind::Logged, 1).await["state"], "starting");
    let ready = writer.served.get("/readyz").await.ok();
    assert_eq!(ready["dependencies"]["shard 1"]["state"], "down", "{ready}");
    proxy.set(Mode::Pass);
    scene.stored(1000).await;
    // And down in the middle.
    proxy.set(Mode::Reset);
    rows += scene.log_orders(1000..2000).await;
    eventually("the lanes of the second shard try again", async || {
        let lane = writer.stream(StreamKind::Logged, 1).await;
        (lane["state"] == "retrying", lane.to_string())
    })
    .await;
    assert_eq!(writer.stream(StreamKind::Logged, 0).await["state"], "draining");
    proxy.set(Mode::Pass);
    scene.stored(2000).await;
    scene.assert_sums(rows).await;
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_takes_over_when_the_leader_ends() {
    let scene = Scene::new("standby", 1).await;
    let leader = scene.writer(&[]).await;
    leader.has("draining", 2).await;
    let standby = scene.writer(&[]).await;
    standby.has("standby", 2).await;
    let mut rows = scene.log_orders(0..500).await;
    scene.stored(500).await;
    eventually("the standby follows the position", async || {
        let lane = standby.stream(StreamKind::Logged, 0).await;
        (lane["lanes"]["orders"]["stored"] == 500, lane.to_string())
    })
    .await;
    leader.stop().await;
    standby.has("draining", 2).await;
    rows += scene.log_orders(500..1000).await;
    scene.stored(1000).await;
    scene.assert_sums(rows).await;
    standby.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_writers_that_both_think_they_lead_store_every_order_once() {
    let scene = Scene::new("split", 1).await;
    let one = scene.writer(&["--batch-rows", "20"]).await;
    one.has("draining", 2).await;
    let rows = scene.log_orders(0..6000).await;
    let other = scene.writer(&["--batch-rows", "20"]).await;
    // The lead is taken away again and again, as when a session dies unnoticed.
    let end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() \
               and application_name like 'forebay-writer%lead'";
    for _ in 0..6 {
        let before = scene.orders().await;
        scene.shards.sql(0, end).await;
        eventually("some more orders are stored", async || {
            let orders = scene.orders().await;
            (orders > before || orders == 6000, format!("{orders}"))
        })
        .await;
    }
    scene.stored(6000).await;
    scene.assert_sums(rows).await;
    one.stop().await;
    other.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_made_anew_is_reported_and_never_taken_for_the_old_one() {
    let scene = Scene::new("anew", 1).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    scene.log_orders(0..1000).await;
    scene.stored(1000).await;
    let nats = async_nats::connect(scene.shards.stack.nats_url()).await.unwrap();
    let name = scene.log.settings().name.stream(StreamKind::Logged.on(ShardId(0)));
    async_nats::jetstream::new(nats).delete_stream(&name).await.unwrap();
    scene.prepare_log().await;
    scene.log_orders(1000..1100).await;
    writer.has("halted", 1).await;
    let lane = writer.stream(StreamKind::Logged, 0).await;
    assert!(lane["reason"].as_str().unwrap().contains("made anew"), "{lane}");
    assert_eq!(lane["halted_by"], "loss");
    assert_eq!(lane["lanes"]["orders"]["stored"], 1000);
    let ready = writer.served.get("/readyz").await;
    assert_eq!(ready.status, 503);
    let log = &ready.body["dependencies"]["log logged-0"];
    assert_eq!((&log["state"], &log["halted"]), (&"down".into(), &true.into()), "{log}");
    // Nothing follows from what is not stored.
    assert_eq!((scene.orders().await, scene.shards.sum("select count(*) from order_index").await), (1000, 1000));
    let metrics = writer.served.metrics().await;
    assert!(metrics.contains("forebay_writer_halted{stream=\"logged\",shard=\"0\"} 1"), "{metrics}");
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sum_that_would_be_wrong_halts_its_lane_and_commits_nothing() {
    let scene = Scene::new("sums", 1).await;
    let writer = scene.writer(&[]).await;
    writer.has("draining", 2).await;
    let rows = scene.log_orders(0..10).await;
    scene.stored(10).await;
    let before = writer.stream(StreamKind::Logged, 0).await["position"].clone();
    // Somebody's trigger changes what is stored: each new order counts as stored and, differing from what was sent, as dead.
    let trigger = "create function spoil() returns trigger language plpgsql as \
            $$ begin new.total := new.total + 1; return new; end $$; \
        create trigger spoil before insert on orders for each row execute function spoil()";
    scene.shards.sql(0, trigger).await;
    let rows = rows + scene.log_orders(0..30).await;
    writer.has("halted", 1).await;
    let lane = writer.stream(StreamKind::Logged, 0).await;
    assert_eq!((&lane["state"], &lane["position"]), (&"halted".into(), &before), "{lane}");
    assert!(lane["reason"].as_str().unwrap().contains("20 were stored and 20 are dead"), "{lane}");
    assert_eq!(lane["halted_by"], "violation");
    assert_eq!(scene.orders().await, 10);
    // It goes on as soon as it can.
    scene.shards.sql(0, "drop trigger spoil on orders").await;
    scene.stored(30).await;
    scene.assert_sums(rows).await;
    writer.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_comes_late_is_waited_for() {
    let scene = Scene::new("late", 1).await;
    let nats = scene.shards.stack.nats_url();
    let proxy = Proxy::to(port_of(&nats)).await.unwrap();
    proxy.set(Mode::Reset);
    let mut flags = scene.flags();
    let at = flags.iter().position(|flag| flag == "--nats").unwrap();
    flags[at + 1] = proxy.url(&nats);
    let writer = Writer::start(flags.into_iter()).await;
    eventually("the log is missed", async || {
        let ready = writer.served.get("/readyz").await;
        (ready.status == 503 && ready.body["dependencies"]["nats"]["state"] == "down", ready.body)
    })
    .await;
    proxy.set(Mode::Pass);
    writer.has("draining", 2).await;
    // Lost in the middle, it is waited for again.
    scene.log_orders(0..500).await;
    scene.stored(500).await;
    proxy.set(Mode::Reset);
    eventually("the log is missed again", async || {
        let ready = writer.served.get("/readyz").await;
        (ready.status == 503, ready.body)
    })
    .await;
    let rows = 500 + scene.log_orders(500..1000).await;
    proxy.set(Mode::Pass);
    scene.stored(1000).await;
    scene.assert_sums(rows).await;
    writer.stop().await;
}
