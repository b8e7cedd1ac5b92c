//! What the cache answers, and when it may.

pub(crate) mod cache;
mod derived;
mod setups;
mod staleness;
