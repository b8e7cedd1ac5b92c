//! The rows in hand of several shards as one list, in which each unit's are those of one shard.
//!
//! Up to where the first piece of every shard reaches, there is one snapshot of each, and what the shards say in these tells from which of them each unit's rows are taken. Behind
//! that comes a piece of another snapshot, and its shard may say otherwise: from there on units are taken from where they are then. So a list goes on, whatever
//! changes hands meanwhile. Only where snapshots do not go together, because one of them is much older than another, it has to begin anew behind its last row.

use std::sync::Arc;

use forebay_model::Tenant;
use forebay_shard::read::{Direction, KeyRef};

use crate::error::ReadError;
use crate::list::hand::{Hand, ListRow};
use crate::moved::{Said, UnitPlacement};

/// What comes next in a list.
#[derive(Debug)]
pub(crate) enum Next<R> {
    /// A row.
    Row(R),
    /// That is not known until more is read of the shards of which nothing is in hand.
    Read,
    /// What is in hand does not go together.
    Anew,
    /// Nothing.
    End,
}

/// From where rows are taken.
#[derive(Debug)]
pub(crate) struct Picking {
    direction: Direction,
    tenant: Tenant,
    /// By part of the list, where that is known: from which shard each unit's rows are taken that come next. From all, where nothing has moved.
    picked: Option<Vec<Option<Arc<UnitPlacement>>>>,
}

impl Picking {
    pub(crate) fn new(direction: Direction, tenant: Tenant) -> Self {
        Self { direction, tenant, picked: None }
    }

    /// Takes the next row from what is in hand. `place` says what follows from what the shards say.
    ///
    /// # Errors
    /// Those of `place`.
    pub(crate) fn next<'h, R: ListRow + 'h>(
        &mut self,
        hands: impl Iterator<Item = &'h mut Hand<R>>,
        place: impl Fn(&Said) -> Result<Arc<UnitPlacement>, ReadError>,
    ) -> Result<Next<R>, ReadError> {
        let mut hands: Vec<&mut Hand<R>> = hands.collect();
        loop {
            if hands.iter().any(|hand| hand.is_empty()) {
                self.picked = None;
                return Ok(Next::Read);
            }
            let picked = match &self.picked {
                Some(picked) => picked,
                None => match pick(&hands, &place)? {
                    Some(picked) => self.picked.insert(picked),
                    None => return Ok(Next::Anew),
                },
            };
            let direction = self.direction;
            let reaches = hands.iter().filter_map(|hand| hand.reach());
            let reach = reaches.reduce(|a, b| if direction.is_before(b, a) { b } else { a });
            let heads = hands.iter().enumerate().filter_map(|(place, hand)| Some((place, hand.head()?)));
            let first = heads.reduce(|a, b| if direction.is_before(b.1, a.1) { b } else { a });
            let within = first.filter(|(_, head)| reach.is_none_or(|reach| !direction.is_before(reach, *head)));
            if let Some((place, _)) = within {
                let (shard, part) = (hands[place].shard(), hands[place].part());
                let Some(row) = hands[place].pop() else { continue };
                let from = picked.get(part).and_then(Option::as_ref);
                if from.is_some_and(|from| !from.has(shard, &self.tenant, row.key().customer_id)) {
                    continue;
                }
                // The same order may stand in two parts of a filter.
                for hand in hands.iter_mut().filter(|hand| hand.head() == Some(row.key())) {
                    hand.pop();
                }
                return Ok(Next::Row(row));
            }
            let Some(reach) = reach.map(KeyRef::to_key) else { return Ok(Next::End) };
            for hand in &mut hands {
                hand.pass(reach.borrowed(), direction);
            }
            self.picked = None;
        }
    }
}

/// From where the rows are taken that come next, by part. `None` where the snapshots do not go together.
fn pick<R: ListRow>(
    hands: &[&mut Hand<R>],
    place: &impl Fn(&Said) -> Result<Arc<UnitPlacement>, ReadError>,
) -> Result<Option<Vec<Option<Arc<UnitPlacement>>>>, ReadError> {
    let parts = hands.iter().map(|hand| hand.part() + 1).max().unwrap_or_default();
    let mut picked = Vec::with_capacity(parts);
    for part in 0..parts {
        let of_part = hands.iter().filter(|hand| hand.part() == part);
        let said: Said = of_part.filter_map(|hand| Some((hand.shard(), Arc::clone(hand.units()?)))).collect();
        // Every row was decided where it is.
        if said.values().all(|said| said.mark == 0) {
            picked.push(None);
            continue;
        }
        let placement = place(&said)?;
        if !placement.again().is_empty() {
            return Ok(None);
        }
        picked.push(Some(placement));
    }
    Ok(Some(picked))
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use forebay_model::ownership::{MoveId, Ownership, State};
    use forebay_model::{
        Bucket, CustomerId, Epoch, Hash, Incarnation, Position, ShardId, ShardMap, StreamKind, Timestamp,
    };
    use forebay_shard::read::{Key, ShardOwnership};
    use proptest::prelude::*;

    use super::*;
    use crate::list::hand::Piece;

    const SHARDS: usize = 3;
    const CUSTOMERS: usize = 5;
    const DIRECTION: Direction = Direction::OldestFirst;

    /// An order of a customer, at an instant of its own.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct TestRow(Key);

    impl ListRow for TestRow {
        fn key(&self) -> KeyRef<'_> {
            self.0.borrowed()
        }
    }

    /// A unit that moves around: at which of its steps it is.
    #[derive(Clone, Copy, Debug)]
    struct Moving {
        from: usize,
        to: usize,
        step: usize,
        epoch: u64,
    }

    /// Shards with the orders of some customers, each a unit, which move by the rules of moves.
    struct World {
        map: ShardMap,
        orders: Vec<usize>,
        units: Vec<Moving>,
        /// By shard and customer.
        says: Vec<Vec<Ownership>>,
        /// By shard and order.
        has: Vec<Vec<bool>>,
        mark: i64,
        cleaned: usize,
    }

    impl World {
        fn new(orders: Vec<usize>) -> Self {
            let map = ShardMap::even(NonZeroU16::new(3).unwrap(), Hash::Md5);
            let says = vec![vec![Ownership::default(); CUSTOMERS]; SHARDS];
            let has = vec![vec![false; orders.len()]; SHARDS];
            let mut world = Self { map, orders, units: Vec::new(), says, has, mark: 1, cleaned: 0 };
            for customer in 0..CUSTOMERS {
                let from = usize::from(world.map.founder(world.bucket(customer)).0);
                world.units.push(Moving { from, to: from, step: 0, epoch: 1 });
                world.says[from][customer] = Ownership::first(Epoch(1), at(0));
                world.copy(from, customer, usize::MAX);
            }
            world
        }

        fn bucket(&self, customer: usize) -> Bucket {
            self.map.bucket_of(Tenant::none(), &CustomerId::new(format!("C{customer}")).unwrap())
        }

        /// Gives a shard orders of a customer.
        fn copy(&mut self, to: usize, customer: usize, most: usize) {
            let missing = (0..self.orders.len()).filter(|&n| self.orders[n] == customer && !self.has[to][n]);
            for n in missing.take(most).collect::<Vec<_>>() {
                self.has[to][n] = true;
            }
        }

        /// The next step of a customer's unit: to the shard that is `behind` shards from the one where it is.
        fn step(&mut self, customer: usize, behind: usize) {
            let Moving { from, to, step, epoch } = &mut self.units[customer];
            if *step == 0 {
                (*to, *epoch) = ((*from + behind) % SHARDS, *epoch + 4);
            }
            let (source, target, e, now) = (*from, *to, *epoch, *step);
            *step = (*step + 1) % 8;
            if now == 7 {
                *from = *to;
            }
            let shard = |number: usize| ShardId(number as u16);
            let mut says = |here: usize, state, plus| {
                self.says[here][customer] =
                    Ownership { state, epoch: Epoch(e + plus), of: Some(MoveId(Epoch(e))), ..Ownership::default() };
                self.mark += 1;
            };
            match now {
                0 => says(target, State::Receiving { from: shard(source) }, 0),
                1 => says(source, State::Copying { to: shard(target) }, 0),
                2 => self.copy(target, customer, 3),
                3 => says(target, State::Awaiting { from: shard(source) }, 1),
                4 => says(source, State::Released { to: shard(target) }, 1),
                5 => {
                    says(target, State::Owned, 3);
                    self.copy(target, customer, usize::MAX);
                }
                6 => {
                    says(source, State::Cleaned { to: shard(target) }, 3);
                    self.cleaned += 1;
                }
                _ => (0..self.orders.len())
                    .filter(|&n| self.orders[n] == customer)
                    .for_each(|n| self.has[source][n] = false),
            }
        }

        fn row(&self, n: usize) -> TestRow {
            let customer_id = format!("C{}", self.orders[n]);
            TestRow(Key { ordered_at: Timestamp::from_unix_us(n as i64), order_id: "X".to_owned(), customer_id })
        }

        /// What a statement gives of a shard behind an order.
        fn read(&self, shard: usize, behind: usize, limit: usize) -> Piece<TestRow> {
            let here = (behind..self.orders.len()).filter(|&n| self.has[shard][n]);
            let rows: Vec<_> = here.take(limit).map(|n| self.row(n)).collect();
            let until = (rows.len() == limit).then(|| rows.last().unwrap().0.clone());
            let said = (0..CUSTOMERS).map(|customer| (self.bucket(customer), self.says[shard][customer].clone()));
            Piece::new(rows, until, Some(Arc::new(ShardOwnership::new(at(1), self.mark, said.collect()))))
        }
    }

    fn at(seq: u64) -> Position {
        Position { incarnation: Incarnation::new(1), seq }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        #[test]
        fn a_list_has_each_order_once_whatever_changes_hands_between_its_reads(
            orders in prop::collection::vec(0..CUSTOMERS, 0..40),
            steps in prop::collection::vec((0..CUSTOMERS, 1..SHARDS), 0..120),
            at_once in prop::collection::vec((0usize..6, 1usize..6), 40),
        ) {
            let mut world = World::new(orders);
            let (mut steps, mut at_once) = (steps.into_iter(), at_once.into_iter().cycle());
            let new = || (0..SHARDS as u16).map(|shard| Hand::<TestRow>::new(ShardId(shard), 0)).collect::<Vec<_>>();
            let (mut hands, mut read_to, mut given, mut anew) = (new(), [0; SHARDS], Vec::new(), 0);
            let mut picking = Picking::new(DIRECTION, Tenant::none().clone());
            loop {
                let place = |said: &Said| {
                    Ok(Arc::new(UnitPlacement::of(StreamKind::Logged, &world.map, said, &[])))
                };
                match picking.next(hands.iter_mut(), place).unwrap() {
                    Next::Row(row) => given.push(row),
                    Next::End => break,
                    Next::Anew => {
                        let behind = given.last().map_or(0, |row| row.0.ordered_at.unix_us() as usize + 1);
                        (hands, read_to, anew) = (new(), [behind; SHARDS], anew + 1);
                        picking = Picking::new(DIRECTION, Tenant::none().clone());
                    }
                    Next::Read => {
                        for shard in 0..SHARDS {
                            if hands[shard].is_empty() {
                                let (changes, limit) = at_once.next().unwrap();
                                steps.by_ref().take(changes).for_each(|(customer, behind)| world.step(customer, behind));
                                let piece = world.read(shard, read_to[shard], limit);
                                read_to[shard] =
                                    piece.rows().last().map_or(read_to[shard], |row| row.0.ordered_at.unix_us() as usize + 1);
                                hands[shard].push(piece);
                            }
                        }
                    }
                }
            }
            let all: Vec<_> = (0..world.orders.len()).map(|n| world.row(n)).collect();
            prop_assert_eq!(given, all);
            prop_assert!(anew <= world.cleaned, "begun anew {} times, where {} were cleaned", anew, world.cleaned);
        }
    }
}
