//! The servers that Forebay stands on: which there are, and how each is laid out and started.

pub(crate) mod installed;
pub(crate) mod nats;
pub(crate) mod postgres;
pub(crate) mod psql;
pub(crate) mod redis;
pub(crate) mod secrets;

use std::fmt;

/// Who comes to every server, and the database that every shard has.
pub(crate) const NAME: &str = "forebay";

/// One of the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Server {
    /// The Postgres server of a shard, counted from 0.
    Postgres(usize),
    /// A further Postgres server that follows a shard's: see [`Stack::add_replica`]; counted from 0.
    Replica(usize),
    /// The NATS server.
    Nats,
    /// The Redis server.
    Redis,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Postgres(shard) => write!(f, "Postgres shard {shard}"),
            Self::Replica(replica) => write!(f, "Postgres replica {replica}"),
            Self::Nats => f.write_str("NATS"),
            Self::Redis => f.write_str("Redis"),
        }
    }
}
