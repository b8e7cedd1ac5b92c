//! Connections for reading one shard: the one pool, and the one way to go on at another server.
//!
//! Each server of the shard has connections of its own. The primary is the server that writes the latest timeline there ever
//! was; one that writes an earlier timeline was left behind by a promotion, and is read only where no other answers. A
//! server that could not be reached is left alone, so that it costs its readers nothing, until it was tried again: by
//! [`ShardServer::look`], which a service calls now and then, or else by one reader a second.
//!
//! | module | concept |
//! |---|---|
//! | `of_map` | the pools of all shards, as the map has them now |
//! | `shard_pool`, `settings` | the servers of a shard together |
//! | `server` | one server: what it is, work within a time |
//! | `lease` | its connections |
//! | `outage` | whether it is down, and who tries it then |
//! | `failover` | which server is asked first, and which after it |
//! | `error` | why there is no answer |

mod error;
mod failover;
mod lease;
mod of_map;
mod outage;
mod server;
mod settings;
mod shard_pool;

pub use self::error::ShardError;
pub use self::failover::Budget;
pub use self::lease::Lease;
pub use self::of_map::{OfShards, ShardPools};
pub use self::server::{ShardServer, Work};
pub use self::settings::PoolSettings;
pub use self::shard_pool::ShardPool;
