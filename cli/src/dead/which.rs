//! Which letters a command means.

use forebay_model::{Lane, ShardId, Timestamp};
use forebay_service::BadSetting;
use forebay_shard::{LetterFilter, Reason};

use super::address::LetterAddress;
use crate::system;

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

    fn is_empty(&self) -> bool {
        self.filter() == LetterFilter::default() && self.shard.is_none()
    }
}

impl Which {
    /// Nothing is done to letters that nobody has named.
    pub(super) fn check(&self) -> Result<(), BadSetting> {
        let is_all_alone = self.letters.is_empty() && self.filters.is_empty();
        if self.all != is_all_alone {
            let line = "say which letters: addresses such as 0/17, filters such as --reason refused, or else --all";
            return Err(BadSetting::new(line));
        }
        Ok(())
    }

    /// The letters of a shard; `None` where only letters of others are named.
    pub(super) fn filter(&self, shard: ShardId) -> Option<LetterFilter> {
        if self.letters.is_empty() {
            return Some(self.filters.filter());
        }
        let ids = self.letters.iter().filter(|letter| letter.shard == shard).map(|letter| letter.id);
        let ids: Vec<i64> = ids.collect();
        (!ids.is_empty()).then(|| LetterFilter { ids: Some(ids), ..self.filters.filter() })
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
    }

    fn which(arguments: &[&str]) -> Which {
        Line::try_parse_from([&["x"], arguments].concat()).unwrap().which
    }

    #[test]
    fn nothing_named_is_nothing_meant() {
        assert!(which(&[]).check().is_err());
        assert!(which(&["--all", "--lane", "index"]).check().is_err());
        for meant in [&["--all"][..], &["0/1"], &["--shard", "1"], &["--reason", "conflict"]] {
            assert!(which(meant).check().is_ok(), "{meant:?}");
        }
    }

    #[test]
    fn a_shard_that_no_address_names_is_left_alone() {
        let which = which(&["0/1", "0/3", "2/1"]);
        assert_eq!(which.filter(ShardId(0)).unwrap().ids, Some(vec![1, 3]));
        assert_eq!(which.filter(ShardId(1)), None);
    }
}
