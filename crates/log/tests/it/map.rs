//! The shard map: bootstrap, change, watch.

use std::sync::Arc;
use std::time::Duration;

use forebay_log::{Log, MapError};
use forebay_model::{Epoch, ShardMap};
use forebay_testkit::log::{even_map, settings};

/// A map of that many shards at an epoch.
pub(crate) fn map(shards: usize, epoch: u64) -> ShardMap {
    let mut json = serde_json::to_value(even_map(shards)).unwrap();
    json["epoch"] = epoch.into();
    serde_json::from_value(json).unwrap()
}

/// Waits until a log shows a map of that epoch. Not for long: changes are announced, and only if that fails a map is
/// found by reading it again after five seconds.
pub(crate) async fn shown(log: &Log, epoch: u64) -> Arc<ShardMap> {
    let mut maps = log.map();
    let right = |map: &Option<Arc<ShardMap>>| map.as_ref().is_some_and(|map| map.epoch() == Epoch(epoch));
    let map = tokio::time::timeout(Duration::from_secs(4), maps.wait_for(right)).await;
    map.expect("it is shown in time").expect("the watch lives").clone().expect("it was waited for")
}

#[tokio::test]
async fn of_two_first_maps_one_wins() {
    let settings = settings("race").await;
    for round in 0..10 {
        let mut settings = settings.clone();
        settings.name = format!("{}-{round}", settings.name).parse().unwrap();
        let (a, b) = (Log::connect(settings.clone()).await.unwrap(), Log::connect(settings).await.unwrap());
        let (first, second) = (map(2, 1), map(3, 1));
        let (one, two) = tokio::join!(a.create_map_if_absent(&first), b.create_map_if_absent(&second));
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_eq!(one, two);
        assert_eq!(shown(&a, 1).await, shown(&b, 1).await);
        assert_eq!(a.create_map_if_absent(&map(4, 1)).await.unwrap(), one, "a later one changes nothing");
    }
}

#[tokio::test]
async fn a_watch_sees_the_first_map_and_its_changes() {
    let settings = settings("watch").await;
    let (writer, reader) = (Log::connect(settings.clone()).await.unwrap(), Log::connect(settings).await.unwrap());
    assert!(reader.map().borrow().is_none());
    writer.create_map_if_absent(&map(2, 1)).await.unwrap();
    assert_eq!(*shown(&reader, 1).await, map(2, 1));
    writer.update_map(&map(3, 2)).await.unwrap();
    assert_eq!(*shown(&reader, 2).await, map(3, 2));
    assert_eq!(*shown(&writer, 2).await, map(3, 2));
    let late = Log::connect(reader.settings().clone()).await.unwrap();
    assert_eq!(*shown(&late, 2).await, map(3, 2));
}

#[tokio::test]
async fn a_change_of_an_old_map_is_a_conflict() {
    let settings = settings("cas").await;
    let (a, b) = (Log::connect(settings.clone()).await.unwrap(), Log::connect(settings).await.unwrap());
    assert!(matches!(a.update_map(&map(2, 2)).await, Err(MapError::Absent)));
    a.create_map_if_absent(&map(2, 1)).await.unwrap();
    let (first, second) = (map(3, 2), map(4, 2));
    let (one, two) = tokio::join!(a.update_map(&first), b.update_map(&second));
    let conflict = match (one, two) {
        (Ok(()), Err(conflict)) | (Err(conflict), Ok(())) => conflict,
        both => panic!("exactly one must win: {both:?}"),
    };
    assert!(matches!(conflict, MapError::Conflict { current: Epoch(2), wanted: Epoch(2) }), "{conflict}");
    assert!(matches!(a.update_map(&map(3, 5)).await, Err(MapError::Conflict { .. })), "an epoch was left out");
}
