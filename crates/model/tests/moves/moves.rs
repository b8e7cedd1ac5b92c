//! One unit that is moved between shards while orders flow: what can happen next.

use std::rc::Rc;

use forebay_model::ownership::{MoveId, Ownership};
use forebay_model::{Epoch, ShardId};

use crate::fact::{Fact, Facts};
use crate::fault::{Budget, Fault};
use crate::rules::{Mistake, Rules};
use crate::search::{Broken, Model, Visit};
use crate::world::{A, B, Db, Frame, Log, Map, Row, Shard, World, at, name};

/// What is explored: which orders come, where the unit is moved to, and how often each fault happens.
pub(crate) struct Moves {
    pub(crate) requests: Vec<Fact>,
    pub(crate) plan: Vec<ShardId>,
    pub(crate) budget: Budget,
    /// Whose databases fail over.
    pub(crate) failing: Vec<ShardId>,
    /// Whether the next move begins once the target owns the unit, and not only when nothing is left at the source.
    pub(crate) is_hasty: bool,
    pub(crate) rules: Rules,
}

impl Moves {
    /// One move from A to B, without faults.
    pub(crate) fn of(requests: &str) -> Self {
        let requests = requests.chars().map(Fact::of).collect();
        Self {
            requests,
            plan: vec![B],
            budget: Budget::default(),
            failing: Vec::new(),
            is_hasty: false,
            rules: Rules::default(),
        }
    }

    pub(crate) fn to(self, plan: &[ShardId]) -> Self {
        Self { plan: plan.to_vec(), ..self }
    }

    /// Each of these faults may happen, as often as it is named.
    pub(crate) fn with(self, faults: &[Fault]) -> Self {
        Self { budget: self.budget.and(faults), ..self }
    }

    pub(crate) fn failing(self, failing: ShardId) -> Self {
        let all = [&self.failing[..], &[failing]].concat();
        Self { failing: all, ..self.with(&[Fault::Failover, Fault::Replica]) }
    }

    pub(crate) fn hastily(self) -> Self {
        Self { is_hasty: true, ..self }
    }

    pub(crate) fn planting(self, mistakes: &[Mistake]) -> Self {
        Self { rules: Rules::with(mistakes), ..self }
    }

    /// Where a database goes back, what readers see without a receipt may go back with it, as with any lagging replica.
    pub(crate) fn is_monotone(&self) -> bool {
        !self.budget.has(Fault::Failover) && !self.budget.has(Fault::Archive)
    }

    /// No change of owner sends a row on more than once.
    pub(crate) fn hops_max(&self) -> u8 {
        self.plan.len() as u8 + self.budget.of(Fault::TurnBack) + self.budget.of(Fault::Loss)
    }
}

impl Model for Moves {
    type State = World;

    fn first(&self) -> World {
        let shard = |number: usize| {
            let owner = Db { ownership: Ownership::first(Epoch(1), at(0)), ..Db::default() };
            let db = Rc::new(if number == 0 { owner } else { Db::default() });
            let fails = self.failing.iter().any(|failing| usize::from(failing.0) == number);
            Shard { log: Rc::new(Log::default()), replica: fails.then(|| Rc::clone(&db)), db }
        };
        World {
            map: Map { epoch: Epoch(1), home: A, entry: None, plan: self.plan.iter().rev().copied().collect() },
            published: vec![A],
            shards: [0, 1, 2].map(shard),
            receipts: vec![None; self.requests.len()],
            accepted: Vec::new(),
            logged: Rc::default(),
            slow: None,
            echo: None,
            cleaner: None,
            reader: None,
            overview: None,
            shown: Facts::default(),
            archived: Facts::default(),
            dead: Facts::default(),
            budget: self.budget,
        }
    }

    fn steps(&self, world: &World, visit: Visit<'_, World>) {
        let shown = self.shown(world);
        let known;
        let world = if shown == world.shown {
            world
        } else {
            known = World { shown, ..world.clone() };
            &known
        };
        let visit: Visit<'_, World> = &mut |name, next: Result<World, Broken>| {
            visit(
                name,
                next.map(|mut next| {
                    next.forget();
                    next
                }),
            );
        };
        self.ingest(world, visit);
        for shard in [A, B, crate::world::C] {
            self.writer(world, shard, visit);
        }
        self.mover(world, visit);
        self.slow_mover(world, visit);
        self.faults(world, visit);
        self.slow_reader(world, visit);
        self.slow_overview(world, visit);
    }

    fn check(&self, world: &World) -> Result<(), Broken> {
        self.check_promises(world)
    }

    fn check_end(&self, world: &World) -> Result<(), Broken> {
        self.check_ledger(world)
    }
}

impl Moves {
    /// Some ingest publishes an order, by any map that it may have seen, however old. 202 follows the acknowledgement.
    fn ingest(&self, world: &World, visit: Visit<'_, World>) {
        for (request, &fact) in self.requests.iter().enumerate() {
            // Equal requests are accepted in their order: exchanged, they would be the same.
            let is_next = !self.requests[..request]
                .iter()
                .zip(&world.receipts)
                .any(|(&other, receipt)| other == fact && receipt.is_none());
            if world.receipts[request].is_some() || !is_next {
                continue;
            }
            for &shard in world.published.iter().filter(|&&shard| !world.log(shard).is_full) {
                let mut next = world.clone();
                let is_prompt = shard == world.current();
                let row = Row { fact, request: request as u8, is_prompt, hops: 0 };
                let seq = next.append(shard, Frame::Row(row));
                next.receipts[request] = Some((shard, seq));
                next.accepted.push(request as u8);
                visit(&|| format!("ingest logs {fact} on {} at {seq}, 202", name(shard)), Ok(next));
            }
        }
    }

    /// Decides a row as the owner: stored, duplicate, or dead, for the first stays.
    pub(crate) fn decide(&self, world: &World, db: &mut Db, seq: u64, row: Row) -> Result<String, Broken> {
        let fact = row.fact;
        if self.budget.has(Fault::Loss) {
            db.decided.push((seq, row));
        }
        if db.rows.has(fact) {
            return Ok(format!("{fact} is a duplicate"));
        }
        let Some(first) = db.rows.rival(fact) else {
            db.rows = db.rows.with(fact);
            if self.budget.has(Fault::Loss) {
                db.own = db.own.with(fact);
            }
            return Ok(format!("stores {fact}"));
        };
        let accepted =
            |what: Fact| world.accepted.iter().position(|&request| self.requests[usize::from(request)] == what);
        let place = world.accepted.iter().position(|&request| request == row.request);
        if (row.is_prompt && row.hops == 0 && place < accepted(first)) || self.is_overtaken(world, row, first) {
            return Err(format!(
                "{fact} was logged by the current map and acknowledged before {first}, yet {first} stays"
            ));
        }
        db.dead = db.dead.with(fact);
        Ok(format!("{fact} conflicts with {first}, dead letter"))
    }

    /// Whether the first of two in one log comes behind the other. Only of one move that is not turned back this can be said.
    fn is_overtaken(&self, world: &World, row: Row, first: Fact) -> bool {
        let Some((shard, seq)) = world.receipts[usize::from(row.request)] else { return false };
        let places = self.requests.iter().zip(&world.receipts).filter(|&(&fact, _)| fact == first);
        self.plan.len() == 1
            && !self.budget.has(Fault::TurnBack)
            && !self.budget.has(Fault::Loss)
            && places.flat_map(|(_, receipt)| receipt).all(|&(other, behind)| other == shard && behind > seq)
    }

    /// A row on its way to another shard.
    pub(crate) fn sent_on(&self, row: Row) -> Result<Frame, Broken> {
        let hops = row.hops + 1;
        if hops > self.hops_max() {
            return Err(format!("{} goes back and forth between the shards", row.fact));
        }
        Ok(Frame::Row(Row { hops, is_prompt: false, ..row }))
    }

    pub(crate) fn copy_of(fact: Fact, of: MoveId) -> Frame {
        Frame::Copy { fact, of }
    }
}
