//! Flags and environment variables of the writer.

use std::net::SocketAddr;
use std::time::Duration;

use forebay_api::Role;
use forebay_log::{FoundingArgs, LogArgs};
use forebay_model::StreamKind;
use forebay_service::ServiceSettings;
use forebay_service::settings::units::{self, ByteSize};
use forebay_shard::{Granularity, ShardArgs, StoreSettings};

use crate::failpoint;

/// Drains the log into the shards.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "forebay-writer", version)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "FOREBAY_WRITER_LISTEN", default_value = Role::Writer.listen_default())]
    pub listen: SocketAddr,

    /// The log that it uses.
    #[command(flatten)]
    pub log: LogArgs,

    /// The shards that it uses.
    #[command(flatten)]
    pub shards: ShardArgs,

    /// What only the writer has.
    #[command(flatten)]
    pub options: WriterOptions,

    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

/// What only the writer can be told.
#[derive(Debug, Clone, clap::Args)]
pub struct WriterOptions {
    /// How much time a new partition holds: `day`, `hour` or `month`
    #[arg(long, env = "FOREBAY_PARTITION", default_value = "day")]
    pub partition: Granularity,

    /// Partitions that are made ahead
    #[arg(long, env = "FOREBAY_PARTITIONS_AHEAD", default_value = "3", value_parser = clap::value_parser!(u32).range(..=1000))]
    pub partitions_ahead: u32,

    /// How long nothing may have been written to a month before its partitions become one, in seconds; 0 leaves them as they are
    #[arg(long = "merge-idle-s", env = "FOREBAY_MERGE_IDLE_S", default_value = "600", value_parser = units::seconds)]
    pub merge_idle: Duration,

    /// Rows that are committed together at most
    #[arg(long, env = "FOREBAY_BATCH_ROWS", default_value = "10000", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_rows: u32,

    /// Bytes of frames in memory, of all streams together
    #[arg(
        id = "writer_memory_max",
        long = "writer-memory-max",
        env = "FOREBAY_WRITER_MEMORY_MAX",
        default_value = "64MiB"
    )]
    pub memory_max: ByteSize,

    /// How long frames stay in the log after they were committed, in seconds
    #[arg(long = "keep-behind-s", env = "FOREBAY_KEEP_BEHIND_S", default_value = "7200", value_parser = units::seconds)]
    pub keep_behind: Duration,

    /// Bytes of committed frames that each stream keeps at most; a stream that runs full keeps fewer
    #[arg(long, env = "FOREBAY_KEEP_BEHIND_BYTES", default_value = "2GiB")]
    pub keep_behind_bytes: ByteSize,

    /// Parts of a shard that this process moves at the same time, where any are to; 0: it leaves that to others
    #[arg(long, env = "FOREBAY_MOVES_AT_ONCE", default_value = "64", value_parser = clap::value_parser!(u16).range(..=1024))]
    pub moves_at_once: u16,

    /// What a new system is made with.
    #[command(flatten)]
    pub founding: FoundingArgs,
}

/// What one stream may hold in memory: half of it read ahead, half of it being committed.
const STREAM_BYTES: std::ops::RangeInclusive<usize> = (1 << 20)..=(8 << 20);

impl Settings {
    /// The most bytes of frames that are committed together, where there are that many shards; as many are read ahead.
    pub(crate) fn batch_bytes(&self, shards: usize) -> usize {
        let streams = shards.max(1) * StreamKind::ALL.len();
        (self.options.memory_max.as_u64() as usize / streams).clamp(*STREAM_BYTES.start(), *STREAM_BYTES.end()) / 2
    }

    pub(crate) fn store(&self) -> StoreSettings {
        StoreSettings {
            granularity: self.options.partition,
            partitions_ahead: self.options.partitions_ahead,
            before_commit: Some(|| {
                failpoint::BEFORE_COMMIT.pass();
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(args: &[&str]) -> Settings {
        clap::Parser::try_parse_from([&["forebay-writer"], args].concat()).unwrap()
    }

    #[test]
    fn memory_is_shared_among_the_streams() {
        assert_eq!(settings(&[]).batch_bytes(3), 4 << 20);
        assert_eq!(settings(&[]).batch_bytes(40), 512 << 10);
        assert_eq!(settings(&["--writer-memory-max", "1GiB"]).batch_bytes(3), 4 << 20);
    }

    #[test]
    fn bad_settings_are_refused() {
        for args in [
            ["--routing", "sha1"],
            ["--partition", "week"],
            ["--shards", "x"],
            ["--batch-rows", "0"],
            ["--failpoints", "x"],
        ] {
            let parsed: Result<Settings, _> = clap::Parser::try_parse_from(["forebay-writer", args[0], args[1]]);
            assert!(parsed.is_err(), "{args:?}");
        }
    }
}
