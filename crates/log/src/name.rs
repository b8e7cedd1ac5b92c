//! Names of streams, subjects and buckets. All of one log begin with the same prefix, so that several logs can live on
//! one NATS server.

use std::fmt;
use std::str::FromStr;

use forebay_model::{Lane, ShardId, StreamId};

/// The most characters of a log's name.
const CHARS_MAX: usize = 64;

/// The prefix of everything that belongs to one log: 1 to 64 letters, digits, `-` or `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LogName(String);

/// A text that cannot be the name of a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` cannot name a log: use 1 to 64 letters, digits, `-` or `_`")]
pub struct NotALogName(String);

impl LogName {
    /// The prefix itself.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A stream by its name.
    pub fn stream(&self, stream: StreamId) -> String {
        format!("{}-{stream}", self.0)
    }

    /// The subject that a lane's frames for a shard are published to.
    pub fn subject(&self, lane: Lane, shard: ShardId) -> String {
        format!("{}.{lane}.{shard}", self.0)
    }

    /// The subjects of a stream: one for each of its lanes.
    pub fn subjects(&self, stream: StreamId) -> Vec<String> {
        stream.lanes().map(|lane| self.subject(lane, stream.shard)).collect()
    }

    /// The lane whose frames a subject of a stream has.
    pub(crate) fn lane_of(&self, stream: StreamId, subject: &str) -> Option<Lane> {
        let name = subject.strip_prefix(&self.0)?.strip_prefix('.')?.split('.').next()?;
        stream.lanes().find(|lane| lane.as_str() == name)
    }

    /// The subject of the notices of commits from a stream.
    pub fn notice_subject(&self, stream: StreamId) -> String {
        let StreamId { kind, shard } = stream;
        format!("{}.notice.{kind}.{shard}", self.0)
    }

    /// The subjects of all commit notices.
    pub fn notice_subjects(&self) -> String {
        format!("{}.notice.*.*", self.0)
    }

    /// The key-value bucket that holds the shard map.
    pub fn map_bucket(&self) -> String {
        format!("{}-map", self.0)
    }
}

impl Default for LogName {
    fn default() -> Self {
        Self("forebay".to_owned())
    }
}

impl fmt::Display for LogName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for LogName {
    type Err = NotALogName;

    fn from_str(text: &str) -> Result<Self, NotALogName> {
        let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if text.is_empty() || text.len() > CHARS_MAX || !text.chars().all(fits) {
            return Err(NotALogName(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_model::StreamKind;

    #[test]
    fn a_name_that_would_break_subjects_is_refused() {
        for text in ["", "a.b", "a b", "a*", "a>", "ä", &"x".repeat(65)] {
            assert!(text.parse::<LogName>().is_err(), "{text}");
        }
        let name: LogName = "shop-1".parse().unwrap();
        assert_eq!(name.stream(Lane::Orders.on(ShardId(2))), "shop-1-logged-2");
        let derived = StreamKind::Derived.on(ShardId(0));
        assert_eq!(name.subjects(derived), ["shop-1.index.0", "shop-1.views.0"]);
        for lane in Lane::ALL {
            let subject = name.subject(lane, ShardId(0));
            assert_eq!(name.lane_of(derived, &subject), Some(lane).filter(|lane| lane.on(ShardId(0)) == derived));
        }
        assert_eq!(name.lane_of(derived, "shop.index.0"), None);
    }
}
