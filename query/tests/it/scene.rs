//! A query service in this process, with three shards and a log of its own.

use clap::Parser;
use forebay_log::{Log, LogSettings};
use forebay_model::{ShardId, ShardMap};
use forebay_query::Settings;
use forebay_shard::{ShardAddresses, migrate};
use forebay_testkit::Databases;
use forebay_testkit::log::{even_map, settings, start};
use forebay_testkit::service::{Answer, Served};
use serde_json::Value;

use crate::writing::Writing;

pub(crate) const SHARDS: u16 = 3;

pub(crate) struct Scene {
    pub(crate) shards: Databases,
    pub(crate) log: Log,
    pub(crate) writing: Writing,
    pub(crate) query: Served,
}

impl Scene {
    pub(crate) async fn start(name: &str) -> Self {
        Self::start_with(name, &[], |map| map).await
    }

    /// With further flags, and with a changed shard map (as JSON).
    pub(crate) async fn start_with(name: &str, flags: &[&str], change: impl FnOnce(Value) -> Value) -> Self {
        let shards = Databases::new(name, usize::from(SHARDS)).await;
        for url in &shards.urls {
            migrate(&url.parse::<ShardAddresses>().unwrap()).await.unwrap();
        }
        let even = serde_json::to_value(even_map(usize::from(SHARDS))).unwrap();
        let map: ShardMap = serde_json::from_value(change(even)).unwrap();
        let log = start(settings(name).await, &map).await;
        let writing = Writing::new(log.clone(), &shards.urls, map).await;
        let query = start_query(&log, &shards.urls, flags).await;
        Self { shards, log, writing, query }
    }

    /// Runs SQL in a shard by psql.
    pub(crate) async fn sql(&self, shard: ShardId, statement: &str) -> String {
        self.shards.sql(usize::from(shard.0), statement).await
    }

    /// Takes a shard's database away from everybody.
    pub(crate) async fn take_down(&self, shard: ShardId) {
        self.shards.take_down(usize::from(shard.0)).await;
    }

    pub(crate) async fn bring_back(&self, shard: ShardId) {
        self.shards.bring_back(usize::from(shard.0)).await;
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.query.get(path).await
    }
}

/// A service that has seen its log and its shards.
pub(crate) async fn start_query(log: &Log, urls: &[String], flags: &[&str]) -> Served {
    start_query_without(log, urls, flags, &[]).await
}

/// A service for which some dependencies are down.
pub(crate) async fn start_query_without(log: &Log, urls: &[String], flags: &[&str], down: &[&str]) -> Served {
    let query = serve_query(log, urls, flags).await;
    query.ready_without(down).await;
    query
}

/// A service, ready or not.
pub(crate) async fn serve_query(log: &Log, urls: &[String], flags: &[&str]) -> Served {
    let LogSettings { url, name, .. } = log.settings();
    let shards = urls.join(",");
    let fixed = ["forebay-query", "--nats", url, "--log-prefix", name.as_str(), "--shards", &shards];
    let redis: &[&str] = if flags.contains(&"--redis") { &[] } else { &["--redis", "none"] };
    let settings = Settings::try_parse_from(fixed.iter().chain(redis).chain(flags)).unwrap();
    let start = |service: &_| forebay_query::start(&settings, service).unwrap();
    Served::start(&settings.service, start).await
}

/// The order ids of a list's answer.
pub(crate) fn order_ids(list: &Value) -> Vec<&str> {
    list["data"].as_array().unwrap().iter().map(|order| order["order_id"].as_str().unwrap()).collect()
}
