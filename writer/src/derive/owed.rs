//! What is owed to a target, found again: in the log as far as that reaches back, and else among the stored orders, by the place
//! in the log that each keeps.
//!
//! Everything that was ever logged lies in the makings of the logged stream, one behind the other, and in each in the order of its
//! frames. It is read in that order, so where the target has come to is a position at any time, be it one of an earlier making,
//! and is noted like any other: whatever crashes, it goes on from there. Copied orders are of other shards' logs. Only a target
//! that is owed everything is owed them; they come first.

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::Duration;

use forebay_log::{Frame, FrameReader, ReadFrom, StoredFrame};
use forebay_model::fact::FramePart;
use forebay_model::{Bucket, Control, Deriver, Facts, Identity, Lane, Position, ShardId, Tuples};
use forebay_shard::PlaceLog;
use forebay_shard::read::eventful::OrderRef;
use forebay_shard::read::order_key::OrderKey;
use forebay_shard::read::stored_order::{OrderReader, StoredOrder};
use forebay_shard::read::stretch::{Stretch, TimeWindow};

use super::Source;
use super::stretch::StretchReader;
use super::trouble::Trouble;

/// Rows of the log that are looked up together.
const ROWS: usize = 2000;
/// Frames that are committed are in the log; one that does not come is looked for anew.
const FRAME_MAX: Duration = Duration::from_secs(10);

/// Facts for one target, from where it has come to up to a position.
pub(super) struct Owed {
    source: Source,
    deriver: Deriver,
    target: ShardId,
    orders: OrderReader,
    /// Where the target has come to.
    through: Position,
    upto: Position,
    windows: Vec<TimeWindow>,
    reading: Option<Reading>,
    /// What is read after that.
    rest: VecDeque<Stretch>,
}

/// Orders that a part of a stretch leads to.
struct OwedOrders {
    orders: Vec<StoredOrder>,
    /// Of those that only events lead to, which these are: the ids of the events by that of their order. What follows from the rest was derived
    /// when the order was, or the other events.
    events: HashMap<String, BTreeSet<String>>,
    /// The orders that it has itself; nothing where all are to be derived as a whole.
    own: Option<HashSet<OrderKey>>,
}

/// Where a stretch is read.
enum Reading {
    Log(Box<FrameReader>, Stretch),
    Stored(StretchReader),
}

impl Owed {
    /// What lies between the two positions.
    pub(super) async fn find(
        source: &Source,
        deriver: Deriver,
        through: Position,
        upto: Position,
        target: ShardId,
    ) -> Result<Self, Trouble> {
        let name = format!("forebay-derive {} for {target}", source.stream);
        let orders = OrderReader::new(source.stream.shard, &source.addresses, name);
        // Orders that are stored later are behind the position, so only what was there before must be seen.
        let (logs, windows) = orders.places(upto).await?.ok_or(Trouble::SetBack)?;
        let rest = stretches(&logs, source.stream.shard, through, upto).into();
        Ok(Self { source: source.clone(), deriver, target, orders, through, upto, windows, reading: None, rest })
    }

    /// Whether there is nothing to read.
    pub(super) fn is_nothing(&self) -> bool {
        self.reading.is_none() && self.rest.is_empty()
    }

    /// The next facts, and where the target has come to with them. `None` once all are given.
    pub(super) async fn next(&mut self) -> Result<Option<(Vec<FramePart>, Position)>, Trouble> {
        loop {
            let read = match &mut self.reading {
                Some(Reading::Log(..)) => self.next_of_log().await?,
                Some(Reading::Stored(_)) => self.next_stored().await?,
                None => {
                    if let Some(stretch) = self.rest.pop_front() {
                        self.reading = Some(self.read(stretch).await?);
                        continue;
                    }
                    let is_new = self.through != self.upto;
                    self.through = self.upto;
                    return Ok(is_new.then_some((Vec::new(), self.upto)));
                }
            };
            if let Some(found) = read {
                return Ok(Some((self.derive(&found), self.through)));
            }
        }
    }

    /// Begins to read a stretch: in the log, where it is of the stream as it is, and nothing of it is trimmed.
    async fn read(&self, stretch: Stretch) -> Result<Reading, Trouble> {
        let stored = || Reading::Stored(StretchReader::new(stretch, &self.windows));
        if !is_of(&stretch.log, self.source.stream.shard, self.upto) {
            return Ok(stored());
        }
        let position = Position { seq: stretch.behind, ..self.upto };
        match self.source.log.read(self.source.stream, Some(ReadFrom { position, frame_id: None })).await {
            Ok(reader) => Ok(Reading::Log(Box::new(reader), stretch)),
            Err(error) if error.is_loss() => Ok(stored()),
            Err(error) => Err(error.into()),
        }
    }

    /// What the log leads to next; `None` where it is at the end, or goes on among the stored orders.
    async fn next_of_log(&mut self) -> Result<Option<OwedOrders>, Trouble> {
        let Some(Reading::Log(reader, stretch)) = &mut self.reading else { return Ok(None) };
        let at = Position { seq: stretch.behind, ..self.upto };
        if at.seq >= self.upto.seq {
            self.reading = None;
            return Ok(None);
        }
        let frames = match reader.next_batch_within(ROWS, self.source.batch_bytes, FRAME_MAX).await {
            Ok(frames) => frames,
            // What was committed of it is stored, so that it can be found there.
            Err(error) if error.is_loss() => {
                self.reading = Some(Reading::Stored(StretchReader::new(*stretch, &self.windows)));
                return Ok(None);
            }
            Err(error) => return Err(error.into()),
        };
        let mut frames: Vec<_> = frames.into_iter().filter(|frame| frame.position.seq <= self.upto.seq).collect();
        if let Some(place) = frames.iter().position(tells_of_a_unit) {
            // What was parked until then was first stored there, and stands in the log elsewhere.
            frames.truncate(place);
            let behind = frames.last().map_or(stretch.behind, |frame| frame.position.seq);
            self.reading = Some(Reading::Stored(StretchReader::new(Stretch { behind, ..*stretch }, &self.windows)));
            return self.decided_of(&frames).await;
        }
        let Some(last) = frames.last().map(|frame| frame.position) else { return Err(Trouble::Silent(at)) };
        stretch.behind = last.seq;
        self.decided_of(&frames).await
    }

    /// Which orders of frames are stored, and how: the first of an identity stays, and what is dead is not there.
    async fn decided_of(&mut self, frames: &[StoredFrame]) -> Result<Option<OwedOrders>, Trouble> {
        let Some(last) = frames.last() else { return Ok(None) };
        self.through = last.position;
        let own = identities(frames);
        let (named, events) = named_by_events(frames);
        let orders = self.orders.decided(self.upto, &own, &named).await?.ok_or(Trouble::SetBack)?;
        let own = own.into_iter().map(|(_, order)| order).collect();
        Ok(Some(OwedOrders { orders, events, own: Some(own) }))
    }

    /// The next stored orders; `None` at the end.
    async fn next_stored(&mut self) -> Result<Option<OwedOrders>, Trouble> {
        let Some(Reading::Stored(reader)) = &mut self.reading else { return Ok(None) };
        let Some((orders, seq)) = reader.next(&self.orders, self.upto).await? else {
            self.reading = None;
            return Ok(None);
        };
        let log = reader.stretch().log;
        // Where the target has come to with copied orders is no position of this shard's log.
        if log.shard == self.source.stream.shard {
            self.through = Position { incarnation: log.incarnation, seq };
        }
        Ok(Some(OwedOrders { orders, events: HashMap::new(), own: None }))
    }

    fn derive(&self, found: &OwedOrders) -> Vec<FramePart> {
        let mut facts = Facts::default();
        for order in &found.orders {
            match &found.own {
                Some(own) if !own.contains(&order.key) => {
                    let new = found.events.get(&order.key.order_id);
                    let is_new = |event_id: &str| new.is_some_and(|new| new.contains(event_id));
                    self.deriver.derive_news(&order.as_stored(), is_new, &mut facts);
                }
                _ => self.deriver.derive(&order.as_stored(), &mut facts),
            }
        }
        facts.into_parts().into_iter().filter(|part| part.shard == self.target).collect()
    }
}

/// What lies between two positions, of the makings of a shard's logged stream that there were; from the beginning, copied orders
/// first, where the first position is of none of them.
fn stretches(logs: &[PlaceLog], shard: ShardId, through: Position, upto: Position) -> Vec<Stretch> {
    let begun = logs.iter().position(|log| is_of(log, shard, through));
    let copied = logs.iter().filter(|log| begun.is_none() && log.shard != shard);
    let own = logs[begun.unwrap_or(0)..].iter().filter(|log| log.shard == shard);
    let stretch = |&log: &PlaceLog| Stretch {
        log,
        behind: if is_of(&log, shard, through) { through.seq } else { 0 },
        upto: if is_of(&log, shard, upto) { upto.seq } else { u64::MAX },
    };
    copied.chain(own).map(stretch).filter(|stretch| stretch.behind < stretch.upto).collect()
}

/// Whether a position of a shard's logged stream lies in that log.
fn is_of(log: &PlaceLog, shard: ShardId, position: Position) -> bool {
    (log.shard, log.incarnation) == (shard, position.incarnation)
}

/// Whether a frame says whose a unit is.
fn tells_of_a_unit(frame: &StoredFrame) -> bool {
    let said = frame.frame.as_ref().ok().and_then(Frame::control);
    matches!(said, Some(Control::Owner(_)))
}

/// The identities of the orders in frames. What cannot be read was not stored.
fn identities(frames: &[StoredFrame]) -> Vec<(Bucket, OrderKey)> {
    let mut identities = Vec::new();
    for frame in frames.iter().filter(|frame| frame.kind.lane() == Some(Lane::Orders)) {
        let readable = Tuples::new(Lane::Orders, frame.payload()).filter_map(Result::ok);
        identities.extend(readable.filter_map(|tuple| OrderKey::of(&Identity::of(&tuple))));
    }
    identities
}

/// The orders that events in frames are about, and the ids of the events by that of their order.
fn named_by_events(frames: &[StoredFrame]) -> (Vec<OrderRef>, HashMap<String, BTreeSet<String>>) {
    let of_events = frames.iter().filter(|frame| frame.kind.lane() == Some(Lane::Events));
    let (mut named, mut events) = (BTreeSet::new(), HashMap::<String, BTreeSet<String>>::new());
    for (of, event_id) in of_events.flat_map(|frame| OrderRef::all_of(frame.payload())) {
        events.entry(of.order_id.clone()).or_default().insert(event_id);
        named.insert(of);
    }
    (named.into_iter().collect(), events)
}

#[cfg(test)]
mod tests {
    use forebay_model::tuple::push_event;
    use forebay_model::{EventParser, Incarnation, Tenant, Timestamp, ViewSet};
    use forebay_testkit::log::{even_map, facts, frame};
    use forebay_testkit::order::patched;
    use serde_json::json;

    use super::*;

    const END: u64 = u64::MAX;

    fn order(id: &str) -> Vec<u8> {
        let order = json!({"order_id": id, "customer_id": "C", "timestamp": "2025-01-01T00:00:00Z",
            "items": [{"sku": "a", "quantity": 1, "price": 1}]});
        facts([order], &even_map(1)).remove(0).tuples
    }

    fn event(of: &str) -> Vec<u8> {
        let event = json!({"order_id": of, "customer_id": "C", "event_id": of, "kind": "shipped", "at": "2025-01-02T00:00:00Z"});
        let (parser, mut tuple) = (EventParser::new(ViewSet::default(), 0), Vec::new());
        let draft = parser.parse(event.to_string().as_bytes(), None, Timestamp::now()).unwrap();
        push_event(&mut tuple, &draft.settle(Tenant::none(), &even_map(1), None).unwrap());
        tuple
    }

    #[test]
    fn a_row_that_cannot_be_read_hides_none_of_its_frame() {
        // Another version of its `jsonb`.
        let of_lane = |lane, tuple: fn(&str) -> Vec<u8>, [from, to]: [&[u8]; 2]| {
            let spoilt = patched(tuple("B"), from, to);
            let frame = frame(lane, 3, [tuple("A"), spoilt, tuple("C")].concat());
            StoredFrame { position: at(1, 1), kind: frame.kind, id: None, frame: Ok(frame) }
        };
        let orders = identities(&[of_lane(Lane::Orders, order, [b"\x01[", b"\x02["])]);
        assert_eq!(orders.iter().map(|(_, key)| &key.order_id[..]).collect::<Vec<_>>(), ["A", "C"]);
        let (named, _) = named_by_events(&[of_lane(Lane::Events, event, [b"\x01{", b"\x02{"])]);
        assert_eq!(named.iter().map(|of| &of.order_id[..]).collect::<Vec<_>>(), ["A", "C"]);
    }

    fn at(incarnation: u64, seq: u64) -> Position {
        Position { incarnation: Incarnation::new(incarnation), seq }
    }

    /// Number, first and last frame of what shard 1 reads. It has had the logs 10, 20 and 30, and copies from shard 0.
    fn read(through: Position, upto: Position) -> Vec<(i16, u64, u64)> {
        let log = |number, shard, incarnation| PlaceLog {
            number,
            shard: ShardId(shard),
            incarnation: Incarnation::new(incarnation),
        };
        let logs = [log(1, 1, 10), log(2, 1, 20), log(3, 0, 10), log(4, 1, 30)];
        let stretches = stretches(&logs, ShardId(1), through, upto);
        stretches.iter().map(|stretch| (stretch.log.number, stretch.behind, stretch.upto)).collect()
    }

    #[test]
    fn only_what_lies_between_is_read() {
        assert_eq!(read(at(30, 7), at(30, 9)), [(4, 7, 9)]);
        assert_eq!(read(at(30, 9), at(30, 9)), []);
        assert_eq!(read(at(20, 7), at(30, 9)), [(2, 7, END), (4, 0, 9)]);
        assert_eq!(read(at(10, 7), at(30, 9)), [(1, 7, END), (2, 0, END), (4, 0, 9)]);
    }

    #[test]
    fn everything_is_the_copied_orders_and_then_the_own_ones_in_order() {
        let all = [(3, 0, END), (1, 0, END), (2, 0, END), (4, 0, 9)];
        assert_eq!(read(Position::NOWHERE, at(30, 9)), all);
        assert_eq!(read(at(15, 3), at(30, 9)), all, "a making of which nothing is stored");
    }

    #[test]
    fn a_log_of_which_nothing_is_stored_yet_has_nothing_to_read() {
        assert_eq!(read(at(30, 7), at(40, 0)), [(4, 7, END)]);
    }
}
