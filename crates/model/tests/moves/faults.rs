//! What goes wrong by itself: each as often as the budget says.

use std::rc::Rc;

use forebay_model::ShardId;
use forebay_model::ownership::{Phase, State};

use crate::fact::{Fact, Facts};
use crate::fault::Fault;
use crate::moves::Moves;
use crate::rules::Mistake;
use crate::search::Visit;
use crate::world::{A, B, C, World, name};

impl Moves {
    pub(crate) fn faults(&self, world: &World, visit: Visit<'_, World>) {
        for &failing in &self.failing {
            fail_over(world, failing, visit);
        }
        self.fill(world, visit);
        echo(world, visit);
        archive(world, visit);
        lose(world, visit);
        if self.rules.has(Mistake::CleansBesideTheLog) {
            self.clean(world, visit);
        }
    }

    fn fill(&self, world: &World, visit: Visit<'_, World>) {
        for shard in [A, B, C] {
            let is_full = world.log(shard).is_full;
            if is_full || (world.budget.has(Fault::Full) && self.is_used(shard)) {
                let mut next = world.clone();
                next.set_full(shard, !is_full);
                if !is_full {
                    next.budget.spend(Fault::Full);
                }
                let what = if is_full { "takes frames again" } else { "is full" };
                visit(&|| format!("{}'s log {what}", name(shard)), Ok(next));
            }
        }
    }

    /// By mistake: deletes what the source still has, but not by the log. The process may be slow between looking and deleting.
    fn clean(&self, world: &World, visit: Visit<'_, World>) {
        let Some((shard, epoch)) = world.cleaner else {
            let Some(entry) = world.map.entry.as_ref().filter(|_| world.budget.has(Fault::Cleaner)) else { return };
            let (source, target) = (world.db(entry.from), world.db(entry.to));
            let is_over = target.ownership.state.owns() && target.ownership.epoch >= entry.epoch;
            if matches!(entry.phase, Phase::Active(_) | Phase::Owned)
                && is_over
                && matches!(source.ownership.state, State::Released { .. })
            {
                let mut next = world.clone();
                next.budget.spend(Fault::Cleaner);
                next.cleaner = Some((entry.from, source.ownership.epoch));
                visit(&|| format!("a cleaner sees that {} may be cleaned", name(entry.from)), Ok(next));
            }
            return;
        };
        let mut next = World { cleaner: None, ..world.clone() };
        let db = next.db_mut(shard);
        let mut what = "finds another state and lets it be";
        if let State::Released { to } = db.ownership.state
            && db.ownership.epoch == epoch
        {
            db.ownership.state = State::Cleaned { to };
            db.rows = Facts::default();
            what = "deletes";
        } else if self.rules.has(Mistake::DoesNotLookAgain) {
            db.rows = Facts::default();
            what = "deletes";
        }
        visit(&|| format!("the cleaner of {} {what}", name(shard)), Ok(next));
    }

    fn is_used(&self, shard: ShardId) -> bool {
        shard == A || self.plan.contains(&shard)
    }
}

/// The first attempt of a publish that was repeated arrives.
fn echo(world: &World, visit: Visit<'_, World>) {
    let Some((shard, frame)) = &world.echo else { return };
    if !world.log(*shard).is_full {
        let mut next = World { echo: None, ..world.clone() };
        let seq = next.append(*shard, frame.clone());
        visit(&|| format!("the first attempt of a publish arrives on {} at {seq}", name(*shard)), Ok(next));
    }
}

fn archive(world: &World, visit: Visit<'_, World>) {
    let is_decided =
        world.map.entry.as_ref().is_none_or(|entry| matches!(entry.phase, Phase::Active(_) | Phase::Owned));
    if world.budget.has(Fault::Archive)
        && is_decided
        && world.db(B).ownership.state.owns()
        && world.db(B).rows.has(Fact::X)
    {
        let x = Facts::default().with(Fact::X);
        let mut next = world.clone();
        next.budget.spend(Fault::Archive);
        next.archived = x;
        let rows = next.db(B).rows.without(x);
        next.db_mut(B).rows = rows;
        visit(&|| "x is archived (or forgotten) at B".to_owned(), Ok(next));
    }
}

/// A row that was copied is gone at the target: somebody has deleted it, or a disk has. The source still has it, and nothing in its
/// log says that it may go.
fn lose(world: &World, visit: Visit<'_, World>) {
    let Some(entry) = world.map.entry.as_ref().filter(|_| world.budget.has(Fault::Loss)) else { return };
    let has_source = world.db(A).rows.has_all(world.db(B).rows) && !world.logged.contains(&(A, entry.epoch));
    if !has_source || !matches!(world.db(B).ownership.state, State::Awaiting { .. }) {
        return;
    }
    for fact in world.db(B).rows.iter() {
        let mut next = world.clone();
        next.budget.spend(Fault::Loss);
        let rows = next.db(B).rows.without(Facts::default().with(fact));
        next.db_mut(B).rows = rows;
        visit(&|| format!("B loses its copy of {fact}"), Ok(next));
    }
}

fn fail_over(world: &World, failing: ShardId, visit: Visit<'_, World>) {
    let shard = &world.shards[usize::from(failing.0)];
    let Some(replica) = &shard.replica else { return };
    if world.budget.has(Fault::Replica) {
        let mut next = world.clone();
        next.budget.spend(Fault::Replica);
        next.shards[usize::from(failing.0)].replica = Some(Rc::clone(&shard.db));
        visit(&|| format!("{}'s replica has come so far", name(failing)), Ok(next));
    }
    if world.budget.has(Fault::Failover) && replica.seq != shard.db.seq {
        let mut next = world.clone();
        next.budget.spend(Fault::Failover);
        next.shards[usize::from(failing.0)].db = Rc::clone(replica);
        if !next.budget.has(Fault::Failover) {
            // Nobody will ever need them.
            next.shards.iter_mut().for_each(|shard| shard.replica = None);
        }
        visit(&|| format!("{} fails over to its replica, which is at {}", name(failing), replica.seq), Ok(next));
    }
}
