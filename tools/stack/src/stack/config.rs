//! What to start, and where.

use std::path::PathBuf;

use crate::server::postgres::Durability;

/// Each stream books its largest size in advance, and NATS refuses a stream beyond three quarters of the free disk
/// unless told otherwise. On a small disk that would refuse nine streams that will never be full at the same time.
const NATS_STORE_BYTES_MAX: u64 = 1 << 50;

/// What to start, and where.
#[derive(Clone, Debug)]
pub struct StackConfig {
    /// The directory for data and logs; made where there is none, and found again where there is one.
    pub dir: PathBuf,
    /// One Postgres server per port: shard 0, 1, 2 …
    pub postgres_ports: Vec<u16>,
    /// The port of NATS.
    pub nats_port: u16,
    /// The port of Redis.
    pub redis_port: u16,
    /// What Postgres promises of a commit.
    pub durability: Durability,
    /// Further settings of every Postgres server; the last one of a name counts.
    pub postgres_settings: Vec<(String, String)>,
    /// Whether they speak TLS alone, and ask who comes: [`Secrets`](crate::Secrets).
    pub secured: bool,
    /// How many bytes all streams together may book on disk; by default more than there is, since each has a bound.
    pub nats_store_bytes_max: u64,
}

impl StackConfig {
    /// A configuration with real durability and nothing special.
    pub fn new(dir: impl Into<PathBuf>, postgres_ports: Vec<u16>, nats_port: u16, redis_port: u16) -> Self {
        Self {
            dir: dir.into(),
            postgres_ports,
            nats_port,
            redis_port,
            durability: Durability::Real,
            postgres_settings: Vec::new(),
            secured: false,
            nats_store_bytes_max: NATS_STORE_BYTES_MAX,
        }
    }

    /// A configuration for tests: two ports for NATS and Redis, and one for each shard.
    pub(super) fn for_tests(ports: &[u16], durability: Durability) -> Self {
        let mut config = Self::new("", ports[2..].to_vec(), ports[0], ports[1]);
        config.durability = durability;
        config
    }
}
