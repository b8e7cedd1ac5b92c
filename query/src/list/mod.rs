//! Lists: what one is of, the rows of each shard piece by piece, and the rows of several shards in one order.

pub(crate) mod cursor;
pub(crate) mod hand;
pub(crate) mod merge;
pub(crate) mod picking;
pub(crate) mod scan;
pub(crate) mod source;
