//! Names of streams, subjects and buckets. All of one log begin with the same prefix, so that several logs can live on
//! one NATS server.

use std::fmt;
use std::str::FromStr;

use forebay_model::{ShardId, StreamId};

use crate::frame::kind::FrameKind;

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

    /// The subject that frames of a lane, or control frames, for a shard are published to.
    pub fn subject(&self, kind: impl Into<FrameKind>, shard: ShardId) -> String {
        format!("{}.{}.{shard}", self.0, kind.into())
    }

    /// The subjects of a stream: one for each kind of its frames.
    pub fn subjects(&self, stream: StreamId) -> Vec<String> {
        FrameKind::all_of(stream.kind).map(|kind| self.subject(kind, stream.shard)).collect()
    }

    /// What the frames of a subject of a stream carry.
    pub(crate) fn kind_of(&self, stream: StreamId, subject: &str) -> Option<FrameKind> {
        let name = subject.strip_prefix(&self.0)?.strip_prefix('.')?.split('.').next()?;
        FrameKind::all_of(stream.kind).find(|kind| kind.as_str() == name)
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

    /// The subject of what processes tell each other of a topic.
    pub(crate) fn talk_subject(&self, topic: &str) -> String {
        format!("{}.talk.{topic}", self.0)
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
    use forebay_model::{Lane, StreamKind};

    #[test]
    fn a_name_that_would_break_subjects_is_refused() {
        for text in ["", "a.b", "a b", "a*", "a>", "ä", &"x".repeat(65)] {
            assert!(text.parse::<LogName>().is_err(), "{text}");
        }
        let name: LogName = "shop-1".parse().unwrap();
        assert_eq!(name.stream(Lane::Orders.on(ShardId(2))), "shop-1-logged-2");
        let derived = StreamKind::Derived.on(ShardId(0));
        assert_eq!(
            name.subjects(derived),
            [
                "shop-1.index.0",
                "shop-1.views.0",
                "shop-1.view_events.0",
                "shop-1.derived_control.0",
                "shop-1.index_copied.0",
                "shop-1.views_copied.0",
                "shop-1.view_events_copied.0",
            ]
        );
        let logged = StreamKind::Logged.on(ShardId(0));
        assert_eq!(
            name.subjects(logged),
            [
                "shop-1.orders.0",
                "shop-1.events.0",
                "shop-1.control.0",
                "shop-1.orders_copied.0",
                "shop-1.events_copied.0"
            ]
        );
        let lanes = Lane::ALL.map(FrameKind::Facts).into_iter().chain(Lane::ALL.map(FrameKind::Copies));
        for kind in lanes.chain(StreamKind::ALL.map(FrameKind::Control)) {
            let subject = name.subject(kind, ShardId(0));
            for stream in [logged, derived] {
                let expected = Some(kind).filter(|kind| kind.stream() == stream.kind);
                assert_eq!(name.kind_of(stream, &subject), expected);
            }
        }
        assert_eq!(name.kind_of(derived, "shop.index.0"), None);
    }
}
