//! A log, shards and a writer of a test's own, and the commands by which operators look after them.

use clap::Parser;
use forebay_log::{Log, LogSettings};
use forebay_model::fact::FramePart;
use forebay_model::{Lane, ShardId, ShardMap, StreamId, StreamKind};
use forebay_shard::ShardList;
use forebay_testkit::command::Finished;
use forebay_testkit::log::{STREAM_BYTES_MAX, derived, even_map, facts, frame, publish, settings, start};
use forebay_testkit::service::Served;
use forebay_testkit::{Databases, eventually};
use serde_json::Value;

use crate::forebay::Forebay;

pub(crate) struct Operated {
    pub(crate) log: Log,
    pub(crate) shards: Databases,
    map: ShardMap,
    forebay: Forebay,
    writer: Option<Served>,
}

impl Operated {
    /// Streams, map and tables. No writer yet.
    pub(crate) async fn idle(name: &str, shards: usize) -> Self {
        let (shards, map) = (Databases::new(name, shards).await, even_map(shards));
        for url in &shards.urls {
            forebay_shard::migrate(&url.parse().unwrap()).await.unwrap();
        }
        let list: ShardList = shards.urls.join(",").parse().unwrap();
        let map = map.with_members(list.members());
        let log = start(settings(name).await, &map).await;
        Self { log, shards, map, forebay: Forebay::new(), writer: None }
    }

    pub(crate) async fn new(name: &str, shards: usize) -> Self {
        let mut operated = Self::idle(name, shards).await;
        operated.start_writer().await;
        operated
    }

    pub(crate) async fn start_writer(&mut self) {
        let bytes_max = STREAM_BYTES_MAX.to_string();
        let listen = ["forebay-writer", "--listen", "127.0.0.1:0", "--stream-bytes-max", &bytes_max];
        let arguments = listen.iter().map(|&flag| flag.to_owned()).chain(self.flags());
        let settings = forebay_writer::Settings::try_parse_from(arguments).unwrap();
        let start = |service: &_| forebay_writer::start(&settings, service).unwrap();
        self.writer = Some(Served::start(&settings.service, start).await);
    }

    pub(crate) async fn stop_writer(&mut self) {
        if let Some(writer) = self.writer.take() {
            writer.stop().await;
        }
    }

    pub(crate) fn writer(&self) -> &Served {
        self.writer.as_ref().unwrap()
    }

    /// The command on this system, as a process that is not started yet.
    pub(crate) fn command(&self, command: &[&str]) -> tokio::process::Command {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.forebay.command(&[command, &flags].concat())
    }

    /// What tells a service of it.
    pub(crate) fn flags(&self) -> Vec<String> {
        let LogSettings { url, name, .. } = self.log.settings();
        let shards = self.shards.urls.join(",");
        ["--nats", url, "--log-prefix", name.as_str(), "--shards", &shards].map(str::to_owned).into()
    }

    /// Runs the command on this system.
    pub(crate) async fn run(&self, command: &[&str]) -> Finished {
        let flags = self.flags();
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.forebay.run(&[command, &flags].concat()).await
    }

    /// Runs a command that is not told of this system but by its arguments.
    pub(crate) async fn run_alone(&self, command: &[String]) -> Finished {
        self.forebay.run(&command.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// Runs the command as somebody who is told of one shard more.
    pub(crate) async fn run_with_one_more(&self, command: &[&str]) -> Finished {
        let mut flags = self.flags();
        flags.truncate(5);
        flags.push(format!("{},postgres://forebay@127.0.0.1/one_more", self.shards.urls.join(",")));
        let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
        self.forebay.run(&[command, &flags].concat()).await
    }

    /// Its standard output as JSON, where it ends with that exit code.
    pub(crate) async fn json(&self, command: &[&str], code: i32) -> Value {
        let ran = self.run(&[command, &["--json"]].concat()).await;
        assert_eq!(ran.code, Some(code), "{ran:?}");
        ran.json().unwrap()
    }

    /// Logs orders, as ingest does.
    pub(crate) async fn log_orders(&self, orders: &[String]) {
        for part in self.parts(orders) {
            self.log_part(part).await;
        }
    }

    /// Orders as they are logged, by shard.
    pub(crate) fn parts(&self, orders: &[String]) -> Vec<FramePart> {
        facts(orders, &self.map)
    }

    /// What follows from orders in one lane, as it is derived once they are stored.
    pub(crate) fn derived(&self, lane: Lane, orders: &[String]) -> Vec<FramePart> {
        let mut parts = derived(&self.parts(orders), &self.map);
        parts.retain(|part| part.lane == lane);
        parts
    }

    pub(crate) async fn log_part(&self, part: FramePart) {
        publish(&self.log, part.shard, &frame(part.lane, part.rows, part.tuples)).await;
    }

    /// A client of the log that knows nothing of Forebay.
    pub(crate) async fn jetstream(&self) -> async_nats::jetstream::Context {
        async_nats::jetstream::new(async_nats::connect(&self.log.settings().url).await.unwrap())
    }

    pub(crate) fn stream(&self, kind: StreamKind, shard: u16) -> String {
        self.log.settings().name.stream(kind.on(ShardId(shard)))
    }

    fn streams(&self, kind: StreamKind) -> impl Iterator<Item = StreamId> {
        self.map.shards().map(move |shard| kind.on(shard))
    }

    /// Waits until everything that was logged is committed.
    pub(crate) async fn stored(&self) {
        for stream in self.streams(StreamKind::Logged) {
            eventually(&format!("{stream} is drained"), async || self.is_drained(stream).await).await;
        }
    }

    /// Waits until everything that was logged is committed, and what follows from it.
    pub(crate) async fn drained(&self) {
        self.stored().await;
        for stream in self.streams(StreamKind::Logged) {
            eventually(&format!("nothing is owed of {stream}"), async || self.is_derived(stream).await).await;
        }
        for stream in self.streams(StreamKind::Derived) {
            eventually(&format!("{stream} is drained"), async || self.is_drained(stream).await).await;
        }
    }

    async fn is_drained(&self, StreamId { kind, shard }: StreamId) -> (bool, String) {
        let last = self.log.stream_state(kind.on(shard)).await.unwrap().last().to_string();
        let at = format!("select incarnation || '.' || stream_seq from stream_position where stream = '{kind}'");
        let at = self.shards.sql(shard.0.into(), &at).await;
        (at == last || (at.is_empty() && last.ends_with(".0")), format!("{at} of {last}"))
    }

    /// Every target is noted up to the position, by the stream that it has now.
    async fn is_derived(&self, StreamId { shard, .. }: StreamId) -> (bool, String) {
        const SQL: &str = "select coalesce(string_agg(d.target || '.' || d.target_incarnation, ' ' order by d.target), '') \
            from derived_through d join stream_position p using (incarnation, stream_seq) where p.stream = 'logged'";
        let noted = self.shards.sql(shard.0.into(), SQL).await;
        let mut there = Vec::new();
        for StreamId { kind, shard } in self.streams(StreamKind::Derived) {
            let state = self.log.stream_state(kind.on(shard)).await.unwrap();
            there.push(format!("{shard}.{}", state.incarnation));
        }
        (noted == there.join(" "), format!("noted {noted} of {}", there.join(" ")))
    }
}

/// An order of a customer, of one item.
pub(crate) fn order(customer: &str, id: &str, price: u32) -> String {
    order_at(customer, id, price, "2025-06-30T12:30:00Z")
}

pub(crate) fn order_at(customer: &str, id: &str, price: u32, at: &str) -> String {
    format!(
        "{{\"customer_id\":\"{customer}\",\"order_id\":\"{id}\",\"timestamp\":\"{at}\",\"note\":\"{id}\",\
         \"items\":[{{\"sku\":\"A\",\"quantity\":2,\"price\":{price},\"seller_id\":\"S{}\"}}]}}",
        price % 5
    )
}

/// Orders of several customers.
pub(crate) fn orders(numbers: std::ops::Range<u32>) -> Vec<String> {
    numbers
        .map(|n| {
            order_at(
                &format!("CUST{}", n % 13),
                &format!("ORD{n}"),
                100 + n,
                &format!("2025-06-{:02}T00:00:00Z", n % 28 + 1),
            )
        })
        .collect()
}
