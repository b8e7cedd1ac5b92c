//! Which letters are meant.

use std::fmt;

use anyhow::{Context, Result};
use forebay_model::{Lane, ShardId, Tenant, Timestamp};
use forebay_service::BadSetting;
use forebay_shard::{DeadLetter, LetterFilter, Reason};

use super::address::LetterAddress;
use super::pool::pool_settings;
use crate::system::System;

/// What letters can be told apart by. What is `None` does not matter.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// Only letters of this shard.
    pub shard: Option<ShardId>,
    /// Only letters of this lane.
    pub lane: Option<Lane>,
    /// Only letters that died of this.
    pub reason: Option<Reason>,
    /// Only letters of this tenant's facts.
    pub tenant: Option<Tenant>,
    /// Only letters that died at this time or later.
    pub from: Option<Timestamp>,
    /// Only letters that died before this time.
    pub to: Option<Timestamp>,
}

/// The letters that something is done to: by address, by what they have in common, or all.
#[derive(Debug, Clone, Default)]
pub struct Selection {
    /// Letters by address.
    pub letters: Vec<LetterAddress>,
    /// What the letters have in common.
    pub filters: Filters,
    /// Every letter.
    pub all: bool,
}

impl Filters {
    /// The letters of a shard.
    pub(super) fn filter(&self) -> LetterFilter {
        let Self { shard: _, lane, reason, tenant, from, to } = self.clone();
        LetterFilter { lane, reason, tenant, from, to, ..LetterFilter::default() }
    }

    /// Whether every letter passes.
    pub fn is_empty(&self) -> bool {
        self.filter() == LetterFilter::default() && self.shard.is_none()
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Filters { shard, lane, reason, tenant, from, to } = &self.filters;
        let named = self.letters.iter().map(ToString::to_string);
        let words = [
            self.all.then(|| "all".to_owned()),
            shard.map(|shard| format!("shard={shard}")),
            lane.map(|lane| format!("lane={lane}")),
            reason.map(|reason| format!("reason={reason}")),
            tenant.as_ref().map(|tenant| format!("tenant={tenant}")),
            from.map(|from| format!("from={from}")),
            to.map(|to| format!("to={to}")),
        ];
        f.write_str(&named.chain(words.into_iter().flatten()).collect::<Vec<_>>().join(" "))
    }
}

impl Selection {
    /// Nothing is done to letters that nobody has named, nor where it is not clear which are.
    pub(super) fn check(&self, system: &System) -> Result<(), BadSetting> {
        self.letters.iter().try_for_each(|letter| system.check_shard(letter.shard))?;
        let line = match (!self.letters.is_empty(), !self.filters.is_empty(), self.all) {
            (true, false, false) | (false, true, false) | (false, false, true) => return Ok(()),
            (false, false, false) => {
                "say which letters: addresses such as 0/17, filters such as --reason refused, or else --all"
            }
            (false, true, true) => "--all means every letter of every shard: leave it out to go by the filters",
            (true, _, true) => "--all means every letter of every shard: leave it out to go by the addresses",
            (true, true, false) => "letters are named by address or by filters, not by both",
        };
        Err(BadSetting::new(line))
    }

    /// The named letters that are not there.
    pub(super) async fn missing(&self, system: &System) -> Result<Vec<LetterAddress>> {
        let mut missing = Vec::new();
        for pool in system.pools(None, &pool_settings())? {
            let Some(LetterFilter { ids: Some(ids), .. }) = self.filter(pool.shard()) else { continue };
            let there = DeadLetter::existing(&mut *pool.acquire().await?, &ids).await;
            let there = there.with_context(|| format!("the dead letters of shard {} cannot be read", pool.shard()))?;
            let gone = ids.into_iter().filter(|id| !there.contains(id));
            missing.extend(gone.map(|id| LetterAddress { shard: pool.shard(), id }));
        }
        Ok(missing)
    }

    /// The letters of a shard; `None` where only letters of others are named.
    pub(super) fn filter(&self, shard: ShardId) -> Option<LetterFilter> {
        if self.letters.is_empty() {
            return Some(self.filters.filter());
        }
        let ids = self.letters.iter().filter(|letter| letter.shard == shard).map(|letter| letter.id);
        let ids: Vec<i64> = ids.collect();
        (!ids.is_empty()).then(|| LetterFilter { ids: Some(ids), ..LetterFilter::default() })
    }
}

#[cfg(test)]
mod tests {
    use forebay_log::LogArgs;

    use super::*;

    fn letters(addresses: &[&str]) -> Vec<LetterAddress> {
        addresses.iter().map(|address| address.parse().unwrap()).collect()
    }

    fn check(letters: Vec<LetterAddress>, filters: Filters, all: bool) -> Result<(), String> {
        let shards = "postgres://x@a/x,postgres://x@b/x,postgres://x@c/x".parse().unwrap();
        let system = System { log: LogArgs::default(), shards };
        Selection { letters, filters, all }.check(&system).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_named_is_nothing_meant() {
        let (none, any) = (Filters::default, || Filters { lane: Some(Lane::Index), ..Filters::default() });
        for (letters, filters, all, said) in [
            (letters(&[]), none(), false, "say which letters"),
            (letters(&[]), any(), true, "--all means every letter of every shard: leave it out to go by the filters"),
            (
                letters(&["0/1"]),
                none(),
                true,
                "--all means every letter of every shard: leave it out to go by the addresses",
            ),
            (letters(&["0/1"]), any(), false, "letters are named by address or by filters, not by both"),
            (letters(&["0/1", "3/1"]), none(), false, "there is no shard 3: this system has 0, 1, 2"),
        ] {
            let error = check(letters, filters, all).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
        let of_shard = Filters { shard: Some(ShardId(1)), ..Filters::default() };
        for (letters, filters, all) in [
            (letters(&[]), none(), true),
            (letters(&["0/1"]), none(), false),
            (letters(&[]), any(), false),
            (letters(&[]), of_shard, false),
        ] {
            assert_eq!(check(letters, filters, all), Ok(()));
        }
    }

    #[test]
    fn a_shard_that_no_address_names_is_left_alone() {
        let selection = Selection { letters: letters(&["0/1", "0/3", "2/1"]), ..Selection::default() };
        assert_eq!(selection.filter(ShardId(0)).unwrap().ids, Some(vec![1, 3]));
        assert_eq!(selection.filter(ShardId(1)), None);
    }
}
