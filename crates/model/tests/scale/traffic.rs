//! What goes over the wires besides orders: frames of derived facts, and notices. Orders are parsed, logged and derived by the code that does it, and
//! notices are encoded.

use std::collections::BTreeSet;

use forebay_log::Notice;
use forebay_model::fact::FramePart;
use forebay_model::{
    DerivedThrough, Incarnation, Position, ShardId, StreamId, StreamKind, Timestamp, Touched, TupleIndex,
};
use forebay_testkit::log::{derived, facts};

use crate::fleet::{SHARDS, even, first_beyond};
use crate::page::{Table, number};

/// What each shard is given: about what one can store (docs/SCALING.md). A stream is committed every 50 ms (`writer/src/drain/session/mod.rs`).
const ORDERS_PER_S: u32 = 10_000;
const COMMITS_PER_S: u32 = 20;
const ORDERS_OF_A_COMMIT: u32 = ORDERS_PER_S / COMMITS_PER_S;
/// As many sellers as there are, so that each order is another one's.
const SELLERS: u32 = 10_007;
/// How long an acknowledgement takes under load, and what an ingest process is given.
const ACKNOWLEDGED_S: f64 = 0.003;
const INGEST_ORDERS_PER_S: f64 = 10_000.0;
/// More than that of signs of life alone is a burden; more than the other is more than a line of 1 Gbit/s.
const IDLE_BYTES_PER_S: usize = 10_000_000;
const LINE_BYTES_PER_S: usize = 125_000_000;

/// The orders of one commit, each with an id of its client, which needs an entry in the index, and one seller.
fn order(number: u32) -> String {
    format!(
        "{{\"customer_id\":\"CUST{}\",\"order_id\":\"ORD{number}\",\"timestamp\":\"2025-06-30T12:30:00Z\",\
         \"items\":[{{\"sku\":\"A\",\"quantity\":1,\"price\":2999,\"seller_id\":\"S{}\"}}]}}",
        number.wrapping_mul(2_654_435_761) % 1_000_000,
        number.wrapping_mul(40_503) % SELLERS,
    )
}

/// A commit of a shard's logged stream, and what follows from it.
struct Commit {
    logged: Vec<FramePart>,
    derived: Vec<FramePart>,
}

impl Commit {
    fn on(shards: u16) -> Self {
        let logged = facts((0..ORDERS_OF_A_COMMIT).map(order), &even(1));
        let derived = derived(&logged, &even(shards));
        Self { logged, derived }
    }

    fn facts(&self) -> u32 {
        self.derived.iter().map(|part| part.rows).sum()
    }

    fn targets(&self) -> usize {
        self.derived.iter().map(|part| part.shard).collect::<BTreeSet<_>>().len()
    }

    fn facts_a_frame(&self) -> f64 {
        f64::from(self.facts()) / self.derived.len() as f64
    }

    /// What the notice of the commit has: who is touched, and how far each target is now.
    fn notice(&self) -> usize {
        notice(StreamKind::Logged, touched(&self.logged), self.targets())
    }

    /// The same of a commit of a derived stream: as much comes to each as goes out from each.
    fn derived_notice(&self) -> usize {
        notice(StreamKind::Derived, touched(&self.derived), 0)
    }
}

fn touched(parts: &[FramePart]) -> Touched {
    let indexes: Vec<_> = parts.iter().map(|part| (Some(part.lane), TupleIndex::of(part.lane, &part.tuples))).collect();
    Touched::by(indexes.iter().map(|(lane, index)| (*lane, index)))
}

fn at(seq: u64) -> Position {
    Position { incarnation: Incarnation::new(1_750_000_000_000_001), seq }
}

fn notice(kind: StreamKind, touched: Touched, targets: usize) -> usize {
    let stream: StreamId = kind.on(ShardId(0));
    let through = |target: usize| DerivedThrough {
        target: ShardId(target as u16),
        through: at(7),
        published: at(8),
        owed_since: None,
    };
    let derived = (0..targets).map(through).collect();
    let committed_at = Timestamp::from_unix_us(1_750_000_000_000_000);
    Notice { stream, before: at(1), after: at(2), committed_at, touched, derived }.encode().len()
}

/// Bytes in a second to each who listens, while nothing is committed: each stream gives a sign of life.
fn idle(shards: u16) -> usize {
    let sign = |kind, targets| notice(kind, Touched::nothing(), targets);
    usize::from(shards) * (sign(StreamKind::Logged, shards.into()) + sign(StreamKind::Derived, 0))
}

/// The same under load.
fn busy(shards: u16) -> usize {
    let commit = Commit::on(shards);
    usize::from(shards) * COMMITS_PER_S as usize * (commit.notice() + commit.derived_notice())
}

/// How many orders are in a frame of ingest, whose frames wait for nobody but the one before: what comes while one is acknowledged, and one where
/// nothing does.
fn orders_a_frame(shards: u16) -> f64 {
    let come = INGEST_ORDERS_PER_S / f64::from(shards) * ACKNOWLEDGED_S;
    come + (-come).exp()
}

pub(crate) fn thin_frames_from() -> u16 {
    first_beyond(4096, |shards| Commit::on(shards.max(1)).facts_a_frame() >= 2.0).unwrap()
}

pub(crate) fn idle_notices_from() -> u16 {
    first_beyond(4096, |shards| idle(shards) <= IDLE_BYTES_PER_S).unwrap()
}

pub(crate) fn busy_notices_from() -> u16 {
    first_beyond(4096, |shards| busy(shards.max(1)) <= LINE_BYTES_PER_S).unwrap()
}

pub(crate) fn frames_table() -> Table {
    let mut table = Table::new(&[
        "shards",
        "facts that follow from a commit",
        "their frames",
        "facts a frame",
        "such frames/s, all shards",
        "orders a frame of ingest",
    ]);
    for shards in SHARDS {
        let commit = Commit::on(shards);
        table.row(&[
            shards.to_string(),
            number(commit.facts()),
            number(commit.derived.len()),
            format!("{:.1}", commit.facts_a_frame()),
            number(commit.derived.len() * usize::from(shards) * COMMITS_PER_S as usize),
            format!("{:.1}", orders_a_frame(shards)),
        ]);
    }
    table
}

pub(crate) fn notices_table() -> Table {
    let mut table = Table::new(&[
        "shards",
        "notices/s",
        "bytes of a logged stream's",
        "of a derived stream's",
        "MB/s to each query process",
        "MB/s where nothing is committed",
    ]);
    let mega = |bytes: usize| format!("{:.1}", bytes as f64 / 1e6);
    for shards in SHARDS {
        let commit = Commit::on(shards);
        table.row(&[
            shards.to_string(),
            number(usize::from(shards) * StreamKind::ALL.len() * COMMITS_PER_S as usize),
            number(commit.notice()),
            number(commit.derived_notice()),
            mega(busy(shards)),
            mega(idle(shards)),
        ]);
    }
    table
}

#[test]
fn an_order_is_derived_once_however_many_shards_there_are() {
    let facts: Vec<u32> = [1, 7, 1000].map(|shards| Commit::on(shards).facts()).into();
    assert_eq!(facts, [2 * ORDERS_OF_A_COMMIT; 3]);
    assert!(Commit::on(1000).derived.iter().all(|part| part.shard.0 < 1000));
}
