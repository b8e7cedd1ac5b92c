//! What a commit has brought: derived once, and dealt out to the targets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use forebay_model::fact::FramePart;
use forebay_model::tuple::TupleError;
use forebay_model::{Deriver, Facts, Lane, Position, ShardId, StoredOrder};
use forebay_shard::read::eventful::{Eventful, News};
use forebay_shard::read::order_key::OrderKey;
use forebay_shard::read::stored_order::OrderReader;
use forebay_shard::{DeadRows, IndexedFrame};
use tokio::sync::{Notify, mpsc};
use tracing::{debug, error};

/// How long commits may have to wait for the reading of orders.
const READ_MAX: Duration = Duration::from_secs(2);

/// What a commit has brought.
#[derive(Debug)]
pub(super) struct Brought {
    pub(super) before: Position,
    pub(super) after: Position,
    /// What it is derived with.
    pub(super) deriver: Deriver,
    pub(super) frames: Vec<IndexedFrame>,
    /// The rows of them that were not stored, in order.
    pub(super) dead: Vec<DeadRows>,
    /// The stored orders that events are about, where one of both came with the frames.
    pub(super) eventful: Vec<Eventful>,
}

/// What a commit has brought for one target: maybe nothing, which moves it on as well.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) before: Position,
    pub(super) after: Position,
    pub(super) parts: Vec<FramePart>,
}

/// Where pieces for one target are put in.
#[derive(Debug)]
pub(super) struct Outlet {
    target: ShardId,
    pieces: mpsc::Sender<Piece>,
    missed: Arc<Notify>,
}

/// Where a target's worker takes them out.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) pieces: mpsc::Receiver<Piece>,
    /// Told where a piece was left out, because too many waited.
    pub(super) missed: Arc<Notify>,
}

pub(super) fn outlet(target: ShardId, pieces_max: usize) -> (Outlet, Inlet) {
    let (sender, receiver) = mpsc::channel(pieces_max);
    let missed = Arc::new(Notify::new());
    (Outlet { target, pieces: sender, missed: Arc::clone(&missed) }, Inlet { pieces: receiver, missed })
}

/// Derives and deals out.
#[derive(Debug)]
pub(super) struct Dealer {
    outlets: Vec<Outlet>,
    /// For what happened to orders, which no frame has together.
    orders: OrderReader,
}

impl Dealer {
    pub(super) fn new(outlets: Vec<Outlet>, orders: OrderReader) -> Self {
        Self { outlets, orders }
    }

    pub(super) async fn run(self, mut commits: mpsc::Receiver<Brought>) {
        while let Some(brought) = commits.recv().await {
            self.deal(brought).await;
        }
    }

    /// No target waits for another: where too many pieces wait already, the worker will find this one again by itself.
    async fn deal(&self, Brought { before, after, deriver, frames, dead, eventful }: Brought) {
        let mut facts = Facts::default();
        let derived = derive_stored(&deriver, &frames, &dead, &mut facts);
        if let Err(error) = &derived {
            error!(%error, ?before, ?after, "a stored order cannot be read: what follows from it is looked for in the log");
        }
        if derived.is_err() || !self.derive_eventful(&deriver, after, &eventful, &mut facts).await {
            self.outlets.iter().for_each(|outlet| outlet.missed.notify_one());
            return;
        }
        let mut by_target: BTreeMap<ShardId, Vec<FramePart>> = BTreeMap::new();
        for part in facts.into_parts() {
            by_target.entry(part.shard).or_default().push(part);
        }
        for outlet in &self.outlets {
            let parts = by_target.remove(&outlet.target).unwrap_or_default();
            if outlet.pieces.try_send(Piece { before, after, parts }).is_err() {
                outlet.missed.notify_one();
            }
        }
    }
}

impl Dealer {
    /// Adds what is new of orders together with what happened to them: an event adds to what views see of its order, and does not make all of it
    /// again. Whether they could be read: where not, every worker finds them by itself, with patience.
    async fn derive_eventful(
        &self,
        deriver: &Deriver,
        after: Position,
        eventful: &[Eventful],
        facts: &mut Facts,
    ) -> bool {
        if eventful.is_empty() || deriver.views().is_empty() {
            return true;
        }
        let news: BTreeMap<&OrderKey, &News> = eventful.iter().map(|of| (&of.order, &of.news)).collect();
        let wanted: Vec<_> = eventful.iter().map(|of| (of.bucket, of.order.clone())).collect();
        let read = tokio::time::timeout(READ_MAX, self.orders.decided(after, &wanted, &[])).await;
        match read {
            Ok(Ok(Some(orders))) => {
                for order in &orders {
                    let is_new = |event_id: &str| news.get(&order.key).is_none_or(|news| news.has(event_id));
                    deriver.derive_news(&order.as_stored(), is_new, facts);
                }
                true
            }
            // Another writer leads, or the shard was set back: the session will see it.
            Ok(Ok(None)) => false,
            Ok(Err(error)) => {
                debug!(%error, "what happened to orders was not read");
                false
            }
            Err(_late) => {
                debug!("what happened to orders was not read in time");
                false
            }
        }
    }
}

/// Adds what follows from the rows of committed frames, but for those that are dead. (A duplicate is as good as the row that was
/// stored before: it says the same.)
///
/// # Errors
/// Where a row that is not dead cannot be read: never, because that is one of the reasons to be dead.
fn derive_stored(
    deriver: &Deriver,
    frames: &[IndexedFrame],
    dead: &[DeadRows],
    facts: &mut Facts,
) -> Result<(), TupleError> {
    let mut dead = dead.iter().peekable();
    let of_orders = |frame: &&IndexedFrame| frame.lane() == Some(Lane::Orders) && frame.is_whole();
    for indexed in frames.iter().filter(of_orders) {
        let seq = indexed.frame().seq;
        for (row, entry) in (indexed.first_row()..).zip(indexed.tuples().entries()) {
            while dead.next_if(|dead| (dead.seq, dead.row.saturating_add(dead.rows)) <= (seq, row)).is_some() {}
            if dead.peek().is_some_and(|dead| dead.seq == seq && dead.row <= row) {
                continue;
            }
            deriver.derive(&StoredOrder::of(&indexed.read(*entry)?), facts);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::num::NonZeroU16;

    use bytes::Bytes;
    use forebay_model::{Claims, Epoch, Hash, ShardMap, Tuples, tuple};
    use forebay_shard::LogFrame;
    use forebay_testkit::log::with_order;
    use forebay_testkit::order::patched;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn map() -> ShardMap {
        ShardMap::even(NonZeroU16::MIN, Hash::Md5)
    }

    fn deriver() -> Deriver {
        Deriver::new("".parse().unwrap(), Arc::new(map()))
    }

    fn tuples(seq: u64, rows: u32) -> Vec<u8> {
        let mut payload = Vec::new();
        for row in 0..rows {
            let order = json!({"order_id": format!("{seq}-{row}"), "customer_id": "C", "timestamp": "2025-01-01T00:00:00Z",
                "items": [{"sku": "a", "quantity": 1, "price": 1}]});
            with_order(&order.to_string(), &map(), |order| tuple::push_order(&mut payload, order));
        }
        payload
    }

    fn declaring(rows: u32, seq: u64, payload: Vec<u8>) -> IndexedFrame {
        let (id, epoch, payload) = (String::new(), Epoch(1), Bytes::from(payload));
        LogFrame { seq, id, epoch, enqueued_at: None, rows, payload, claims: Claims::default(), fault: None }
            .indexed(Lane::Orders)
    }

    fn frame(seq: u64, rows: u32) -> IndexedFrame {
        declaring(rows, seq, tuples(seq, rows))
    }

    #[test]
    fn nothing_follows_from_a_frame_that_has_more_rows_than_it_declares() {
        let (frame, mut facts) = (declaring(1, 1, tuples(1, 2)), Facts::default());
        // It is one letter, of as many rows as it declares.
        derive_stored(&deriver(), &[frame], &[DeadRows { seq: 1, row: 0, rows: 1 }], &mut facts).unwrap();
        assert_eq!(facts.into_parts(), []);
    }

    #[test]
    fn a_row_that_is_not_dead_and_cannot_be_read_is_not_passed_over() {
        let spoilt = patched(tuples(1, 1), b"\x01[", b"\x02[");
        let frames = [declaring(2, 1, [tuples(1, 1), spoilt].concat())];
        let derive = |dead: &[DeadRows]| derive_stored(&deriver(), &frames, dead, &mut Facts::default());
        assert_eq!(derive(&[DeadRows { seq: 1, row: 1, rows: 1 }]), Ok(()));
        assert_eq!(derive(&[]), Err(TupleError::JsonbVersion { column: "items" }));
    }

    proptest! {
        #[test]
        fn exactly_the_rows_that_are_not_dead_are_derived(
            frames in prop::collection::vec(1u32..6, 1..6),
            dead in prop::collection::btree_set((1u64..7, 0u32..6), 0..12),
        ) {
            let frames: Vec<_> = (1u64..).zip(frames).map(|(seq, rows)| frame(seq, rows)).collect();
            // Some of the dead stand for several rows.
            let letters: Vec<DeadRows> = dead.iter().map(|&(seq, row)| DeadRows { seq, row, rows: 1 + row % 2 }).collect();
            let is_dead = |seq, row| letters.iter().any(|dead| dead.seq == seq && (dead.row..dead.row + dead.rows).contains(&row));
            let rows = frames.iter().flat_map(|frame| (0..frame.frame().rows).map(|row| (frame.frame().seq, row)));
            let expected: BTreeSet<String> =
                rows.filter(|&(seq, row)| !is_dead(seq, row)).map(|(seq, row)| format!("{seq}-{row}")).collect();
            let mut facts = Facts::default();
            derive_stored(&deriver(), &frames, &letters, &mut facts).unwrap();
            let mut found = BTreeSet::new();
            for part in facts.into_parts() {
                for tuple in Tuples::new(part.lane, &part.tuples) {
                    found.insert(String::from_utf8(tuple.unwrap().named("order_id").unwrap().to_vec()).unwrap());
                }
            }
            prop_assert_eq!(found, expected);
        }
    }
}
