//! What must hold: always, and in the end.

use forebay_model::ShardId;

use crate::fact::{Fact, Facts};
use crate::moves::Moves;
use crate::reader::Asked;
use crate::search::Broken;
use crate::world::{A, B, C, World, name};

impl Moves {
    pub(crate) fn check_promises(&self, world: &World) -> Result<(), Broken> {
        let owners = [A, B, C].into_iter().filter(|&shard| world.db(shard).ownership.state.owns());
        if self.is_monotone() && owners.count() > 1 {
            return Err("two shards own the unit".to_owned());
        }
        for &start in &world.published {
            let whose = || format!("a reader that begins at {}", name(start));
            if let Some(rows) = self.answer(world, start, Asked::NOTHING) {
                self.check_rows(&whose(), rows, world.shown, world, Asked::NOTHING)?;
            }
            for asked in Asked::each(&world.accepted) {
                if let Some(rows) = self.answer(world, start, asked) {
                    self.check_rows(&whose(), rows, Facts::default(), world, asked)?;
                }
            }
        }
        self.check_overview(world)
    }

    /// What a reader may be shown: no order twice, nothing missing that was shown before, and what its receipt names.
    pub(crate) fn check_rows(
        &self,
        whose: &str,
        rows: Facts,
        shown: Facts,
        world: &World,
        asked: Asked,
    ) -> Result<(), Broken> {
        if rows.has_rivals() {
            return Err(format!("{whose} is shown {rows}: one order twice"));
        }
        if self.is_monotone() && !rows.has_all(shown) {
            return Err(format!("{whose} is shown {rows}; before, {shown} was shown"));
        }
        for request in asked.iter() {
            let fact = self.requests[usize::from(request)];
            let is_dead = world.dead.has(fact) && rows.rival(fact).is_some();
            let Some((shard, seq)) = world.receipts[usize::from(request)] else { continue };
            if !rows.has(fact) && !is_dead && !world.archived.has(fact) {
                return Err(format!("{whose} with the receipt of {fact} ({} {seq}) is shown {rows}", name(shard)));
            }
        }
        Ok(())
    }

    /// Nothing can happen any more: every order has one fate, and who reads finds it.
    pub(crate) fn check_ledger(&self, world: &World) -> Result<(), Broken> {
        let all = [A, B, C];
        let owners: Vec<ShardId> = all.into_iter().filter(|&shard| world.db(shard).ownership.state.owns()).collect();
        let &[owner] = &owners[..] else {
            let how = if owners.is_empty() { "no shard owns" } else { "several shards own" };
            return Err(format!("in the end, {how} the unit"));
        };
        if all.into_iter().any(|shard| !world.db(shard).parked.is_empty()) {
            return Err("in the end, rows are still parked".to_owned());
        }
        if world.map.entry.is_some() && !self.rules.is_any() {
            return Err("in the end, the unit is still under way".to_owned());
        }
        for request in 0..self.requests.len() as u8 {
            self.check_fate(world, owner, request)?;
        }
        Ok(())
    }

    fn check_fate(&self, world: &World, owner: ShardId, request: u8) -> Result<(), Broken> {
        let fact = self.requests[usize::from(request)];
        let is_stored = |shard: ShardId| world.db(shard).rows.has(fact);
        if world.archived.has(fact) {
            if is_stored(owner) {
                return Err(format!("{fact} was archived, and is back"));
            }
        } else if !is_stored(owner) && !is_dead(world, fact, world.db(owner).rows) {
            return Err(format!(
                "in the end, {fact} is neither stored nor a dead letter: it was acknowledged and is lost"
            ));
        }
        if let Some(other) = [A, B, C]
            .into_iter()
            .find(|&shard| shard != owner && is_stored(shard) && !self.rules.is_any() && !self.is_hasty)
        {
            return Err(format!("in the end, {fact} is stored on {} still", name(other)));
        }
        for &start in &world.published {
            if self.answer(world, start, Asked::of(request)).is_none() {
                return Err(format!(
                    "in the end, a reader with the receipt of {fact} that begins at {} waits for ever",
                    name(start)
                ));
            }
        }
        Ok(())
    }
}

/// Whether it is a dead letter of some shard, because of one of these.
fn is_dead(world: &World, fact: Fact, rows: Facts) -> bool {
    rows.rival(fact).is_some() && [A, B, C].into_iter().any(|shard| world.db(shard).dead.has(fact))
}
