//! Where facts go: a key leads to its bucket, and the map from there to a shard.

pub mod decision;
pub mod departure;
pub mod member;
pub mod plan;
pub mod queue;
pub mod shard_map;
pub mod system_id;
pub mod turn;

pub use decision::{Decision, NotDecided};
pub use departure::{LastPlaces, StillNamed};
pub use member::{Label, Labels, Member};
pub use plan::{Shares, Weighed};
pub use queue::{MoveQueue, Pace, Stopped};
pub use shard_map::ShardMap;
pub use system_id::SystemId;
