//! Why what moves stands still, as this process sees it: for questions over the log, as `forebay shards status` asks them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_admin::moves::{MoverShare, Standing};
use forebay_model::{ShardId, Timestamp};

use crate::status::backlog::Backlog;
use crate::status::{State, Status};

/// What went wrong with shards, for each part of the moves out of each shard, until that part goes on without. Clones are the same.
#[derive(Clone, Debug, Default)]
pub(super) struct Troubles(Arc<Mutex<BTreeMap<Of, Trouble>>>);

/// Of what leaves a shard, the part, and the shard with which something is wrong.
type Of = (ShardId, MoverShare, ShardId);

#[derive(Debug)]
struct Trouble {
    why: String,
    since: Timestamp,
}

impl Troubles {
    /// Something is wrong with a shard. Whether that is news.
    pub(super) fn note(&self, from: ShardId, part: MoverShare, shard: ShardId, why: &str) -> bool {
        let mut troubles = self.lock();
        let since = troubles.get(&(from, part, shard)).map_or_else(Timestamp::now, |known| known.since);
        let known = troubles.insert((from, part, shard), Trouble { why: why.to_owned(), since });
        known.is_none_or(|known| known.why != why)
    }

    /// That part went on, with nothing wrong but with these shards.
    pub(super) fn only(&self, from: ShardId, part: MoverShare, shards: &BTreeSet<ShardId>) {
        self.lock().retain(|&(of, of_part, shard), _| (of, of_part) != (from, part) || shards.contains(&shard));
    }

    /// Nothing is wrong any more with what leaves a shard: nothing does, or somebody else moves it.
    pub(super) fn forget(&self, from: ShardId) {
        self.lock().retain(|&(of, ..), _| of != from);
    }

    /// Whether something is wrong with a shard.
    pub(super) fn has(&self, shard: ShardId) -> bool {
        self.lock().keys().any(|&(.., with)| with == shard)
    }

    /// What there is to tell, of streams that are not drained, too.
    pub(super) fn told(&self, backlog: &Backlog) -> Vec<Standing> {
        let of_moves = |(&(_, _, shard), Trouble { why, since }): (&Of, &Trouble)| Standing {
            shard,
            why: why.clone(),
            since: since.in_full().to_string(),
        };
        let mut told: Vec<Standing> = self.lock().iter().map(of_moves).collect();
        told.extend(backlog.streams().iter().filter_map(of_stream));
        told
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Of, Trouble>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of_stream(status: &Status) -> Option<Standing> {
    let now = status.now();
    let reason = now.reason.as_ref().filter(|_| matches!(now.state, State::Retrying | State::Halted))?;
    let why = format!("{} is not drained: {reason}", status.of());
    Some(Standing { shard: status.of().shard, why, since: now.since.in_full().to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_is_told_until_its_part_goes_on_without() {
        let (troubles, backlog) = (Troubles::default(), Backlog::default());
        let [from, one, other] = [0, 1, 2].map(ShardId);
        let told = || troubles.told(&backlog).into_iter().map(|of| (of.shard.0, of.why)).collect::<Vec<_>>();
        assert!(troubles.note(from, MoverShare::Copying, one, "silent"));
        assert!(!troubles.note(from, MoverShare::Copying, one, "silent"));
        assert!(troubles.note(from, MoverShare::Copying, one, "refused"));
        assert!(troubles.note(from, MoverShare::Between, other, "full"));
        assert_eq!(told(), [(1, "refused".to_owned()), (2, "full".to_owned())]);
        troubles.only(from, MoverShare::Between, &BTreeSet::from([other]));
        troubles.only(one, MoverShare::Between, &BTreeSet::new());
        assert_eq!(told().len(), 2);
        troubles.only(from, MoverShare::Between, &BTreeSet::new());
        assert_eq!(told(), [(1, "refused".to_owned())]);
        assert!(troubles.has(one) && !troubles.has(other) && !troubles.has(from));
        troubles.forget(from);
        assert_eq!(told(), []);
    }
}
