//! Readers: in one moment, and slow ones between whose looks anything happens.

use std::rc::Rc;

use forebay_model::ShardId;
use forebay_model::ownership::{Logged, Pick, Reading, Sighting};

use crate::fact::Facts;
use crate::fault::Fault;
use crate::moves::Moves;
use crate::rules::Mistake;
use crate::search::{Broken, Visit};
use crate::world::{A, B, C, Db, SHARDS, World, at, name};

/// A reader that is about to look at a shard.
#[derive(Clone, Hash)]
pub(crate) struct SlowReader {
    start: ShardId,
    /// Whose receipts it presents.
    asked: Asked,
    /// What readers had been shown when it began.
    shown: Facts,
    looks: Vec<(ShardId, Rc<Db>)>,
    next: ShardId,
}

/// The requests whose receipts a reader presents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Asked(u8);

impl Asked {
    pub(crate) const NOTHING: Self = Self(0);

    pub(crate) fn of(request: u8) -> Self {
        Self(1 << request)
    }

    /// Each request that was accepted, and where there are several, all of them as one batch.
    pub(crate) fn each(accepted: &[u8]) -> impl Iterator<Item = Self> {
        let all = accepted.iter().fold(Self::NOTHING, |all, request| Self(all.0 | 1 << request));
        accepted.iter().map(|&request| Self::of(request)).chain((accepted.len() > 1).then_some(all))
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = u8> {
        (0..8).filter(move |request| self.0 & (1 << request) != 0)
    }
}

/// A reader of all shards: what it has seen of each so far.
#[derive(Clone, Hash)]
pub(crate) struct Overview {
    shown: Facts,
    looks: [Option<Rc<Db>>; SHARDS],
}

fn sighting(shard: ShardId, db: &Db) -> Sighting<'_> {
    let parked_from = db.parked.first().map(|&(seq, _)| at(seq));
    Sighting { shard, position: db.position(), ownership: &db.ownership, parked_from }
}

/// The receipts of these requests, as one: of each log, from where to where it names something.
fn receipt(world: &World, asked: Asked) -> Vec<Logged> {
    let mut receipt: Vec<Logged> = Vec::new();
    for (shard, seq) in asked.iter().filter_map(|request| world.receipts[usize::from(request)]) {
        match receipt.iter_mut().find(|logged| logged.shard == shard) {
            Some(logged) => {
                logged.first = at(logged.first.seq.min(seq));
                logged.last = at(logged.last.seq.max(seq));
            }
            None => receipt.push(Logged { shard, first: at(seq), last: at(seq) }),
        }
    }
    receipt
}

impl Moves {
    /// What a reader is shown that begins at this shard, because its map, however old, says so; `None` where it waits.
    pub(crate) fn answer(&self, world: &World, start: ShardId, asked: Asked) -> Option<Facts> {
        let seen = [A, B, C].map(|shard| sighting(shard, world.db(shard)));
        match self.rules.reading(start, &receipt(world, asked), &seen) {
            Reading::Answer(shard) => Some(world.db(shard).visible()),
            Reading::Wait(_) => None,
            Reading::Look(_) => unreachable!("all shards were looked at in one moment"),
        }
    }

    /// What readers without a receipt have been shown up to now, this moment included.
    pub(crate) fn shown(&self, world: &World) -> Facts {
        if !self.is_monotone() {
            return Facts::default();
        }
        let now = world.published.iter().filter_map(|&start| self.answer(world, start, Asked::NOTHING));
        now.fold(world.shown, Facts::and)
    }

    /// A reader that is slow: what happens between its looks is anything.
    pub(crate) fn slow_reader(&self, world: &World, visit: Visit<'_, World>) {
        if let Some(reader) = &world.reader {
            return self.look(world, SlowReader::clone(reader), visit);
        }
        if !world.budget.has(Fault::SlowReader) {
            return;
        }
        for asked in Asked::each(&world.accepted).chain([Asked::NOTHING]) {
            for &start in &world.published {
                let mut begun = world.clone();
                begun.budget.spend(Fault::SlowReader);
                let reader = SlowReader { start, asked, shown: world.shown, looks: Vec::new(), next: start };
                self.look(&begun, reader, visit);
            }
        }
    }

    fn look(&self, world: &World, mut reader: SlowReader, visit: Visit<'_, World>) {
        let at = reader.next;
        reader.looks.push((at, Rc::clone(&world.shards[usize::from(at.0)].db)));
        let seen: Vec<_> = reader.looks.iter().map(|(shard, db)| sighting(*shard, db)).collect();
        let reading = self.rules.reading(reader.start, &receipt(world, reader.asked), &seen);
        let mut next = World { reader: None, ..world.clone() };
        let what = match reading {
            Reading::Look(shard) => {
                reader.next = shard;
                next.reader = Some(Rc::new(reader.clone()));
                format!("has to look at {}", name(shard))
            }
            Reading::Wait(_) => "begins anew".to_owned(),
            Reading::Answer(shard) => {
                let rows = reader.look_at(shard).visible();
                let whose = format!("a slow reader, in the end from {},", name(shard));
                if let Err(broken) = self.check_rows(&whose, rows, reader.shown, world, reader.asked) {
                    return visit(&|| format!("the reader looks at {}", name(at)), Err(broken));
                }
                format!("is shown {rows} of {}", name(shard))
            }
        };
        let comes = if reader.asked == Asked::NOTHING { "" } else { "with a receipt " };
        visit(
            &|| format!("a reader {comes}that began at {} looks at {}, {what}", name(reader.start), name(at)),
            Ok(next),
        );
    }

    /// A reader of all shards, that looks at one after the other.
    pub(crate) fn slow_overview(&self, world: &World, visit: Visit<'_, World>) {
        let begun = Overview { shown: world.shown, looks: [None, None, None] };
        let mut overview = match &world.overview {
            Some(overview) => Overview::clone(overview),
            None if world.budget.has(Fault::Overview) => begun,
            None => return,
        };
        let mut next = world.clone();
        if world.overview.is_none() {
            next.budget.spend(Fault::Overview);
        }
        if overview.looks.iter().any(Option::is_none) {
            for shard in [A, B, C].into_iter().filter(|shard| overview.looks[usize::from(shard.0)].is_none()) {
                let mut looked = overview.clone();
                looked.looks[usize::from(shard.0)] = Some(Rc::clone(&world.shards[usize::from(shard.0)].db));
                let next = World { overview: Some(Rc::new(looked)), ..next.clone() };
                visit(&|| format!("a reader of all shards looks at {}", name(shard)), Ok(next));
            }
            return;
        }
        let dbs = overview.looks.clone().map(Option::unwrap_or_default);
        match self.rules.pick([A, B, C].into_iter().zip(dbs.iter().map(|db| &db.ownership))) {
            Pick::Again(shard) => {
                overview.looks[usize::from(shard.0)] = None;
                let next = World { overview: Some(Rc::new(overview)), ..next };
                visit(&|| format!("the reader of all shards has to look at {} again", name(shard)), Ok(next));
            }
            Pick::From(shard) => {
                let rows = dbs[usize::from(shard.0)].visible();
                let whose = format!("a reader of all shards, who takes the unit from {},", name(shard));
                let checked = self.check_rows(&whose, rows, overview.shown, world, Asked::NOTHING);
                let next = World { overview: None, ..next };
                visit(
                    &|| format!("the reader of all shards is shown {rows} of {}", name(shard)),
                    checked.map(|()| next),
                );
            }
            Pick::Nobody => visit(&|| "the reader of all shards finds no owner".to_owned(), self.nobody(next)),
        }
    }

    fn nobody(&self, world: World) -> Result<World, Broken> {
        if self.is_monotone() {
            return Err("a reader of all shards finds no owner".to_owned());
        }
        Ok(World { overview: None, ..world })
    }

    /// What a reader of all shards is shown who looks at them in one moment.
    pub(crate) fn check_overview(&self, world: &World) -> Result<(), Broken> {
        let ownerships = [A, B, C].into_iter().map(|shard| (shard, &world.db(shard).ownership));
        match self.rules.pick(ownerships) {
            Pick::From(shard) => {
                let whose = format!("a reader of all shards, who takes the unit from {},", name(shard));
                self.check_rows(&whose, world.db(shard).visible(), world.shown, world, Asked::NOTHING)
            }
            _ if self.is_monotone() && !self.rules.has(Mistake::CleansBesideTheLog) => {
                Err("no shard has the unit in this moment".to_owned())
            }
            Pick::Again(_) | Pick::Nobody => Ok(()),
        }
    }
}

impl SlowReader {
    fn look_at(&self, shard: ShardId) -> &Db {
        let look = self.looks.iter().find(|(at, _)| *at == shard);
        look.map(|(_, db)| &**db).expect("a shard that was looked at")
    }
}
