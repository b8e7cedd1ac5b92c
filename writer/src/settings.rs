//! Flags and environment variables of the writer.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::Duration;

use forebay_log::{LogName, LogSettings};
use forebay_model::Hash;
use forebay_service::ServiceSettings;
use forebay_service::units::{self, ByteSize};
use forebay_shard::{Granularity, LOCAL_SHARDS, LaneSettings, ShardList};

use crate::failpoint::{self, Failpoints, Point};

/// Drains the log into the shards.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "forebay-writer", version)]
pub struct Settings {
    /// Address to listen on
    #[arg(long, env = "FOREBAY_WRITER_LISTEN", default_value = "127.0.0.1:8082")]
    pub listen: SocketAddr,

    /// NATS servers, separated by commas
    #[arg(long, env = "FOREBAY_NATS", default_value = "nats://127.0.0.1:4225")]
    pub nats: String,

    /// What the names of streams and subjects begin with
    #[arg(long, env = "FOREBAY_LOG_PREFIX", default_value = "forebay")]
    pub log_prefix: LogName,

    /// Shards separated by `,`, the addresses of one shard by `|`, its primary first
    #[arg(long, env = "FOREBAY_SHARDS", default_value = LOCAL_SHARDS, hide_env_values = true)]
    pub shards: ShardList,

    /// How customers become buckets, where there is no shard map yet: `md5`, or `modulo` for integer ids
    #[arg(long, env = "FOREBAY_ROUTING", default_value = "md5", value_parser = routing)]
    pub routing: Hash,

    /// How much time a new partition holds: `day`, `hour` or `month`
    #[arg(long, env = "FOREBAY_PARTITION", default_value = "day")]
    pub partition: Granularity,

    /// Partitions that are made ahead
    #[arg(long, env = "FOREBAY_PARTITIONS_AHEAD", default_value = "3", value_parser = clap::value_parser!(u32).range(..=1000))]
    pub partitions_ahead: u32,

    /// How long nothing may have been written to a month before its partitions become one, in seconds; 0 leaves them as they are
    #[arg(long = "merge-quiet-s", env = "FOREBAY_MERGE_QUIET_S", default_value = "600", value_parser = units::seconds)]
    pub merge_quiet: Duration,

    /// Rows that are committed together at most
    #[arg(long, env = "FOREBAY_BATCH_ROWS", default_value = "10000", value_parser = clap::value_parser!(u32).range(1..))]
    pub batch_rows: u32,

    /// Bytes of frames in memory, of all lanes together
    #[arg(long, env = "FOREBAY_WRITER_MEMORY_MAX", default_value_t = ByteSize::mib(64))]
    pub memory_max: ByteSize,

    /// How long frames stay in the log after they were committed, in seconds
    #[arg(long = "keep-behind-s", env = "FOREBAY_KEEP_BEHIND_S", default_value = "7200", value_parser = units::seconds)]
    pub keep_behind: Duration,

    /// Bytes of committed frames that each stream keeps at most; a stream that runs full keeps fewer
    #[arg(long, env = "FOREBAY_KEEP_BEHIND_BYTES", default_value_t = ByteSize::mib(2048))]
    pub keep_behind_bytes: ByteSize,

    /// Bytes that each stream may take; a full stream refuses orders
    #[arg(long, env = "FOREBAY_STREAM_BYTES_MAX", default_value_t = ByteSize::mib(1024))]
    pub stream_bytes_max: ByteSize,

    /// NATS servers that keep each stream
    #[arg(long, env = "FOREBAY_STREAM_REPLICAS", default_value = "1", value_parser = clap::value_parser!(u8).range(1..=5))]
    pub stream_replicas: u8,

    /// Where this writer fails on purpose, for tests
    #[arg(long, env = "FOREBAY_FAILPOINTS", default_value = "", hide = true)]
    pub failpoints: Failpoints,

    /// What every service has.
    #[command(flatten)]
    pub service: ServiceSettings,
}

/// What one lane may hold in memory: half of it read ahead, half of it being committed.
const LANE_BYTES: std::ops::RangeInclusive<usize> = (1 << 20)..=(8 << 20);

fn routing(text: &str) -> Result<Hash, String> {
    match text {
        "md5" => Ok(Hash::Md5),
        "modulo" => Ok(Hash::Modulo),
        _ => Err("there are md5 and modulo".to_owned()),
    }
}

impl Settings {
    /// How many shards there are.
    pub(crate) fn shard_count(&self) -> NonZeroU16 {
        let count = u16::try_from(self.shards.len()).ok().and_then(NonZeroU16::new);
        count.unwrap_or(NonZeroU16::MIN)
    }

    /// The most bytes of frames that are committed together; as many are read ahead.
    pub(crate) fn batch_bytes(&self) -> usize {
        let lanes = self.shards.len() * forebay_model::Lane::ALL.len();
        (self.memory_max.to_usize() / lanes).clamp(*LANE_BYTES.start(), *LANE_BYTES.end()) / 2
    }

    pub(crate) fn lane(&self) -> LaneSettings {
        LaneSettings {
            granularity: self.partition,
            partitions_ahead: self.partitions_ahead,
            before_commit: Some(|| {
                failpoint::pass(Point::BeforeCommit);
            }),
        }
    }

    pub(crate) fn log(&self) -> LogSettings {
        LogSettings {
            replicas: self.stream_replicas.into(),
            stream_bytes_max: self.stream_bytes_max.get(),
            read_ahead_bytes: self.batch_bytes(),
            ..LogSettings::new(&self.nats, self.log_prefix.clone())
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
    fn memory_is_shared_among_the_lanes() {
        assert_eq!(settings(&[]).batch_bytes(), (64 << 20) / 9 / 2);
        let many = (0..40).map(|shard| format!("postgres://f@h:{shard}/f")).collect::<Vec<_>>().join(",");
        assert_eq!(settings(&["--shards", &many]).batch_bytes(), 512 << 10);
        assert_eq!(settings(&["--memory-max", "1GiB"]).batch_bytes(), 4 << 20);
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
