//! Units that move between shards.

mod moves;
mod units;
