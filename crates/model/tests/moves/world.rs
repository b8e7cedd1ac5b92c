//! The state of everything: the map, logs that forget nothing, databases, readers and movers that are slow.

use std::collections::BTreeSet;
use std::rc::Rc;

use forebay_model::ownership::{Act, Change, MoveEntry, MoveId, Ownership, Phase, Unit};
use forebay_model::{Bucket, Epoch, Incarnation, Position, ShardId, StreamKind};

use crate::fact::{Fact, Facts};
use crate::fault::Budget;
use crate::reader::{Overview, SlowReader};

pub(crate) const SHARDS: usize = 3;
pub(crate) const A: ShardId = ShardId(0);
pub(crate) const B: ShardId = ShardId(1);
pub(crate) const C: ShardId = ShardId(2);

#[derive(Clone, Hash)]
pub(crate) struct World {
    pub(crate) map: Map,
    /// Every shard that a map has ever said to write the unit to.
    pub(crate) published: Vec<ShardId>,
    pub(crate) shards: [Shard; SHARDS],
    /// Of each request that was accepted: where it lies in the log.
    pub(crate) receipts: Vec<Option<(ShardId, u64)>>,
    /// The requests, in the order in which they were accepted.
    pub(crate) accepted: Vec<u8>,
    /// What the prompt mover knows to be logged.
    pub(crate) logged: Rc<BTreeSet<(ShardId, Epoch)>>,
    /// What a slow mover is about to do.
    pub(crate) slow: Option<Rc<Pending>>,
    /// A publish that was repeated, and whose first attempt is still under way.
    pub(crate) echo: Option<(ShardId, Frame)>,
    /// A cleaner beside the log that is about to delete: where, and the epoch that it has seen. Only by mistake.
    pub(crate) cleaner: Option<(ShardId, Epoch)>,
    pub(crate) reader: Option<Rc<SlowReader>>,
    pub(crate) overview: Option<Rc<Overview>>,
    /// What readers without a receipt have been shown.
    pub(crate) shown: Facts,
    pub(crate) archived: Facts,
    /// What has ever become a dead letter: a database that fails over has forgotten that for a while.
    pub(crate) dead: Facts,
    pub(crate) budget: Budget,
}

/// The key-value bucket, as far as the unit is concerned.
#[derive(Clone, Hash)]
pub(crate) struct Map {
    pub(crate) epoch: Epoch,
    /// Where the unit is while it is not under way.
    pub(crate) home: ShardId,
    pub(crate) entry: Option<Rc<MoveEntry>>,
    /// Where it is to be moved to yet, the next one last.
    pub(crate) plan: Vec<ShardId>,
}

#[derive(Clone, Hash)]
pub(crate) struct Shard {
    pub(crate) log: Rc<Log>,
    pub(crate) db: Rc<Db>,
    /// The replica, where the database may still fail over to it.
    pub(crate) replica: Option<Rc<Db>>,
}

/// A log: frames that nobody can need any more are left out, so that states which differ only in them are one.
#[derive(Clone, Default, Hash)]
pub(crate) struct Log {
    /// How many frames are left out.
    base: u64,
    frames: Vec<Frame>,
    /// It takes no frames.
    pub(crate) is_full: bool,
}

#[derive(Clone, Hash)]
pub(crate) enum Frame {
    Row(Row),
    Copy { fact: Fact, of: MoveId },
    Control(Rc<Change>),
}

#[derive(Clone, Copy, Hash)]
pub(crate) struct Row {
    pub(crate) fact: Fact,
    pub(crate) request: u8,
    /// Whether ingest logged it by the map of that moment.
    pub(crate) is_prompt: bool,
    /// How often it was sent on.
    pub(crate) hops: u8,
}

/// A shard's database. A transaction changes all of it at once.
#[derive(Clone, Default, Hash)]
pub(crate) struct Db {
    pub(crate) seq: u64,
    pub(crate) ownership: Ownership,
    pub(crate) rows: Facts,
    pub(crate) dead: Facts,
    /// Rows that wait, with their positions.
    pub(crate) parked: Vec<(u64, Row)>,
    /// What was decided since it is the owner; and what of that was stored. Kept only where a target may have to take it back.
    pub(crate) decided: Vec<(u64, Row)>,
    pub(crate) own: Facts,
}

/// What a slow mover has decided, by the entry that it has seen.
#[derive(Hash)]
pub(crate) struct Pending {
    pub(crate) entry: Rc<MoveEntry>,
    pub(crate) what: PendingAct,
}

#[derive(Hash)]
pub(crate) enum PendingAct {
    Append(ShardId, Rc<Change>),
    Decide(Phase),
    Copy(Fact),
}

/// The place of a frame. No log is made anew here.
pub(crate) fn at(seq: u64) -> Position {
    Position { incarnation: Incarnation::new(1), seq }
}

pub(crate) fn unit() -> Unit {
    Unit::of(StreamKind::Logged, Bucket::new(17).expect("there is one"))
}

pub(crate) fn name(shard: ShardId) -> char {
    char::from(b'A' + shard.0 as u8)
}

impl World {
    pub(crate) fn db(&self, shard: ShardId) -> &Db {
        &self.shards[usize::from(shard.0)].db
    }

    pub(crate) fn db_mut(&mut self, shard: ShardId) -> &mut Db {
        Rc::make_mut(&mut self.shards[usize::from(shard.0)].db)
    }

    pub(crate) fn log(&self, shard: ShardId) -> &Log {
        &self.shards[usize::from(shard.0)].log
    }

    /// Appends a frame. Gives its position.
    pub(crate) fn append(&mut self, shard: ShardId, frame: Frame) -> u64 {
        let log = Rc::make_mut(&mut self.shards[usize::from(shard.0)].log);
        log.frames.push(frame);
        log.last()
    }

    pub(crate) fn set_full(&mut self, shard: ShardId, is_full: bool) {
        Rc::make_mut(&mut self.shards[usize::from(shard.0)].log).is_full = is_full;
    }

    /// The shard that the newest map says to write the unit to.
    pub(crate) fn current(&self) -> ShardId {
        self.map.entry.as_ref().map_or(self.map.home, |entry| entry.shard())
    }

    pub(crate) fn publish(&mut self, shard: ShardId) {
        if let Err(place) = self.published.binary_search(&shard) {
            self.published.insert(place, shard);
        }
    }

    /// Leaves out what nobody will read any more.
    pub(crate) fn forget(&mut self) {
        for shard in &mut self.shards {
            let read = shard.replica.iter().map(|replica| replica.seq).fold(shard.db.seq, u64::min);
            if shard.log.base < read {
                let log = Rc::make_mut(&mut shard.log);
                log.frames.drain(..(read - log.base) as usize);
                log.base = read;
            }
        }
    }
}

impl Log {
    pub(crate) fn last(&self) -> u64 {
        self.base + self.frames.len() as u64
    }

    /// The frames behind a position.
    pub(crate) fn behind(&self, seq: u64) -> &[Frame] {
        &self.frames[(seq - self.base) as usize..]
    }
}

impl Db {
    pub(crate) fn position(&self) -> Position {
        at(self.seq)
    }

    /// Whether nothing of the unit is left.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty() && self.parked.is_empty()
    }

    /// What readers can see: what was cleaned is invisible at once.
    pub(crate) fn visible(&self) -> Facts {
        if self.ownership.may_delete() { Facts::default() } else { self.rows }
    }
}

impl Pending {
    /// What a mover does, as something to be done later; `None` where it would do nothing.
    pub(crate) fn of(entry: &Rc<MoveEntry>, act: Act) -> Option<Self> {
        let what = match act {
            Act::Append(shard, change) => PendingAct::Append(shard, Rc::new(change)),
            Act::Decide(phase) => PendingAct::Decide(phase),
            Act::Compare | Act::Copy | Act::Wait(_) | Act::Finish => return None,
        };
        Some(Self { entry: Rc::clone(entry), what })
    }
}
