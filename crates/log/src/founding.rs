//! Making a system where there is none: its streams and its first map. Where there is one, what somebody says of it must be so.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::num::NonZeroU16;
use std::sync::Arc;

use bytesize::ByteSize;
use forebay_model::settings::StreamLimits;
use forebay_model::{
    Currency, Hash, Member, ShardId, ShardMap, StreamId, SystemId, SystemSettings, SystemViews, ViewSet,
};

use crate::error::MapError;
use crate::log::Log;

/// What a system is made with: the flags of everything that makes one. Where there is one, what is said must agree with it; it is
/// changed by commands, not by flags.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct FoundingArgs {
    /// How customers become buckets in a new system: `md5` (where nothing is said), or `modulo` for integer ids
    #[arg(long, env = "FOREBAY_ROUTING", value_name = "ROUTING")]
    pub routing: Option<Hash>,

    /// Fields that make the first views of a new system, separated by commas (where nothing is said, `seller=items[].seller_id`)
    #[arg(long, env = "FOREBAY_VIEWS", value_name = "VIEWS")]
    pub views: Option<ViewSet>,

    /// What orders of a new system are in that name no currency: three capital letters of ISO 4217 (where nothing is said, EUR)
    #[arg(long, env = "FOREBAY_CURRENCY", value_name = "CURRENCY")]
    pub currency: Option<Currency>,

    /// Bytes that each stream of a new system may take (where nothing is said, 1 GiB); a full stream refuses orders
    #[arg(long, env = "FOREBAY_STREAM_BYTES_MAX", value_name = "BYTES")]
    pub stream_bytes_max: Option<ByteSize>,

    /// NATS servers that keep each stream of a new system (where nothing is said, 1)
    #[arg(long, env = "FOREBAY_STREAM_REPLICAS", value_name = "N", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub stream_replicas: Option<u8>,
}

/// Something was said of a system that is not so: a line that says what, and how it is changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flag} says {said}, and this system has {found}: {advice}")]
pub struct Disagreement {
    flag: &'static str,
    said: String,
    found: String,
    advice: &'static str,
}

/// Why a system could not be made or found.
#[derive(Debug, thiserror::Error)]
pub enum FoundingError {
    /// There is one, and it is another one.
    #[error(transparent)]
    Disagrees(#[from] Disagreement),
    /// It is not known whether the shards are of a system already.
    #[error("a system cannot be made yet: {0}")]
    System(String),
    /// The log does not do what it is asked.
    #[error(transparent)]
    Map(#[from] MapError),
}

impl FoundingArgs {
    /// Their environment variables.
    pub const VARIABLES: [&str; 5] =
        ["FOREBAY_ROUTING", "FOREBAY_VIEWS", "FOREBAY_CURRENCY", "FOREBAY_STREAM_BYTES_MAX", "FOREBAY_STREAM_REPLICAS"];

    /// The first map of a system that is made with them, on these shards.
    pub fn first_map(&self, members: BTreeMap<ShardId, Member>) -> ShardMap {
        let usual = SystemSettings::default();
        let limits = usual.streams;
        let settings = SystemSettings {
            views: self.views.as_ref().map_or(usual.views, SystemViews::first),
            currency: self.currency.unwrap_or(usual.currency),
            streams: StreamLimits {
                bytes_max: self.stream_bytes_max.map_or(limits.bytes_max, |bytes| bytes.as_u64()),
                replicas: self.stream_replicas.unwrap_or(limits.replicas),
            },
        };
        let shards = u16::try_from(members.len()).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
        ShardMap::even(shards, self.routing.unwrap_or_default()).with_settings(settings).with_members(members)
    }

    /// Whether what they say of a system is so.
    ///
    /// # Errors
    /// [`Disagreement`] about the first that is not.
    pub fn check(&self, map: &ShardMap) -> Result<(), Disagreement> {
        let settings = map.settings();
        let bytes_max = ByteSize::b(settings.streams.bytes_max);
        let sorted = |views: &ViewSet| {
            let mut views: Vec<String> = views.iter().map(|view| view.spec.to_string()).collect();
            views.sort_unstable();
            let text = views.join(",");
            if text.is_empty() { "no view".to_owned() } else { text }
        };
        let (views, in_force) = (self.views.as_ref().map(sorted), sorted(settings.views.in_force()));
        let routing = self.routing.map(|hash| hash.as_str().to_owned());
        let all = [
            ("--routing", routing, map.hash().as_str().to_owned(), "leave it out; it is fixed when a system is made"),
            ("--views", views, in_force, "leave it out; `forebay views` adds and drops them"),
            (
                "--currency",
                self.currency.map(|currency| currency.to_string()),
                settings.currency.to_string(),
                BY_COMMAND,
            ),
            (
                "--stream-bytes-max",
                self.stream_bytes_max.map(|bytes| bytes.to_string()),
                bytes_max.to_string(),
                BY_COMMAND,
            ),
            (
                "--stream-replicas",
                self.stream_replicas.map(|n| n.to_string()),
                settings.streams.replicas.to_string(),
                BY_COMMAND,
            ),
        ];
        for (flag, said, found, advice) in all {
            match said {
                Some(said) if said != found => return Err(Disagreement { flag, said, found, advice }),
                _ => {}
            }
        }
        Ok(())
    }
}

const BY_COMMAND: &str = "leave it out; `forebay settings set` changes it";

fn new_system() -> SystemId {
    SystemId::new(uuid::Uuid::new_v4().as_u64_pair().0)
}

impl Log {
    /// Makes the streams and the map of a system on these shards, as far as they are missing, and gives the map. Streams first,
    /// map last: who sees a map may rely on its streams. Of several processes that do it at once, one wins. `system` is asked where there
    /// is no map: which system the shards are of, if of any.
    ///
    /// # Errors
    /// [`FoundingError::Disagrees`] where there is a system, and it is another one; then nothing was changed.
    pub async fn found(
        &self,
        members: BTreeMap<ShardId, Member>,
        args: &FoundingArgs,
        system: impl Future<Output = Result<Option<SystemId>, impl Display>>,
    ) -> Result<Arc<ShardMap>, FoundingError> {
        let known = match self.read_map().await {
            Ok(map) => Some(map),
            Err(MapError::Absent) => None,
            Err(error) => return Err(error.into()),
        };
        let first = match &known {
            Some(map) => Arc::clone(map),
            None => {
                let system = system.await.map_err(|error| FoundingError::System(error.to_string()))?;
                Arc::new(args.first_map(members).of_system(system.unwrap_or_else(new_system)))
            }
        };
        args.check(&first)?;
        self.ensure_streams_of(&first).await?;
        if known.is_some() {
            return Ok(first);
        }
        let stored = self.create_map_if_absent(&first).await?;
        args.check(&stored)?;
        if stored.settings().streams != first.settings().streams {
            self.ensure_streams_of(&stored).await?;
        }
        Ok(stored)
    }

    /// Tells the map where those of its shards are of which it does not say that: maps of earlier versions do not. Gives the map that does.
    ///
    /// # Errors
    /// As [`Log::change_map`].
    pub async fn complete_map(&self, members: &BTreeMap<ShardId, Member>) -> Result<Arc<ShardMap>, MapError> {
        self.change_map(|map| -> Result<_, MapError> {
            let shards = map.shards().filter(|&shard| map.member(shard).is_none());
            let missing: Vec<_> = shards.filter_map(|shard| Some((shard, members.get(&shard)?.clone()))).collect();
            Ok(if missing.is_empty() { None } else { Some(map.next_with_members(missing)) })
        })
        .await
    }

    /// Makes the streams of a map where they are missing, and gives those that are there its limits; but for those of shards that leave.
    ///
    /// # Errors
    /// As [`Log::ensure_streams`].
    pub async fn ensure_streams_of(&self, map: &ShardMap) -> Result<(), MapError> {
        Ok(self.ensure_streams(map.staying().flat_map(StreamId::all_of), map.settings().streams).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        founding: FoundingArgs,
    }

    fn args(flags: &[&str]) -> FoundingArgs {
        Line::try_parse_from([&["x"], flags].concat()).unwrap().founding
    }

    #[test]
    fn what_is_said_must_be_so_and_what_is_not_said_is_right() {
        let three = BTreeMap::from([0, 1, 2].map(|shard| (ShardId(shard), Member::default())));
        let flags = [
            ["--routing", "modulo"],
            ["--views", "seller=items[].seller_id,warehouse=w"],
            ["--currency", "USD"],
            ["--stream-bytes-max", "64MiB"],
            ["--stream-replicas", "3"],
        ];
        let (usual, all) = (args(&[]).first_map(three.clone()), args(&flags.concat()));
        let other = all.first_map(three);
        assert_eq!((all.check(&other), args(&[]).check(&other)), (Ok(()), Ok(())));
        assert_eq!(args(&["--views", "warehouse=w,seller=items[].seller_id"]).check(&other), Ok(()), "in any order");
        for said in flags {
            let line = args(&said).check(&usual).unwrap_err().to_string();
            assert!(line.starts_with(said[0]) && line.contains(": leave it out; ") && !line.contains('\n'), "{line}");
            assert_eq!(args(&said).check(&other), Ok(()));
        }
        let none = args(&["--views", ""]).check(&usual).unwrap_err().to_string();
        assert!(none.starts_with("--views says no view, and this system has seller=items[].seller_id:"), "{none}");
        assert_eq!(usual.shards().len(), 3);
    }

    #[test]
    fn every_one_of_them_is_left_out_where_they_are() {
        let command = <Line as clap::CommandFactory>::command();
        let variables = command.get_arguments().filter_map(|argument| argument.get_env()?.to_str());
        assert_eq!(variables.collect::<Vec<_>>(), FoundingArgs::VARIABLES);
    }
}
