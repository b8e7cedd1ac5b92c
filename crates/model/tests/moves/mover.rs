//! Movers: any process, any number of them. A prompt one does what is next at once, a slow one later, by what it saw.

use std::collections::BTreeSet;
use std::rc::Rc;

use forebay_model::Epoch;
use forebay_model::ShardId;
use forebay_model::ownership::{Act, Compared, MoveEntry, MoveId, Next, Phase, Scene, Side, Wishes};

use crate::fact::Facts;
use crate::fault::Fault;
use crate::moves::Moves;
use crate::rules::Mistake;
use crate::search::Visit;
use crate::world::{Frame, Pending, PendingAct, World, name, unit};

/// What a mover that never stops wishes.
const GO_ON: Wishes = Wishes { turn_back: false, may_release: true, may_clean: true };

impl Moves {
    pub(crate) fn mover(&self, world: &World, visit: Visit<'_, World>) {
        let Some(entry) = &world.map.entry else { return begin(world, visit) };
        for act in self.acts(world, &world.logged, GO_ON).0 {
            if act == Act::Decide(Phase::TurnedBack) && !self.budget.has(Fault::Loss) {
                let promise = "a move turns back by itself, though nothing was lost";
                visit(&|| "mover compares".to_owned(), Err(promise.to_owned()));
            }
            self.act(world, entry, act, visit);
        }
        self.copies(world, entry, visit);
        if world.budget.has(Fault::TurnBack) {
            for act in self.acts(world, &world.logged, Wishes { turn_back: true, ..GO_ON }).0 {
                if act == Act::Decide(Phase::TurnedBack) {
                    let mut next = world.clone();
                    next.budget.spend(Fault::TurnBack);
                    self.act(&next, entry, act, visit);
                }
            }
        }
    }

    /// What a mover that knows these frames to be logged may do next, and whether it may copy.
    fn acts(&self, world: &World, logged: &BTreeSet<(ShardId, Epoch)>, wishes: Wishes) -> (Vec<Act>, bool) {
        let Some(entry) = &world.map.entry else { return (Vec::new(), false) };
        let (source, target) = (world.db(entry.from), world.db(entry.to));
        let compared = if source.rows == target.rows {
            Compared::Equal(source.rows.sums())
        } else if source.rows.has_all(target.rows) {
            Compared::Missing
        } else {
            Compared::Different
        };
        let scene = Scene {
            entry,
            source: Side { ownership: &source.ownership, is_empty: self.is_hasty || source.is_empty() },
            target: Side { ownership: &target.ownership, is_empty: self.is_hasty || target.is_empty() },
            compared: Some(&compared),
            logged,
        };
        let is_less = source.rows.without(target.rows.and(target.dead)).is_empty();
        let Next { act, may_copy } = scene.next(wishes);
        let is_decided = matches!(entry.phase, Phase::Active(_) | Phase::Owned);
        let is_over = self.is_hasty && is_decided && target.ownership.epoch >= entry.epoch;
        let hasty = is_over.then_some(Act::Finish);
        (self.rules.acts(scene, wishes, act, is_less).into_iter().chain(hasty).collect(), may_copy)
    }

    fn act(&self, world: &World, entry: &Rc<MoveEntry>, act: Act, visit: Visit<'_, World>) {
        let mut next = world.clone();
        match act {
            Act::Append(shard, change) if !world.log(shard).is_full => {
                let what = format!("{}@{}", change.state.state().as_str(), change.epoch);
                Rc::make_mut(&mut next.logged).insert((shard, change.epoch));
                next.append(shard, Frame::Control(Rc::new(change)));
                visit(&|| format!("mover appends {what} to {}", name(shard)), Ok(next));
            }
            Act::Decide(phase) => self.decide_phase(next, entry, phase, "", visit),
            Act::Finish => {
                next.map.home = entry.shard();
                next.map.entry = None;
                next.map.epoch = Epoch(next.map.epoch.0 + 1);
                next.logged = Rc::default();
                visit(&|| "the unit is under way no more".to_owned(), Ok(next));
            }
            Act::Append(..) | Act::Compare | Act::Copy | Act::Wait(_) => {}
        }
    }

    /// Changes the map, if it still says what was seen.
    fn decide_phase(&self, mut next: World, seen: &Rc<MoveEntry>, phase: Phase, who: &str, visit: Visit<'_, World>) {
        let what = format!("{phase:?}").split(['(', ' ']).next().unwrap_or_default().to_lowercase();
        next.map.epoch = Epoch(next.map.epoch.0 + 1);
        let epoch = next.map.epoch;
        let Some(entry) = self.rules.followed_by(seen, phase, epoch).filter(|_| next.map.entry.as_ref() == Some(seen))
        else {
            return;
        };
        next.publish(entry.shard());
        let shard = entry.shard();
        next.map.entry = Some(Rc::new(entry));
        visit(&|| format!("{who}map {epoch}: {what}, write to {}", name(shard)), Ok(next));
    }

    /// A mover copies what the target lacks, one after the other; what is on its way is not copied again by this one.
    fn copies(&self, world: &World, entry: &Rc<MoveEntry>, visit: Visit<'_, World>) {
        if !self.acts(world, &world.logged, GO_ON).1 {
            return;
        }
        let target = world.db(entry.to);
        let on_its_way = world.log(entry.to).behind(target.seq).iter().filter_map(|frame| match frame {
            Frame::Copy { fact, of } if *of == entry.of => Some(*fact),
            _ => None,
        });
        let there: Facts = on_its_way.collect();
        for fact in world.db(entry.from).rows.without(target.rows.and(there)).iter() {
            let mut next = world.clone();
            if self.rules.has(Mistake::CopiesIntoTheTables) {
                let rows = target.rows.with(fact);
                next.db_mut(entry.to).rows = rows;
                visit(&|| format!("mover copies {fact} into {}'s tables", name(entry.to)), Ok(next));
            } else if !world.log(entry.to).is_full {
                next.append(entry.to, copy(fact, entry.of));
                visit(&|| format!("mover copies {fact} to {}'s log", name(entry.to)), Ok(next));
            }
        }
    }

    /// A mover that decides something, by what this world knows or without knowing what is logged, and does it later.
    pub(crate) fn slow_mover(&self, world: &World, visit: Visit<'_, World>) {
        if let Some(pending) = &world.slow {
            return self.act_late(world, pending, visit);
        }
        let Some(entry) = world.map.entry.as_ref().filter(|_| world.budget.has(Fault::SlowMover)) else { return };
        let nothing = BTreeSet::new();
        let mut pending = Vec::new();
        for logged in [&*world.logged, &nothing] {
            let (acts, may_copy) = self.acts(world, logged, GO_ON);
            pending.extend(acts.into_iter().filter_map(|act| Pending::of(entry, act)));
            let missing = world.db(entry.from).rows.without(world.db(entry.to).rows);
            let copies = missing.iter().filter(|_| may_copy).map(PendingAct::Copy);
            pending.extend(copies.map(|what| Pending { entry: Rc::clone(entry), what }));
        }
        for pending in pending {
            let mut next = world.clone();
            next.budget.spend(Fault::SlowMover);
            let what = pending.to_string();
            next.slow = Some(Rc::new(pending));
            visit(&|| format!("a slow mover is about to {what}"), Ok(next));
        }
    }

    fn act_late(&self, world: &World, pending: &Pending, visit: Visit<'_, World>) {
        let mut next = World { slow: None, ..world.clone() };
        let entry = &pending.entry;
        match &pending.what {
            PendingAct::Append(shard, change) if !world.log(*shard).is_full => {
                next.append(*shard, Frame::Control(Rc::clone(change)));
            }
            PendingAct::Copy(fact) if !world.log(entry.to).is_full => {
                next.append(entry.to, copy(*fact, entry.of));
            }
            PendingAct::Decide(phase) if world.map.entry.as_ref() == Some(entry) => {
                return self.decide_phase(next, entry, phase.clone(), "the slow mover: ", visit);
            }
            PendingAct::Append(..) | PendingAct::Copy(_) => return,
            PendingAct::Decide(_) => {}
        }
        visit(&|| format!("the slow mover does it: {pending}"), Ok(next));
    }
}

fn begin(world: &World, visit: Visit<'_, World>) {
    let mut next = world.clone();
    let Some(to) = next.map.plan.pop() else { return };
    if to == next.map.home {
        // It was turned back before: it is there.
        return visit(&|| format!("it is on {} already", name(to)), Ok(next));
    }
    next.map.epoch = Epoch(next.map.epoch.0 + 1);
    let entry = MoveEntry::begin(unit(), next.map.epoch, next.map.home, to);
    next.map.entry = Some(Rc::new(entry));
    visit(
        &|| format!("map {}: copying from {} to {}", world.map.epoch.0 + 1, name(world.map.home), name(to)),
        Ok(next),
    );
}

fn copy(fact: crate::fact::Fact, of: MoveId) -> Frame {
    Moves::copy_of(fact, of)
}

impl std::fmt::Display for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.what {
            PendingAct::Append(shard, change) => {
                write!(f, "append {}@{} to {}", change.state.state().as_str(), change.epoch, name(*shard))
            }
            PendingAct::Decide(phase) => write!(f, "say {phase:?}"),
            PendingAct::Copy(fact) => write!(f, "copy {fact} to {}", name(self.entry.to)),
        }
    }
}
