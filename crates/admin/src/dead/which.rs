//! Which letters a command means.

use anyhow::{Context, Result};
use forebay_model::{Lane, ShardId, Timestamp};
use forebay_service::BadSetting;
use forebay_shard::{DeadLetter, LetterFilter, Reason};

use super::address::LetterAddress;
use super::pool_settings;
use crate::system::{self, SystemSettings};

/// What letters can be told apart by.
#[derive(Debug, Clone, clap::Args)]
pub struct Filters {
    /// Only letters of this shard
    #[arg(long, value_name = "SHARD", value_parser = system::shard)]
    pub shard: Option<ShardId>,

    /// Only letters of this lane: orders, index or views
    #[arg(long, value_name = "LANE")]
    pub lane: Option<Lane>,

    /// Only letters that died of this, such as conflict or refused
    #[arg(long, value_name = "REASON")]
    pub reason: Option<Reason>,

    /// Only letters that died at this time or later
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub from: Option<Timestamp>,

    /// Only letters that died before this time
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub to: Option<Timestamp>,
}

/// The letters that something is done to.
#[derive(Debug, Clone, clap::Args)]
pub struct Which {
    /// Letters by address
    #[arg(value_name = "SHARD/ID")]
    pub letters: Vec<LetterAddress>,

    /// What the letters have in common.
    #[command(flatten)]
    pub filters: Filters,

    /// Every letter
    #[arg(long)]
    pub all: bool,
}

fn instant(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text).map_err(|error| format!("a time {error}"))
}

impl Filters {
    /// The letters of a shard.
    pub(super) fn filter(&self) -> LetterFilter {
        LetterFilter { lane: self.lane, reason: self.reason, from: self.from, to: self.to, ..LetterFilter::default() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.filter() == LetterFilter::default() && self.shard.is_none()
    }
}

impl Which {
    /// Nothing is done to letters that nobody has named, nor where it is not clear which are.
    pub(super) fn check(&self, system: &SystemSettings) -> Result<(), BadSetting> {
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

    /// The named letters that are not there. Each is told.
    pub(super) async fn missing(&self, system: &SystemSettings) -> Result<Vec<LetterAddress>> {
        let mut missing = Vec::new();
        for pool in system.pools(None, &pool_settings())? {
            let Some(LetterFilter { ids: Some(ids), .. }) = self.filter(pool.shard()) else { continue };
            let there = DeadLetter::existing(&mut *pool.acquire().await?, &ids).await;
            let there = there.with_context(|| format!("the dead letters of shard {} cannot be read", pool.shard()))?;
            let gone = ids.into_iter().filter(|id| !there.contains(id));
            missing.extend(gone.map(|id| LetterAddress { shard: pool.shard(), id }));
        }
        for address in &missing {
            eprintln!("there is no dead letter {address}");
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
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        system: SystemSettings,
    }

    fn which(arguments: &[&str]) -> Which {
        Line::try_parse_from([&["x"], arguments].concat()).unwrap().which
    }

    fn check(arguments: &[&str]) -> Result<(), String> {
        let Line { which, system } = Line::try_parse_from([&["x"], arguments].concat()).unwrap();
        which.check(&system).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_named_is_nothing_meant() {
        for (arguments, said) in [
            (&[][..], "say which letters"),
            (&["--all", "--shard", "1"], "--all means every letter of every shard: leave it out to go by the filters"),
            (&["--all", "0/1"], "--all means every letter of every shard: leave it out to go by the addresses"),
            (&["0/1", "--lane", "index"], "letters are named by address or by filters, not by both"),
            (&["0/1", "3/1"], "there is no shard 3: --shards has 0 to 2"),
        ] {
            assert!(check(arguments).unwrap_err().starts_with(said), "{arguments:?}");
        }
        for meant in [&["--all"][..], &["0/1"], &["--shard", "1"], &["--reason", "conflict"]] {
            assert!(check(meant).is_ok(), "{meant:?}");
        }
    }

    #[test]
    fn a_shard_that_no_address_names_is_left_alone() {
        let which = which(&["0/1", "0/3", "2/1"]);
        assert_eq!(which.filter(ShardId(0)).unwrap().ids, Some(vec![1, 3]));
        assert_eq!(which.filter(ShardId(1)), None);
    }
}
