//! Notices between processes.

use forebay_log::{Log, Notice};
use forebay_model::touched::{hour_of, id_key};
use forebay_model::{DerivedThrough, Incarnation, Lane, Position, ShardId, Tenant, Timestamp, Touched};
use forebay_testkit::log::settings;
use forebay_testkit::within;

#[tokio::test]
async fn what_is_told_is_heard_in_order() {
    let settings = settings("notices").await;
    let (writer, reader) = (Log::connect(settings.clone()).await.unwrap(), Log::connect(settings).await.unwrap());
    let mut heard = reader.notices().await.unwrap();
    let at = |seq| Position { incarnation: Incarnation::new(7), seq };
    let ordered_at = Timestamp::from_unix_us(1_750_000_000_000_000);
    for seq in 0..100 {
        let touched =
            Touched::these(vec![id_key(Tenant::none(), &format!("customer {seq}"))], vec![hour_of(ordered_at)]);
        let (stream, committed_at) = (Lane::Orders.on(ShardId(2)), Timestamp::now());
        let derived =
            vec![DerivedThrough { target: ShardId(1), through: at(seq), published: at(2 * seq), owed_since: None }];
        let notice = Notice { stream, before: at(seq), after: at(seq + 1), committed_at, touched, derived };
        writer.publish_notice(&notice).await.unwrap();
        assert_eq!(within(heard.next()).await, Some(notice));
    }
    let life = Notice::heartbeat(Lane::Views.on(ShardId(0)), at(100), Timestamp::now());
    writer.publish_notice(&life).await.unwrap();
    let life = within(heard.next()).await.unwrap();
    assert!(life.is_heartbeat() && !life.touched.has_hour(hour_of(ordered_at)));
}

#[tokio::test]
async fn what_is_no_notice_is_left_out() {
    let log = Log::connect(settings("foreign").await).await.unwrap();
    let mut heard = log.notices().await.unwrap();
    let foreign = async_nats::connect(&log.settings().url).await.unwrap();
    let subject = log.settings().name.notice_subject(Lane::Orders.on(ShardId(0)));
    for bytes in [&b""[..], b"garbage", &[1; 4000]] {
        foreign.publish(subject.clone(), bytes.to_vec().into()).await.unwrap();
    }
    // An answer proves that the server has passed on what was sent before.
    async_nats::jetstream::new(foreign).query_account().await.unwrap();
    let position = Position { incarnation: Incarnation::new(1), seq: 1 };
    let notice = Notice::heartbeat(Lane::Orders.on(ShardId(0)), position, Timestamp::now());
    log.publish_notice(&notice).await.unwrap();
    assert_eq!(within(heard.next()).await, Some(notice));
}
