//! Whose a unit is, row by row: stored here, parked, or left to another shard; and what control frames change of that.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::sync::Arc;

use bytes::Bytes;
use forebay_model::ownership::{
    Change, Copied, CopiedPlace, CopyFate, Duty, Inheritance, MoveId, NewState, Ownership, RowFate, State, Sums, Taken,
    Unit,
};
use forebay_model::{
    Bucket, Control, CustomerId, Epoch, Hash, Incarnation, Lane, Position, ShardId, ShardMap, StreamKind, Tenant,
};
use forebay_shard::owner::daily_sums;
use forebay_shard::{CommitError, IndexedFrame, LogFrame, SentOn, StoreSettings, StreamStore};
use proptest::prelude::*;
use sqlx::{Connection, PgConnection};

use crate::facts::{fact, frame};
use crate::scene::{Scene, Writer};

const HERE: ShardId = ShardId(0);
const THERE: ShardId = ShardId(1);

fn map() -> Arc<ShardMap> {
    Arc::new(ShardMap::even(NonZeroU16::new(2).unwrap(), Hash::Md5))
}

fn bucket_of(customer: &str) -> Bucket {
    map().bucket_of(Tenant::none(), &CustomerId::new(customer.to_owned()).unwrap())
}

/// Three customers, each of a bucket of its own: the first two were this shard's at first, and the third the other one's.
fn customers() -> [String; 3] {
    let of = |shard: ShardId| (0..).map(|n| format!("C{n}")).filter(move |id| map().founder(bucket_of(id)) == shard);
    let mut here = of(HERE);
    [here.next().unwrap(), here.next().unwrap(), of(THERE).next().unwrap()]
}

fn at(seq: u64) -> Position {
    Position { incarnation: Incarnation::new(7), seq }
}

/// An order of one of the customers.
fn order(customer: &str, id: u8, price: u32) -> Vec<u8> {
    let mut order = fact(format!("O{id}")).price(price);
    customer.clone_into(&mut order.customer);
    order.order()
}

fn control(seq: u64, change: &Change) -> IndexedFrame {
    LogFrame { rows: 0, payload: Bytes::new(), ..frame(seq, &[]) }.saying(Control::Owner(change.clone()))
}

/// Copies that a move brings, first stored by the other shard.
fn copies(seq: u64, of: u64, tuples: &[Vec<u8>]) -> IndexedFrame {
    let seqs = (100..).take(tuples.len()).collect();
    let place = Some(CopiedPlace { shard: THERE, incarnation: Incarnation::new(9), seqs });
    frame(seq, tuples).bringing(Lane::Orders, Copied { of: MoveId(Epoch(of)), place })
}

async fn writer(scene: &Scene) -> Writer {
    let mut writer = scene.writer(Lane::Orders).await;
    writer.store.know_units(map(), writer.position.incarnation).await.unwrap();
    writer
}

fn change(customer: &str, epoch: u64, of: u64, state: NewState) -> Change {
    let unit = Unit::of(StreamKind::Logged, bucket_of(customer));
    Change { unit, epoch: Epoch(epoch), of: MoveId(Epoch(of)), state }
}

/// What the log holds.
#[derive(Clone, Debug)]
enum Said {
    /// A frame of orders: of which customer, which id, at which price.
    Orders(Vec<(usize, u8, u32)>),
    /// A control frame.
    Owner(Change),
    /// Copies of the same, that a move of that number brings.
    Copies(u64, Vec<(usize, u8, u32)>),
}

/// What a shard should say and have of one customer's bucket.
#[derive(Clone, Debug, Default)]
struct OfUnit {
    ownership: Ownership,
    stored: BTreeMap<u8, u32>,
    parked: Vec<(u8, u32)>,
    was_spoken_of: bool,
}

/// A shard, as it should be.
#[derive(Clone, Debug)]
struct Model {
    units: Vec<OfUnit>,
    stored: u64,
    duplicate: u64,
    dead: u64,
    sent_on: u64,
    copied: u64,
    cleaned: u64,
}

impl Model {
    fn new() -> Self {
        let first = |customer: &String| {
            let is_here = map().founder(bucket_of(customer)) == HERE;
            let ownership = if is_here { Ownership::first(Epoch(1), at(0)) } else { Ownership::default() };
            OfUnit { ownership, ..OfUnit::default() }
        };
        Self {
            units: customers().iter().map(first).collect(),
            stored: 0,
            duplicate: 0,
            dead: 0,
            sent_on: 0,
            copied: 0,
            cleaned: 0,
        }
    }

    fn decide(&mut self, unit: usize, id: u8, price: u32) {
        match self.units[unit].stored.get(&id) {
            None => {
                self.units[unit].stored.insert(id, price);
                self.stored += 1;
            }
            Some(&first) if first == price => self.duplicate += 1,
            Some(_) => self.dead += 1,
        }
    }

    /// Where a row goes.
    fn fate(&self, unit: usize) -> RowFate {
        let OfUnit { ownership, parked, .. } = &self.units[unit];
        let named = map().shard(StreamKind::Logged, bucket_of(&customers()[unit]));
        ownership.row(HERE, named, !parked.is_empty())
    }

    /// Rows that are committed together.
    fn rows(&mut self, rows: &[(usize, u8, u32)], fates: &[RowFate], edge: Option<Position>) {
        for &(unit, id, price) in rows {
            match (fates[unit], edge) {
                (RowFate::Decide { .. }, _) => self.decide(unit, id, price),
                (RowFate::SendOn(to), Some(edge)) => {
                    self.units[unit].ownership.note_edge(to, edge);
                    self.units[unit].was_spoken_of = true;
                    self.sent_on += 1;
                }
                (RowFate::SendOn(_) | RowFate::Park, _) => self.units[unit].parked.push((id, price)),
            }
        }
    }

    /// Copies that a move brings.
    fn copies(&mut self, of: u64, rows: &[(usize, u8, u32)]) {
        for &(unit, id, price) in rows {
            let OfUnit { ownership, stored, .. } = &mut self.units[unit];
            if ownership.copy(MoveId(Epoch(of))) == CopyFate::Store && !stored.contains_key(&id) {
                stored.insert(id, price);
                self.copied += 1;
            }
        }
    }

    /// What is nobody's is deleted.
    fn clean(&mut self) {
        for unit in self.units.iter_mut().filter(|unit| unit.ownership.may_delete()) {
            self.cleaned += unit.stored.len() as u64;
            unit.stored.clear();
        }
    }

    fn take(&mut self, change: &Change, seq: u64) {
        let unit = customers().iter().position(|id| bucket_of(id) == change.unit.bucket()).unwrap();
        let OfUnit { ownership, stored, .. } = &self.units[unit];
        let mut others = Sums::default();
        others.add(Lane::Orders, 1);
        let sums = if stored.is_empty() { Sums::default() } else { others };
        match ownership.take(change, at(seq), || sums) {
            Taken::Late | Taken::Unfit => {}
            Taken::Refused(next) => self.units[unit].set(next),
            Taken::Changed(next, duty) => {
                self.units[unit].set(next);
                match duty {
                    Duty::Nothing => {}
                    Duty::DeleteRows => {
                        self.cleaned += self.units[unit].stored.len() as u64;
                        self.units[unit].stored.clear();
                    }
                    Duty::DecideParked => {
                        for (id, price) in std::mem::take(&mut self.units[unit].parked) {
                            self.decide(unit, id, price);
                        }
                    }
                    Duty::ParkDecided => panic!("it is left out"),
                }
            }
        }
    }

    fn would_park_decided(&self, change: &Change) -> bool {
        let unit = customers().iter().position(|id| bucket_of(id) == change.unit.bucket()).unwrap();
        let taken = self.units[unit].ownership.take(change, at(1), Sums::default);
        matches!(taken, Taken::Changed(_, Duty::ParkDecided))
    }
}

impl OfUnit {
    fn set(&mut self, next: Ownership) {
        self.ownership = next;
        self.was_spoken_of = true;
    }
}

fn new_state() -> impl Strategy<Value = NewState> {
    let nothing = Inheritance { sums: Sums::default(), origins: BTreeMap::new() };
    prop::sample::select(vec![
        NewState::Receiving { from: THERE },
        NewState::Copying { to: THERE },
        NewState::Awaiting { from: THERE },
        NewState::Released { to: THERE },
        NewState::Released { to: THERE },
        NewState::Owned { inherits: None },
        NewState::Owned { inherits: Some(nothing) },
        NewState::Cleaned { to: THERE },
    ])
}

fn said() -> impl Strategy<Value = Said> {
    let row = (0..3usize, 0..5u8, 1..3u32);
    let owner = (0..3usize, 1..14u64, new_state()).prop_map(|(unit, epoch, state)| {
        // Of one move, most often, so that its frames follow each other.
        Said::Owner(change(&customers()[unit], epoch, 2, state))
    });
    let rows = || prop::collection::vec(row.clone(), 1..5);
    prop_oneof![3 => rows().prop_map(Said::Orders), 3 => owner, 1 => (2..4u64, rows()).prop_map(|(of, rows)| Said::Copies(of, rows))]
}

/// The frames that follow, and what of them would be sent on, as long as nothing says whose a unit is.
fn to_be_sent(model: &Model, batch: &[Said]) -> usize {
    let until = batch.iter().take_while(|said| matches!(said, Said::Orders(_)));
    let rows = until.flat_map(|said| match said {
        Said::Orders(rows) => rows.clone(),
        Said::Owner(_) | Said::Copies(..) => Vec::new(),
    });
    rows.filter(|&(unit, ..)| matches!(model.fate(unit), RowFate::SendOn(_))).count()
}

async fn check(scene: &Scene, store: &StreamStore, model: &Model) {
    for (unit, customer) in model.units.iter().zip(customers()) {
        let bucket = bucket_of(&customer);
        let stored = scene
            .sql(&format!(
                "select string_agg(order_id || total, ' ' order by order_id) from orders where bucket = {}",
                bucket.number()
            ))
            .await;
        let expected: Vec<String> = unit.stored.iter().map(|(id, price)| format!("O{id}{price}")).collect();
        assert_eq!(stored, expected.join(" "), "{customer}");
        let times = scene.sql(&format!("select count(*) from order_time where bucket = {}", bucket.number())).await;
        assert_eq!(times, unit.stored.len().to_string(), "{customer}");
        let parked = scene.sql(&format!("select count(*) from parked where bucket = {}", bucket.number())).await;
        assert_eq!(parked, unit.parked.len().to_string(), "{customer}");
        assert_eq!(store.ownership(bucket), Some(unit.ownership.clone()), "{customer}");
    }
    let parked: usize = model.units.iter().map(|unit| unit.parked.len()).sum();
    let Model { stored, duplicate, dead, sent_on, copied, cleaned, .. } = model;
    let tally = "select rows_stored, rows_duplicate, rows_dead, rows_sent_on, rows_parked, rows_copied, rows_cleaned \
        from lane_tally where lane = 'orders'";
    assert_eq!(scene.sql(tally).await, format!("{stored}|{duplicate}|{dead}|{sent_on}|{parked}|{copied}|{cleaned}"));
    // What a shard does not own is not among what its orders come to.
    let owned = model.units.iter().filter(|unit| unit.ownership.state.owns());
    let (orders, total) =
        owned.flat_map(|unit| unit.stored.values()).fold((0, 0), |(n, sum), price| (n + 1, sum + price));
    let sums = scene.sql("select coalesce(sum(orders), 0), coalesce(sum(total), 0) from order_sums").await;
    assert_eq!(sums, format!("{orders}|{total}"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, ..ProptestConfig::default() })]

    /// Whatever a log says, in whatever batches, and whether the other log takes rows or not: each row has the one fate that the pure rules give it
    /// at its position, and a writer that opens the stream anew knows the same.
    #[test]
    fn each_row_goes_where_its_unit_is_at_its_position(
        log in prop::collection::vec(said(), 1..24),
        cuts in prop::collection::vec(1usize..6, 1..8),
        takes in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let scene = Scene::new("units").await;
            let mut writer = writer(&scene).await;
            let mut model = Model::new();
            let (mut cuts, mut takes) = (cuts.iter().cycle(), takes.iter().cycle());
            let mut rest: Vec<Said> = log;
            let mut other_end = 0;
            while !rest.is_empty() {
                let batch: Vec<Said> = rest.drain(..(*cuts.next().unwrap()).min(rest.len())).collect();
                let mut open = batch.as_slice();
                while !open.is_empty() {
                    if let Some(Said::Owner(change)) = open.first().filter(|said| matches!(said, Said::Owner(change) if model.would_park_decided(change))) {
                        let _ = change;
                        open = &open[1..];
                        continue;
                    }
                    let first = writer.position.seq + 1;
                    let made = |(seq, said): (u64, &Said)| match said {
                        Said::Orders(rows) => {
                            let tuples: Vec<_> = rows.iter().map(|&(unit, id, price)| order(&customers()[unit], id, price)).collect();
                            frame(seq, &tuples).indexed(Lane::Orders)
                        }
                        Said::Owner(change) => control(seq, change),
                        Said::Copies(of, rows) => {
                            let tuples: Vec<_> = rows.iter().map(|&(unit, id, price)| order(&customers()[unit], id, price)).collect();
                            copies(seq, *of, &tuples)
                        }
                    };
                    let frames: Vec<_> = (first..).zip(open).map(made).collect();
                    let parts = writer.store.to_be_sent_on(&frames).await.unwrap();
                    assert_eq!(parts.iter().map(|part| part.rows as usize).sum::<usize>(), to_be_sent(&model, open));
                    assert!(parts.iter().all(|part| part.shard == THERE && part.lane == Lane::Orders));
                    other_end += 1;
                    let edge = Position { incarnation: Incarnation::new(9), seq: other_end };
                    let sent: SentOn = takes.next().unwrap().then_some((THERE, edge)).into_iter().collect();
                    let committed = writer.store.commit(&frames, writer.position, &[], &sent).await.unwrap();
                    assert!(committed.frames > 0);
                    writer.position = committed.position;
                    let fates: Vec<_> = (0..3).map(|unit| model.fate(unit)).collect();
                    for (seq, said) in (first..).zip(&open[..committed.frames]) {
                        match said {
                            Said::Orders(rows) => model.rows(rows, &fates, sent.get(&THERE).copied()),
                            Said::Owner(change) => model.take(change, seq),
                            Said::Copies(of, rows) => model.copies(*of, rows),
                        }
                    }
                    open = &open[committed.frames..];
                }
                while writer.store.clean(writer.position).await.unwrap() {}
                model.clean();
            }
            check(&scene, &writer.store, &model).await;
            let mut anew = StreamStore::open(&scene.addresses(), StreamKind::Logged.on(HERE), StoreSettings::default()).await.unwrap();
            anew.know_units(map(), writer.position.incarnation).await.unwrap();
            check(&scene, &anew, &model).await;
            let waiting: BTreeSet<Bucket> = anew.parked_to_be_sent().into_iter().map(|(bucket, _)| bucket).collect();
            let sends = |place: &usize| {
                let unit = &model.units[*place];
                !unit.parked.is_empty() && unit.ownership.sends_to(HERE, THERE).is_some()
            };
            let expected: BTreeSet<Bucket> = (0..3).filter(sends).map(|place| bucket_of(&customers()[place])).collect();
            assert_eq!(waiting, expected);
        });
    }
}

/// A unit of which orders are parked: the third customer's, whose log takes nothing.
async fn parked(scene: &Scene) -> (Writer, Bucket) {
    let mut writer = writer(scene).await;
    let [mine, _, theirs] = customers();
    let rows = [order(&theirs, 1, 1), order(&mine, 1, 1), order(&theirs, 2, 1), order(&theirs, 1, 1)];
    let frames = [frame(1, &rows).indexed(Lane::Orders)];
    let committed = writer.store.commit(&frames, writer.position, &[], &SentOn::new()).await.unwrap();
    assert_eq!((committed.rows[Lane::Orders].parked, committed.rows[Lane::Orders].stored), (3, 1));
    assert_eq!(committed.away.iter().map(|away| away.row).collect::<Vec<_>>(), [0, 2, 3]);
    writer.position = committed.position;
    (writer, bucket_of(&theirs))
}

#[tokio::test]
async fn what_is_parked_is_sent_on_in_its_order_and_taken_out_once() {
    let scene = Scene::new("sendparked").await;
    let (mut writer, bucket) = parked(&scene).await;
    assert_eq!(writer.store.parked_to_be_sent(), [(bucket, THERE)]);
    let waiting = writer.store.waiting(bucket, THERE).await.unwrap();
    let parts = waiting.parts();
    let [one, two] = [1, 2].map(|id| order(&customers()[2], id, 1));
    assert_eq!(
        parts.iter().map(|part| (part.rows, part.tuples.clone())).collect::<Vec<_>>(),
        [(3, [one.clone(), two, one].concat())]
    );
    // Another writer has moved the position meanwhile: nothing is taken out.
    let edge = Position { incarnation: Incarnation::new(9), seq: 5 };
    let late = writer.store.sent_parked(at(9), &waiting, edge).await;
    assert!(matches!(late, Err(CommitError::Fenced)), "{late:?}");
    assert_eq!(scene.sql("select count(*) from parked").await, "3");
    writer.store.sent_parked(writer.position, &waiting, edge).await.unwrap();
    assert_eq!(writer.store.parked_to_be_sent(), []);
    assert_eq!(scene.sql("select count(*) from parked").await, "0");
    assert_eq!(scene.sql("select rows_parked, rows_sent_on from lane_tally where lane = 'orders'").await, "0|3");
    let said = writer.store.ownership(bucket).unwrap();
    assert_eq!((said.state, said.edges), (State::None, [(THERE, edge)].into()));
}

#[tokio::test]
async fn a_row_that_waits_is_not_overtaken_where_the_other_log_takes_rows_again() {
    let scene = Scene::new("overtaken").await;
    let (mut writer, bucket) = parked(&scene).await;
    let frames = [frame(2, &[order(&customers()[2], 3, 1)]).indexed(Lane::Orders)];
    assert!(writer.store.to_be_sent_on(&frames).await.unwrap().is_empty());
    let edge = Position { incarnation: Incarnation::new(9), seq: 5 };
    let sent: SentOn = [(THERE, edge)].into();
    let committed = writer.store.commit(&frames, writer.position, &[], &sent).await.unwrap();
    assert_eq!(committed.rows[Lane::Orders].parked, 1);
    assert_eq!(writer.store.waiting(bucket, THERE).await.unwrap().rows()[Lane::Orders], 4);
}

/// The first of two that conflict is the first in the log, though both waited; and each is where it was decided.
#[tokio::test]
async fn what_was_parked_is_decided_in_its_order_by_the_frame_that_makes_the_unit_ours() {
    let scene = Scene::new("decideparked").await;
    let mut writer = writer(&scene).await;
    let id = &customers()[2];
    let nothing = Inheritance { sums: Sums::default(), origins: BTreeMap::new() };
    let begin = [(1, NewState::Receiving { from: THERE }), (2, NewState::Awaiting { from: THERE })];
    let begin: Vec<_> = begin.into_iter().map(|(seq, state)| control(seq, &change(id, seq + 1, 2, state))).collect();
    let rows = [order(id, 1, 5), order(id, 2, 1), order(id, 1, 6), order(id, 2, 1)];
    let owned = control(4, &change(id, 9, 2, NewState::Owned { inherits: Some(nothing) }));
    let frames = [begin, vec![frame(3, &rows).indexed(Lane::Orders), owned]].concat();
    let committed = writer.commit_all(&frames).await.unwrap();
    let letters = "select stream_seq, row_in_frame, reason from dead_letter";
    assert_eq!(scene.sql(letters).await, "4|2|conflict");
    let stored = "select string_agg(order_id || ':' || total || '@' || place_seq, ' ' order by order_id) from orders";
    assert_eq!(scene.sql(stored).await, "O1:5@4 O2:1@4");
    assert_eq!(committed.unparked.len(), 1);
    assert!(matches!(committed.taken[..], [.., Taken::Changed(_, Duty::DecideParked)]));
    assert_eq!(
        scene
            .sql("select rows_stored, rows_duplicate, rows_dead, rows_parked from lane_tally where lane = 'orders'")
            .await,
        "2|1|1|0"
    );
}

#[tokio::test]
async fn a_target_that_has_other_rows_refuses_and_decides_nothing() {
    let scene = Scene::new("refuses").await;
    let mut writer = writer(&scene).await;
    let id = &customers()[2];
    let mut sums = Sums::default();
    sums.add(Lane::Orders, 1);
    let one = Inheritance { sums, origins: BTreeMap::new() };
    let states = [
        NewState::Receiving { from: THERE },
        NewState::Awaiting { from: THERE },
        NewState::Owned { inherits: Some(one) },
    ];
    let mut frames: Vec<_> =
        (1..).zip(states).map(|(seq, state)| control(seq, &change(id, seq + 1, 2, state))).collect();
    frames.insert(2, frame(3, &[order(id, 1, 5)]).indexed(Lane::Orders));
    frames[3] = control(4, frames[3].owner().unwrap());
    let committed = writer.commit_all(&frames).await.unwrap();
    assert!(matches!(committed.taken[..], [.., Taken::Refused(_)]));
    assert_eq!(scene.sql("select (select count(*) from orders), (select count(*) from parked)").await, "0|1");
    let said = writer.store.ownership(bucket_of(id)).unwrap();
    assert_eq!((said.state, said.refused), (State::Awaiting { from: THERE }, Some(Epoch(4))));
}

#[tokio::test]
async fn a_loss_is_not_given_up_where_units_have_moved() {
    let scene = Scene::new("lossmoved").await;
    let (mut writer, _) = parked(&scene).await;
    let refused = writer.store.accept_loss(writer.position, at(50), "gone").await;
    assert!(refused.unwrap_err().to_string().contains("have moved"));
}

/// What comes with a move keeps the place at which it was first stored, comes to what it came to there, and is the shard's once it owns it.
#[tokio::test]
async fn a_target_takes_what_the_source_had_and_owns_it() {
    let (source, target) = (Scene::new("source").await, Scene::new("target").await);
    let mut one = self::writer(&source).await;
    let id = &customers()[0];
    let tuples: Vec<_> = (1..9).map(|number| order(id, number, u32::from(number))).collect();
    one.commit_all(&[frame(1, &tuples).indexed(Lane::Orders)]).await.unwrap();
    let sums = async |scene: &Scene| {
        let mut connection = PgConnection::connect(&scene.url).await.unwrap();
        daily_sums(&mut connection, StreamKind::Logged, bucket_of(id)).await.unwrap()
    };
    let had = sums(&source).await;
    let mut writer = self::writer(&target).await;
    // As the other shard, which has never heard of the unit.
    let mut other_map = serde_json::to_value(&*map()).unwrap();
    other_map["founders"] = serde_json::json!(4095);
    let other_map: ShardMap = serde_json::from_value(other_map).unwrap();
    assert_ne!(other_map.founder(bucket_of(id)), HERE);
    writer.store.know_units(Arc::new(other_map), writer.position.incarnation).await.unwrap();
    let states = [NewState::Receiving { from: THERE }, NewState::Awaiting { from: THERE }];
    let [receiving, awaiting] = [(1, 2), (5, 3)]
        .map(|(seq, epoch)| control(seq, &change(id, epoch, 2, states[usize::from(epoch > 2)].clone())));
    let frames =
        [receiving, copies(2, 2, &tuples[..5]), copies(3, 3, &tuples[5..6]), copies(4, 2, &tuples[3..]), awaiting];
    writer.commit_all(&frames).await.unwrap();
    assert_eq!(sums(&target).await, had);
    let found = async |sql: &str| target.sql(sql).await;
    assert_eq!(found("select count(*), count(*) filter (where place_seq >= 100) from orders").await, "8|8");
    assert_eq!(
        found("select shard, incarnation from place_log where number in (select place_log from orders)").await,
        "1|9"
    );
    assert_eq!(found("select rows_stored, rows_copied from lane_tally where lane = 'orders'").await, "0|8");
    assert_eq!(found("select count(*) from order_sums").await, "0");
    let inherits = Inheritance { sums: had.total(), origins: BTreeMap::new() };
    let owned =
        |seq, epoch, inherits| control(seq, &change(id, epoch, 2, NewState::Owned { inherits: Some(inherits) }));
    // One row is another one than that which the source had.
    target.sql("update orders set total = total + 1 where order_id = 'O3'").await;
    let refused = writer.commit_all(&[owned(6, 4, inherits.clone())]).await.unwrap();
    assert!(matches!(refused.taken[..], [.., Taken::Refused(_)]), "{refused:?}");
    let differing = sums(&target).await.differing(&had);
    assert_eq!(differing.iter().map(|(lane, _)| *lane).collect::<Vec<_>>(), [Lane::Orders]);
    target.sql("update orders set total = total - 1 where order_id = 'O3'").await;
    let taken = writer.commit_all(&[owned(7, 5, inherits)]).await.unwrap();
    assert!(matches!(taken.taken[..], [.., Taken::Changed(_, Duty::DecideParked)]), "{taken:?}");
    assert_eq!(found("select sum(orders), sum(total) from order_sums").await, "8|36");
}

/// Control frames of different units are one transaction, up to one whose unit has rows parked, or that says more of a unit than the one before.
#[tokio::test]
async fn control_frames_of_different_units_are_committed_together() {
    let scene = Scene::new("together").await;
    let mut writer = writer(&scene).await;
    let [one, other, third] = customers();
    let nothing = Inheritance { sums: Sums::default(), origins: BTreeMap::new() };
    let copying = NewState::Copying { to: THERE };
    let frames = [
        control(1, &change(&one, 2, 2, copying.clone())),
        control(2, &change(&third, 3, 3, NewState::Receiving { from: THERE })),
        control(3, &change(&other, 4, 4, copying)),
        control(4, &change(&one, 5, 2, NewState::Released { to: THERE })),
        control(5, &change(&third, 6, 3, NewState::Awaiting { from: THERE })),
        frame(6, &[order(&third, 1, 5)]).indexed(Lane::Orders),
        control(7, &change(&other, 7, 4, NewState::Released { to: THERE })),
        control(8, &change(&third, 8, 3, NewState::Owned { inherits: Some(nothing) })),
    ];
    let (mut rest, mut together, mut marks) = (&frames[..], Vec::new(), BTreeSet::new());
    while !rest.is_empty() {
        let committed = writer.store.commit(rest, writer.position, &[], &SentOn::new()).await.unwrap();
        writer.position = committed.position;
        rest = &rest[committed.frames..];
        together.push((committed.frames, committed.taken.len()));
        marks.insert(scene.sql("select units from stream_position where stream = 'logged'").await);
    }
    assert_eq!(together, [(3, 3), (2, 2), (1, 0), (1, 1), (1, 1)]);
    // A row that is parked is no news of a unit.
    assert_eq!(marks.len(), 4);
    let said = "select count(*), count(*) filter (where said -> 'state' ? 'released'), count(*) filter (where said ->> 'state' = 'owned') from unit_owner";
    assert_eq!(scene.sql(said).await, "3|2|1");
    assert_eq!(scene.sql("select count(*) from orders").await, "1");
}
