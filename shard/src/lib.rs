//! Forebay shard.
