//! Facts and frames for tests: real tuples, and broken ones.

use bytes::Bytes;
use forebay_model::fact::FramePart;
use forebay_model::tuple::push_order;
use forebay_model::{Claims, Epoch, Lane, ShardId, Tenant, Timestamp};
use forebay_shard::{IndexedFrame, LogFrame};
use forebay_testkit::log::{derived, even_map, with_order_of};
use forebay_testkit::order::patched;

/// One order of one item, as it would be stored.
#[derive(Clone)]
pub(crate) struct Fact {
    pub(crate) tenant: Tenant,
    pub(crate) customer: String,
    pub(crate) order: String,
    pub(crate) at: String,
    pub(crate) price: u32,
    /// Stands in the attributes as `note`.
    pub(crate) note: String,
}

pub(crate) fn fact(order: impl ToString) -> Fact {
    Fact {
        tenant: Tenant::default(),
        customer: "CUST1".to_owned(),
        order: order.to_string(),
        at: "2025-06-30T12:30:00Z".to_owned(),
        price: 100,
        note: "111111111".to_owned(),
    }
}

impl Fact {
    pub(crate) fn at(mut self, at: impl ToString) -> Self {
        self.at = at.to_string();
        self
    }

    pub(crate) fn of(mut self, tenant: &str) -> Self {
        self.tenant = Tenant::new(tenant).unwrap();
        self
    }

    pub(crate) fn price(mut self, price: u32) -> Self {
        self.price = price;
        self
    }

    pub(crate) fn order(&self) -> Vec<u8> {
        let json = format!(
            "{{\"customer_id\":\"{}\",\"order_id\":\"{}\",\"timestamp\":\"{}\",\"note\":{},\
             \"items\":[{{\"sku\":\"A\",\"quantity\":1,\"price\":{},\"seller_id\":\"S1\"}}]}}",
            self.customer, self.order, self.at, self.note, self.price
        );
        let mut out = Vec::new();
        with_order_of(&self.tenant, &json, &even_map(1), |order| push_order(&mut out, order));
        out
    }

    /// Its entry in the index.
    pub(crate) fn index(&self) -> Vec<u8> {
        self.derived(Lane::Index)
    }

    /// What its one seller sees of it.
    pub(crate) fn view(&self) -> Vec<u8> {
        self.derived(Lane::Views)
    }

    fn derived(&self, lane: Lane) -> Vec<u8> {
        let (shard, claims) = (ShardId(0), Claims::default());
        let order = FramePart { lane: Lane::Orders, shard, rows: 1, tuples: self.order(), claims };
        only(derived(&[order], &even_map(1)).into_iter().filter(|part| part.lane == lane))
    }
}

/// The tuples of the one part.
fn only(parts: impl IntoIterator<Item = FramePart>) -> Vec<u8> {
    let mut parts = parts.into_iter();
    let tuples = parts.next().unwrap().tuples;
    assert!(parts.next().is_none());
    tuples
}

/// A tuple that Postgres refuses: `numeric` has fewer digits.
pub(crate) fn overflowing(fact: &Fact) -> Vec<u8> {
    patched(fact.order(), b"111111111", b"1e9999999")
}

/// A tuple of lane `views` that Postgres refuses, for the same reason.
pub(crate) fn overflowing_view(order: &str) -> Vec<u8> {
    patched(fact(order).price(111_111_111).view(), b"111111111", b"1e9999999")
}

/// A tuple of lane `index` that Postgres refuses: the id, of four letters, is no text.
pub(crate) fn not_utf8(fact: &Fact) -> Vec<u8> {
    let id: &[u8] = fact.order.as_bytes();
    patched(fact.index(), id, b"X\xff\0X")
}

pub(crate) fn frame(seq: u64, tuples: &[Vec<u8>]) -> LogFrame {
    LogFrame {
        seq,
        id: format!("frame-{seq}"),
        epoch: Epoch(1),
        enqueued_at: Some(Timestamp::EARLIEST),
        rows: tuples.len() as u32,
        payload: Bytes::from(tuples.concat()),
        claims: Claims::default(),
        fault: None,
    }
}

/// The same frames, as a lane of orders takes them.
pub(crate) fn indexed(frames: &[LogFrame]) -> Vec<IndexedFrame> {
    frames.iter().map(|frame| frame.clone().indexed(Lane::Orders)).collect()
}

/// Frames numbered from `first`, of ten orders each.
pub(crate) fn frames(first: u64, count: u64) -> Vec<LogFrame> {
    let tuples = |seq: u64| (0..10).map(|row| fact(format!("O{seq}-{row}")).order()).collect::<Vec<_>>();
    (first..first + count).map(|seq| frame(seq, &tuples(seq))).collect()
}
