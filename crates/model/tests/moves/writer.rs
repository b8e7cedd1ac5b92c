//! Writers: they take the next frame of their shard's log. What must be published is acknowledged first, then they commit.

use std::rc::Rc;

use forebay_model::ShardId;
use forebay_model::ownership::{Change, CopyFate, Duty, RowFate, State, Taken};

use crate::fact::Facts;
use crate::fault::Fault;
use crate::moves::Moves;
use crate::rules::Mistake;
use crate::search::{Broken, Visit};
use crate::world::{Db, Frame, Row, World, at, name};

/// A transaction that is about to be committed, and what must be published before.
struct Batch {
    db: Db,
    published: Vec<(ShardId, Frame)>,
    what: String,
}

impl Moves {
    pub(crate) fn writer(&self, world: &World, shard: ShardId, visit: Visit<'_, World>) {
        let db = world.db(shard);
        // A shard that knows nothing of the unit goes by its map, which may be old.
        let newest = [world.current()];
        let maps = if db.ownership.state == State::None { &world.published[..] } else { &newest[..] };
        for &map in maps {
            if let Some(frame) = world.log(shard).behind(db.seq).first() {
                self.commit(world, shard, self.batch(world, shard, map, frame), visit);
            }
            let to = db.ownership.sends_to(shard, map).filter(|&to| !world.log(to).is_full);
            if let Some(to) = to.filter(|_| !db.parked.is_empty()) {
                self.commit(world, shard, self.unpark(db, to), visit);
            }
            if db.seq == world.log(shard).last() && db.parked.is_empty() {
                break;
            }
        }
        if db.ownership.may_delete() && !db.rows.is_empty() {
            let mut next = world.clone();
            next.db_mut(shard).rows = Facts::default();
            visit(&|| format!("writer {} deletes what was cleaned", name(shard)), Ok(next));
        }
    }

    fn commit(&self, world: &World, shard: ShardId, batch: Result<Batch, Broken>, visit: Visit<'_, World>) {
        let Batch { mut db, published, what } = match batch {
            Ok(batch) => batch,
            Err(broken) => return visit(&|| format!("writer {} takes a frame", name(shard)), Err(broken)),
        };
        let what = format!("writer {} at {}: {what}", name(shard), db.seq);
        let mut sent = world.clone();
        let is_any_published = !published.is_empty();
        let mut echo = published.first().cloned().filter(|_| world.budget.has(Fault::Echo) && world.echo.is_none());
        for (to, frame) in published {
            let is_row = matches!(frame, Frame::Row(_));
            let seq = sent.append(to, frame);
            if is_row {
                db.ownership.note_edge(to, at(seq));
            }
        }
        if is_any_published && world.budget.has(Fault::Crash) {
            let mut died = if self.rules.has(Mistake::CommitsBeforeItSendsOn) { world.clone() } else { sent.clone() };
            died.budget.spend(Fault::Crash);
            let how = if self.rules.has(Mistake::CommitsBeforeItSendsOn) {
                let unsent = Db { ownership: world.db(shard).ownership.clone(), ..db.clone() };
                *died.db_mut(shard) = unsent;
                "commits, dies before it publishes"
            } else {
                "publishes, dies before the commit"
            };
            visit(&|| format!("{what}, {how}"), Ok(died));
        }
        sent.dead = sent.dead.and(db.dead);
        *sent.db_mut(shard) = db;
        if echo.is_some() {
            let mut again = World { echo: echo.take(), ..sent.clone() };
            again.budget.spend(Fault::Echo);
            visit(&|| format!("{what}, and publishes it twice: the first attempt is still under way"), Ok(again));
        }
        visit(&|| what.clone(), Ok(sent));
    }

    fn batch(&self, world: &World, shard: ShardId, map: ShardId, frame: &Frame) -> Result<Batch, Broken> {
        let mut db = world.db(shard).clone();
        db.seq += 1;
        match frame {
            Frame::Row(row) => self.take_row(world, shard, map, db, *row),
            Frame::Copy { fact, of } => Ok(match self.rules.copy(&db.ownership, *of) {
                CopyFate::Store => {
                    db.rows = db.rows.with(*fact);
                    Batch { db, published: Vec::new(), what: format!("stores the copy of {fact}") }
                }
                CopyFate::PassOver => {
                    Batch { db, published: Vec::new(), what: format!("passes over a copy of {fact}") }
                }
            }),
            Frame::Control(change) => self.take_control(world, db, change),
        }
    }

    fn take_row(&self, world: &World, shard: ShardId, map: ShardId, mut db: Db, row: Row) -> Result<Batch, Broken> {
        let (seq, fact) = (db.seq, row.fact);
        match self.rules.row(&db.ownership, shard, map, !db.parked.is_empty()) {
            RowFate::Decide { copy_to } => {
                let had = db.rows;
                let what = self.decide(world, &mut db, seq, row)?;
                let copy_to = copy_to.filter(|&(to, _)| db.rows != had && !world.log(to).is_full);
                let published = copy_to.map(|(to, of)| (to, Self::copy_of(fact, of))).into_iter().collect();
                Ok(Batch { db, published, what })
            }
            RowFate::SendOn(to) if !world.log(to).is_full => {
                let what = format!("sends {fact} on to {}", name(to));
                Ok(Batch { db, published: vec![(to, self.sent_on(row)?)], what })
            }
            RowFate::SendOn(_) | RowFate::Park => {
                db.parked.push((seq, row));
                Ok(Batch { db, published: Vec::new(), what: format!("parks {fact}") })
            }
        }
    }

    /// Sends on what is parked, in its order.
    fn unpark(&self, db: &Db, to: ShardId) -> Result<Batch, Broken> {
        let sent = db.parked.iter().map(|&(_, row)| Ok((to, self.sent_on(row)?)));
        let published = sent.collect::<Result<_, Broken>>()?;
        let db = Db { parked: Vec::new(), ..db.clone() };
        Ok(Batch { db, published, what: format!("sends what was parked on to {}", name(to)) })
    }

    fn take_control(&self, world: &World, mut db: Db, change: &Rc<Change>) -> Result<Batch, Broken> {
        let frame = format!("{}@{}", change.state.state().as_str(), change.epoch);
        let what = match self.rules.take(&db.ownership, change, db.position(), || db.rows.sums()) {
            Taken::Late => format!("passes over {frame}"),
            Taken::Unfit => return Err(format!("{frame} comes behind {}", db.ownership.state.as_str())),
            Taken::Refused(_) if !self.budget.has(Fault::Loss) => {
                return Err(format!("{frame} is refused, though nothing was lost: has {}", db.rows));
            }
            Taken::Refused(refused) => {
                db.ownership = refused;
                format!("refuses {frame}: has {}", db.rows)
            }
            Taken::Changed(ownership, duty) => {
                db.ownership = ownership;
                if db.ownership.may_delete() {
                    // What is parked is to be sent on: it counts from where it arrives.
                    db.parked.iter_mut().for_each(|(_, row)| row.is_prompt = false);
                }
                self.perform(world, &mut db, duty)?;
                frame
            }
        };
        Ok(Batch { db, published: Vec::new(), what })
    }

    fn perform(&self, world: &World, db: &mut Db, duty: Duty) -> Result<(), Broken> {
        match duty {
            Duty::Nothing => {}
            Duty::DeleteRows => db.rows = Facts::default(),
            Duty::DecideParked => {
                for (seq, row) in std::mem::take(&mut db.parked) {
                    self.decide(world, db, seq, row)?;
                }
            }
            Duty::ParkDecided => {
                db.parked = std::mem::take(&mut db.decided);
                db.rows = db.rows.without(db.own);
                db.own = Facts::default();
            }
        }
        Ok(())
    }
}
